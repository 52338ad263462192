"""`mmx explain --data`: many samples, what fails among them, and how it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmx_core import read_explanations
from mmx_core.cli import main
from tests.cli.test_explain import ANSWER, checkpoint, image  # noqa: F401


@pytest.fixture
def data(image: Path, tmp_path: Path) -> Path:  # noqa: F811
    path = tmp_path / "set" / "probe.jsonl"
    path.parent.mkdir()
    (path.parent / "a.png").write_bytes(image.read_bytes())
    asked = {"prompt": "describe the image .", "answer": ANSWER}
    part = {"type": "image", "image": "a.png"}
    said = [
        {"role": "user", "content": [part, {"type": "text", "text": "a dog ?"}]},
        {"role": "assistant", "content": ANSWER},
    ]
    rows = [
        {"id": 7, "image": "a.png", **asked},
        {"id": "gone", "image": "b.png", **asked},
        {"messages": said},
        {"id": "said", "image": str(image), "prompt": "a dog ?"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    return path


def explain(checkpoint: Path, data: Path, *options: str) -> int:  # noqa: F811
    runs = ["--logdir", str(data.parent / "runs"), "--scales", "1", "--device", "cpu"]
    return main(["explain", "--model", str(checkpoint), "--data", str(data), *runs, *options])


def steps(data: Path) -> list[tuple[str, int | None]]:
    return [(e.tag, e.step) for e in read_explanations(data.parent / "runs")]


def test_each_line_is_explained_once_and_one_that_fails_costs_itself_alone(
    checkpoint: Path,  # noqa: F811
    data: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--batch-size", "2", "--max-new-tokens", "3", "--dtype", "float32", "--step", "5")
    with pytest.raises(SystemExit, match="1"):
        explain(checkpoint, data, *options)
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "3 explained, 0 were there, 1 failed"
    assert "mmx: left out gone: " in told.err and "No such file" in told.err
    logged = [(f"mmx/probe/{name}", 5) for name in ("0002", "7", "said")]
    assert sorted(steps(data)) == logged
    (said,) = (e for e in read_explanations(data.parent / "runs") if e.tag.endswith("said"))
    assert len(said.tokens) <= 3 and said.image_gain is not None

    (data.parent / "b.png").write_bytes((data.parent / "a.png").read_bytes())
    assert explain(checkpoint, data, *options) == 0
    assert capsys.readouterr().out.startswith("1 explained, 3 were there, 0 failed\n")
    assert sorted(steps(data)) == sorted([*logged, ("mmx/probe/gone", 5)])


@pytest.mark.parametrize(
    ("lines", "options", "told"),
    [
        (["{"], [], "--data: line 1: expected a JSON object"),
        (["[1]"], [], "--data: line 1: expected a JSON object, got list"),
        (['{"picture": "a.png"}'], [], "--data: line 1: sample: expected 'id' and others of"),
        (['{"id": "a"}', '{"id": "a"}'], [], "--data: expected distinct ids, got a repeatedly"),
        ([], [], "--data: expected samples, got none"),
        (['{"id": "a"}'], ["--set", "images"], "--set: set: the set 'images' is reserved"),
        (['{"id": "a"}'], ["--prompt", "what ?"], "--prompt: expected none with --data"),
        (['{"id": "a"}'], ["--batch-size", "0"], "--batch-size: expected at least 1, got 0"),
        (['{"id": "a"}'], ["--max-new-tokens", "0"], "--max_new_tokens: expected a whole number"),
    ],
)
def test_a_file_that_cannot_be_explained_is_refused_before_any_work(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lines: list[str],
    options: list[str],
    told: str,
) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(lines))
    command = ["explain", "--model", str(tmp_path), "--data", str(path), "--logdir", str(tmp_path)]
    assert main([*command, *options]) == 2
    assert told in capsys.readouterr().err
