"""`mmx diff`: figures and samples of two checkpoints against a hand-worked case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmx_core.cli import main
from mmx_core.events import ExplanationWriter
from tests.support.explanations import make_explanation

BEFORE = {"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.5}
AFTER = {"a": 0.4, "b": 0.6, "c": 0.1, "d": 0.5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of two steps, another of one, which lacks a sample and has another."""
    folder = tmp_path_factory.mktemp("runs")

    def write(run: str, step: int, figures: dict[str, float], answer: str = "") -> None:
        with ExplanationWriter(folder / run) as writer:
            for name, value in figures.items():
                metrics = {"obj_iou": value, "deletion": value, "masked_words": 3.0}
                explanation = replace(make_explanation(id=name), metrics=metrics)
                if answer and name == "c":
                    explanation = replace(explanation, answer=answer)
                writer.add_explanation(f"val/{name}", explanation, step)

    write("one", 100, BEFORE)
    write("one", 200, AFTER, "something\nelse")
    write("two", 7, {"a": 0.5, "b": 0.5, "z": 0.5})
    return folder


def test_means_intervals_and_samples_come_worst_first(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = [f"{runs}/one@100", f"{runs}/one"]
    assert main(["diff", *pair]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[1].split()[:4] == ["obj_iou", "0.500", "0.400", "-0.100"]
    # What has not changed stands between; of the deletion less is better.
    assert {line.split()[0] for line in lines[2:4]} == {"probability", "grounding"}
    assert lines[4].split()[:4] == ["deletion", "0.500", "0.400", "-0.100"]
    assert lines[6] == "4 samples by obj_iou, worst first"
    assert lines[7].split() == ["-0.400", "0.500", "to", "0.100", "val/c"]
    assert lines[8].startswith("        A: ") and lines[9] == "        B: something\\nelse"
    assert [line.split()[-1] for line in lines[10:]] == ["val/a", "val/d", "val/b"]

    assert main(["diff", *pair, "--json", "--by", "deletion"]) == 0
    found = json.loads(capsys.readouterr().out)
    figure = next(entry for entry in found["figures"] if entry["figure"] == "obj_iou")
    # Differences -0.1, 0.1, -0.4, 0: no resampling can leave their range, most keep clear of it.
    assert figure["change"] == pytest.approx(-0.1)
    assert -0.4 <= figure["low"] < figure["change"] < figure["high"] <= 0.1
    assert figure["samples"] == 4
    assert [entry["sample"] for entry in found["samples"]] == ["val/b", "val/d", "val/a", "val/c"]


def test_samples_of_one_alone_are_counted_and_not_compared(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", f"{runs}/one@100", f"{runs}/two"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["(2 samples of RUN_A alone)", "(1 samples of RUN_B alone)"]
    assert "2 samples by obj_iou, worst first" in lines


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("obj_iou < -0.02", 1),
        ("obj_iou<=-0.2", 0),
        ("deletion > 1e-3", 0),
        ("deletion >= -0.2", 1),
    ],
)
def test_a_condition_that_holds_fails_and_says_by_how_much(
    runs: Path, capsys: pytest.CaptureFixture[str], condition: str, code: int
) -> None:
    pair = [f"{runs}/one@100", f"{runs}/one@200"]
    try:
        ended = main(["diff", *pair, "--fail-if", condition])
    except SystemExit as left:
        ended = left.code
    assert ended == code
    told = capsys.readouterr().err
    assert (f"mmx: {condition}: " in told) is bool(code)
    assert ("changed by -0.1 (95 %" in told) is bool(code)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--fail-if", "obj_iou"], "--fail-if: expected FIGURE < NUMBER"),
        (["--fail-if", "obj_iuo < 0"], "did you mean obj_iou?"),
        (["--by", "nothing"], "--by: expected one of the figures of both"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    runs: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    assert main(["diff", f"{runs}/one@100", f"{runs}/one", *options]) == 2
    assert told in capsys.readouterr().err


def test_a_place_that_is_no_run_or_step_is_refused(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first, told in (
        (str(runs), "RUN_A: expected one run, got 2"),
        (f"{runs}/one@3", "RUN_A: expected a logged step, got 3; there is 100, 200"),
        (f"{runs}/none", "RUN_A: expected a directory"),
    ):
        assert main(["diff", first, f"{runs}/one"]) == 2
        assert told in capsys.readouterr().err
