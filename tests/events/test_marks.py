"""Several writers of one training: each marks where it goes on, and none voids another."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from mmx_core.events import (
    ExplanationWriter,
    LoggingWarning,
    add_explanation,
    add_metrics,
    guard,
    mark_resume,
    read_explanations,
)
from mmx_core.events.starts import has_logged
from tests.support.explanations import make_explanation

MADE = make_explanation(2)
SETS = ("val", "train", "test")


def log(writer, tag: str, *steps: int) -> None:
    for step in steps:
        add_explanation(writer, tag, MADE, step, strict=True)


def shown(logdir: Path) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for one in read_explanations(logdir):
        steps = found.setdefault(one.run, {}).setdefault(one.tag.removeprefix("mmx/"), [])
        steps.append(one.step)
    return found


def writers(folder: Path, background: bool = False) -> list[ExplanationWriter]:
    return [ExplanationWriter(folder, strict=True, background=background) for _ in SETS]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("order", ["all mark first", "each marks and logs", "step by step"])
def test_writers_that_mark_the_same_are_one_training(tmp_path, background, order):
    for first, last in ((0, 3), (3, 5)):
        opened = writers(tmp_path, background)
        if order == "all mark first":
            for writer in opened:
                writer.mark_resume(first)
        for writer, name in zip(opened, SETS, strict=True):
            if order != "all mark first":
                writer.mark_resume(first)
            steps = range(first, last) if order != "step by step" else (first,)
            log(writer, f"{name}/1", *steps)
        if order == "step by step":
            for step in range(first + 1, last):
                for writer, name in zip(opened, SETS, strict=True):
                    log(writer, f"{name}/1", step)
        for writer in opened:
            writer.close()
    assert shown(tmp_path) == {".": {f"{name}/1": [0, 1, 2, 3, 4] for name in sorted(SETS)}}


@pytest.mark.parametrize("first", [0, 2])
def test_a_training_that_was_left_open_is_not_gone_on_with(tmp_path, first):
    """As in a notebook whose cell was interrupted, and is run again."""
    left = writers(tmp_path)
    for writer, name in zip(left, SETS, strict=True):
        writer.mark_resume(first)
        log(writer, f"{name}/1", 2, 3, 4)
    again = writers(tmp_path)
    for old, writer in zip(left, again, strict=True):
        if first:
            old.close()
        writer.mark_resume(first)
    for writer, name in zip(again, SETS, strict=True):
        log(writer, f"{name}/1", 2)
    found = shown(tmp_path)
    assert found.pop(".") == {f"{name}/1": [2] for name in sorted(SETS)}
    assert list(found.values()) == ([] if first else [{f"{n}/1": [2, 3, 4] for n in sorted(SETS)}])


def test_one_who_goes_on_while_another_marks_loses_nothing_that_it_logs_since(tmp_path):
    with (
        ExplanationWriter(tmp_path, strict=True) as marking,
        ExplanationWriter(tmp_path, strict=True) as other,
    ):
        for writer, name in ((marking, "val"), (other, "train")):
            log(writer, f"{name}/1", 0, 1)
        log(marking, "val/1", 2, 3)
        marking.mark_resume(2)
        log(other, "train/1", 2, 3)
        log(marking, "val/1", 2)
        mark_resume(tmp_path, 2, strict=True)
        log(other, "train/1", 3)
        log(tmp_path, "path/1", 2)
    expected = {"path/1": [2], "train/1": [0, 1, 3], "val/1": [0, 1]}
    assert shown(tmp_path) == {".": expected}


def test_a_writer_that_goes_back_twice_voids_what_it_has_logged_each_time(tmp_path):
    with ExplanationWriter(tmp_path, strict=True) as writer:
        for steps in ((0, 1, 2, 3), (2, 3, 4), (2,)):
            writer.mark_resume(steps[0])
            log(writer, "val/1", *steps)
    assert shown(tmp_path) == {".": {"val/1": [0, 1, 2]}}


def test_threads_that_mark_at_once_are_one_training(tmp_path):
    together = threading.Barrier(8)

    def train(name: int) -> None:
        with ExplanationWriter(tmp_path, strict=True) as writer:
            together.wait()
            writer.mark_resume(0)
            together.wait()
            log(writer, f"{name}/1", 1, 2)
            together.wait()

    threads = [threading.Thread(target=train, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert shown(tmp_path) == {".": {f"{name}/1": [1, 2] for name in range(8)}}


def test_a_picture_is_in_every_start_whose_explanations_show_it(tmp_path):
    with ExplanationWriter(tmp_path, strict=True) as writer:
        log(writer, "val/1", 3, 5, 4, 6, 2)
    assert len(list(tmp_path.iterdir())) == 3
    for start in tmp_path.iterdir():
        assert all(one.image is not None for one in read_explanations(start))


def test_means_that_go_back_are_shown_too(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with ExplanationWriter(tmp_path, strict=True) as writer:
        for step in (50, 1000, 100):
            add_metrics(writer, "val", {"grounding": 0.5}, step, strict=True)
    found = []
    for start in tmp_path.iterdir():
        log = EventAccumulator(str(start)).Reload()
        found.append([event.step for event in log.Scalars("mmx_metrics/val/grounding")])
    assert sorted(found) == [[50, 1000], [100]]


def test_samples_whose_steps_go_back_share_their_starts(tmp_path):
    with ExplanationWriter(tmp_path, strict=True) as writer:
        for sample in range(8):
            log(writer, f"val/{sample}", 50, 1000, 100)
    assert len(list(tmp_path.iterdir())) == 2
    assert shown(tmp_path) == {".": {f"val/{n}": [50, 100, 1000] for n in range(8)}}


def test_a_writer_whose_steps_go_back_without_end_warns_and_keeps_all(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "_warned", set())
    with (
        pytest.warns(LoggingWarning, match="has begun 64 starts"),
        ExplanationWriter(tmp_path, strict=True) as writer,
    ):
        log(writer, "val/1", *range(80, 0, -1))
    assert len(list(tmp_path.iterdir())) == 64
    assert shown(tmp_path) == {".": {"val/1": list(range(1, 81))}}


def test_a_summary_writer_whose_steps_go_back_says_what_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "_warned", set())
    with SummaryWriter(str(tmp_path)) as writer:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            log(writer, "val/1", 50, 1000, 1000)
            log(writer, "val/2", 50)
        with pytest.warns(LoggingWarning, match="gone back from step 1000 to 100 of mmx/val/1"):
            log(writer, "val/1", 100)


def test_only_explanations_count_as_logged(tmp_path):
    assert not has_logged(tmp_path / "none")
    with SummaryWriter(str(tmp_path)) as training:
        training.add_scalar("loss", 1.0, 0)
        training.flush()
        mark_resume(tmp_path, 0, strict=True)
        assert not has_logged(tmp_path), "a curve, and a training that ended before it logged"
        log(training, "val/1", 0)
    assert has_logged(tmp_path)
    with ExplanationWriter(tmp_path / "mine", strict=True) as writer:
        log(writer, "val/1", 0)
        assert has_logged(tmp_path / "mine") and not has_logged(tmp_path / "mine", open_too=False)
    assert has_logged(tmp_path / "mine", open_too=False)
