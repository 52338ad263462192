"""`mmx explain --data`: many samples, what fails among them, and how it goes on."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mmx_core as mmx
from mmx_core import read_explanations
from mmx_core.cli import main
from mmx_core.cli.many import explained, read_samples
from mmx_core.stages import references
from tests.cli.test_explain import ANSWER, checkpoint, image  # noqa: F401
from tests.support.tiny_models import make_tiny


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


def read(path: Path, text: bytes) -> list[mmx.Sample]:
    path.write_bytes(text)
    return read_samples(
        argparse.Namespace(
            **dict.fromkeys(
                ("image", "video", "prompt", "messages", "turn", "answer", "why_not", "tag")
            ),
            data=str(path),
            set=None,
            batch_size=1,
        )
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_is_read_as_whatever_editor_has_saved_it(tmp_path: Path, encoding: str) -> None:
    lines = [f'{{"id": "{name}", "image": "a.png", "prompt": "Où?"}}' for name in "ab"]
    samples = read(tmp_path / "s.jsonl", "\r\n".join([*lines, ""]).encode(encoding))
    assert [(sample.id, sample.prompt) for sample in samples] == [("a", "Où?"), ("b", "Où?")]


def test_files_that_were_put_together_may_each_begin_with_a_mark(tmp_path: Path) -> None:
    line = '{"id": "%s", "image": "a.png", "prompt": "What?"}\n'
    text = "".join(line % name for name in "ab").encode("utf-8-sig")
    samples = read(tmp_path / "s.jsonl", text + (line % "c").encode("utf-8-sig") + b"\xef\xbb\xbf")
    assert [sample.id for sample in samples] == ["a", "b", "c"]


def test_many_ids_are_compared_in_no_time(tmp_path: Path) -> None:
    row = '{"id": "%d", "image": "a.png", "prompt": "What?"}'
    text = "\n".join(row % name for name in range(5000)).encode()
    begun = time.process_time()
    assert len(read(tmp_path / "s.jsonl", text)) == 5000
    # Each with each took 5 s; the samples themselves take a tenth of a second.
    assert time.process_time() - begun < 2


def samples_of(count: int) -> list[mmx.Sample]:
    pictures = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return [
        mmx.Sample(f"{index}", picture, "describe the image .", "a red circle .")
        for index, picture in enumerate(pictures)
    ]


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize(
    "error", [IndexError("i"), ZeroDivisionError("z"), RuntimeError("r"), KeyError("k")], ids=repr
)
def test_whatever_a_sample_raises_costs_it_alone(
    error: Exception, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = make_tiny()
    explainer = mmx.Explainer(tiny.model, **tiny.parts, scales=(1.0,), image_gain=False)
    prepare = type(explainer._pipeline).prepare

    def broken(pipeline: Any, sample: mmx.Sample) -> Any:
        if sample.id == "1":
            raise error
        return prepare(pipeline, sample)

    monkeypatch.setattr(type(explainer._pipeline), "prepare", broken)
    found = list(explained(explainer, samples_of(4), batch_size))
    assert [sample.id for sample, _ in found] == ["0", "1", "2", "3"]
    assert [outcome for _, outcome in found if isinstance(outcome, Exception)] == [error]


@pytest.mark.parametrize("kind", ["memory", "device"])
def test_what_would_befall_every_sample_ends_the_command(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = make_tiny()
    explainer = mmx.Explainer(tiny.model, **tiny.parts, scales=(1.0,), image_gain=False)
    error = torch.OutOfMemoryError("o") if kind == "memory" else RuntimeError("CUDA error")

    def broken(*given: Any, **settings: Any) -> Any:
        raise error

    monkeypatch.setattr(type(explainer._pipeline), "prepare", broken)
    if kind == "device":
        monkeypatch.setattr(torch, "ones", broken)
    with pytest.raises(type(error)):
        list(explained(explainer, samples_of(2), 1))


def test_the_references_of_a_file_are_read_once_however_many_samples_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = make_tiny()
    explainer = mmx.Explainer(tiny.model, **tiny.parts, scales=(1.0,), image_gain=True)
    samples = samples_of(6)
    expected = list(explainer.explain_batch(samples))
    made = []
    begin = references.References.__init__
    monkeypatch.setattr(
        references.References, "__init__", lambda *given: made.append(1) or begin(*given)
    )
    found = [explanation for _, explanation in explained(explainer, samples, 1)]
    assert len(made) == 1
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.image_gain, other.image_gain, atol=1e-5)
