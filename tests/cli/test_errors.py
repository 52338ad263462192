"""Wrong input ends with exit code 2 and one sentence, never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core import add_explanation
from mmx_core.cli import main
from mmx_core.events import wire
from mmx_core.explanation import ExplainedImage
from tests.support.explanations import make_explanation

ROOT = Path(__file__).parents[2]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    # The progress bar, where there was one, ends before the sentence.
    line = told.err.rstrip("\n").rsplit("\n", 1)[-1]
    assert line.startswith("mmx: ")
    assert "Traceback" not in told.err
    return line


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Options of `mmx explain` that are right as far as can be seen before loading."""
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(tmp_path / "image.png")
    (tmp_path / "model").mkdir()
    return {
        "--model": str(tmp_path / "model"),
        "--image": str(tmp_path / "image.png"),
        "--prompt": "describe the image .",
        "--logdir": str(tmp_path / "runs"),
    }


def flat(options: dict[str, str]) -> list[str]:
    return ["explain", *(part for pair in options.items() for part in pair)]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"--image": "."}, "a directory"),
        ({"--model": __file__}, "a file"),
        ({"--model": "nobody/nothing"}, "'nobody/nothing'"),
        ({"--scales": "nan"}, "--scales: expected finite numbers above 0, got nan"),
        ({"--scales": "big"}, "--scales: invalid float value: 'big'"),
        ({"--aggregation": "sum"}, "choose from"),
        ({"--step": "soon"}, "invalid int value"),
        ({"--step": "99999999999999999999"}, "--step: expected a whole number within 2^53"),
        ({"--device": "cuda:93"}, "--device: expected one that torch can use"),
        ({"--answer": ""}, "--answer: expected text"),
        ({"--tag": "images/3"}, "reserved"),
        ({"--logdir": __file__}, "--logdir: expected a directory, got the file"),
        ({"--logdir": "https://host/runs"}, "a web server takes no files"),
        ({"--logdir": "nosuch://host/runs"}, "(Protocol not known: nosuch); name another"),
        ({"--messages": __file__}, "--prompt: expected either it or --messages, got both"),
        ({"--video": "."}, "--video: expected a directory of frames"),
        ({"--fps": "0"}, "--fps: expected a number above 0"),
        ({"--turn": "0"}, "--turn: expected none without --messages"),
        ({"--why-not": "dog"}, "--why-not: expected WORD=OTHER, got 'dog'"),
        ({"--chat-template-kwargs": "thinking"}, "--chat-template-kwargs: expected a JSON object"),
        ({"--chat-template-kwargs": "[1]"}, "--chat-template-kwargs: expected a JSON object"),
    ],
)
def test_wrong_input_of_explain_is_named(given, wrong, told, capsys) -> None:
    assert told in refused(flat({**given, **wrong}), capsys)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--run", "groundd"], "did you mean grounded?"),
        (["--run", "zzz"], "there is control, grounded"),
        (["--sample", "val/100"], "did you mean val/10"),
        (["--sample", ""], "there is val/2, val/10"),
        (["--step", "first"], "expected a number, last or all, got 'first'"),
        (["--token", "5"], "expected indices from 0 to 4, got [5]; the answer is 0 "),
        (["--token", "-1"], "expected indices from 0 to 4"),
        (["--token", "0", "--format", "npz"], "expected with --format png, gif, webp alone"),
        (["--format", "bmp"], "expected one of the formats, got 'bmp'; there is png, gif, webp"),
        (["--out", "absent/folder/file.png"], "--out: expected a file that can be written"),
    ],
)
def test_wrong_input_of_export_is_answered_with_what_is_there(
    logdir, tmp_path, monkeypatch, options, told, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    right = ["--run", "grounded", "--sample", "val/2", "--format", "png"]
    line = refused(["export", str(logdir), *right, *options], capsys)
    assert told in line


def test_a_damaged_record_is_named_and_left_out_of_a_page_of_all_steps(
    tmp_path, monkeypatch, panel, capsys
) -> None:
    encode = wire.encode_explanation
    for step in (0, 1):
        add_explanation(tmp_path / "runs", "val/0", make_explanation(), step)
        monkeypatch.setattr(
            "mmx_core.events.records.encode_explanation",
            lambda explanation, **place: [encode(explanation, **place)[0], b"damaged"],
        )
    place = ["export", str(tmp_path / "runs"), "--run", ".", "--sample", "val/0"]
    assert "damaged one at step 1" in refused([*place, "--format", "npz"], capsys)
    out = tmp_path / "page.html"
    assert main([*place, "--format", "html", "--step", "all", "--out", str(out)]) == 0
    assert "skipped run '.', mmx/val/0, step 1" in capsys.readouterr().err
    assert '"steps":[0]' in out.read_text(encoding="utf-8")


def test_a_damaged_image_is_reported_once_and_costs_nothing_else(
    tmp_path, monkeypatch, panel, capsys
) -> None:
    monkeypatch.setattr("mmx_core.events.records.encode_image", lambda image: [b"damaged"] * 2)
    for step in (0, 1):
        add_explanation(tmp_path / "runs", "val/0", make_explanation(), step)
    out = tmp_path / "page.html"
    place = ["export", str(tmp_path / "runs"), "--run", ".", "--sample", "val/0", "--step", "all"]
    assert main([*place, "--format", "html", "--out", str(out)]) == 0
    assert capsys.readouterr().err.count("skipped run '.', image ") == 1
    page = out.read_text(encoding="utf-8")
    assert '"steps":[0,1]' in page and '"images":{}' in page


def test_importing_the_command_and_listing_a_log_load_no_torch(logdir) -> None:
    code = (
        "import sys; from mmx_core.cli import main; "
        f"main(['list', {str(logdir)!r}]); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_an_image_record_that_is_no_picture_costs_the_picture_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explanation = make_explanation()
    assert explanation.image is not None
    broken = replace(
        explanation,
        images=(ExplainedImage(replace(explanation.image, data=b"no picture")),),
    )
    add_explanation(tmp_path / "runs" / "one", "val/1", broken, 0)
    out = tmp_path / "sheet.png"
    arguments = ["export", str(tmp_path / "runs"), "--run", "one", "--sample", "val/1"]
    assert main([*arguments, "--format", "png", "--out", str(out)]) == 0
    assert Image.open(out).size[0] > 0
    capsys.readouterr()


def test_more_tokens_than_a_picture_holds_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = make_explanation(tokens=300, scales=((1.0, (2, 2)),))
    add_explanation(tmp_path / "one", "val/1", long, 0)
    arguments = ["export", str(tmp_path), "--run", "one", "--sample", "val/1", "--format", "png"]
    assert "--token: expected at most 240 on one picture, got 300" in refused(arguments, capsys)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_directory_whose_name_is_no_text_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_explanation(tmp_path / "one", "val/1", make_explanation(), 0)
    bad = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(bad)
    Path(os.fsdecode(bad), "events.out.tfevents.1").write_bytes(b"")
    assert "LOGDIR: expected directories named in UTF-8" in refused(["list", str(tmp_path)], capsys)
