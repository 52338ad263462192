"""A log that is deleted or moved while it is written, and directories that lead in a circle."""

from __future__ import annotations

import os
import resource
import shutil
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mmx_core.cli import main
from mmx_core.events import ExplanationWriter, LoggingWarning, add_explanation, guard
from mmx_core.events.log import runs_of
from mmx_core.events.reader import read_explanations
from mmx_core.events.runs import UNMARKED, start_name, time_of
from mmx_core.events.starts import new_start
from tests.core.test_callback import build_callback, make_trainer, probe
from tests.events.test_writer import events
from tests.faults.panel import served
from tests.support.explanations import make_explanation
from tests.support.tiny_models import make_tiny


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production: errors become warnings, none of which was shown yet."""
    monkeypatch.setenv("MMX_STRICT", "0")
    monkeypatch.setattr(guard, "_warned", set())


def delete_the_file(run: Path) -> None:
    (file,) = run.rglob("events.*")
    file.unlink()


def delete_the_directory(run: Path) -> None:
    shutil.rmtree(run)


def move_the_directory(run: Path) -> None:
    run.rename(run.with_name("moved"))


LOSSES = [delete_the_file, delete_the_directory, move_the_directory]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_file_is_told_once_and_what_follows_is_whole(
    tmp_path: Path, lose: Any, background: bool, quiet: None
) -> None:
    run = tmp_path / "run"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with ExplanationWriter(run, background=background) as writer:
            for step in range(6):
                writer.add_explanation("val/1", make_explanation(), step)
                writer.flush()
                if step == 2:
                    lose(run)
    (warning,) = (one for one in told if one.category is LoggingWarning)
    assert "deleted or moved while it was written, with 3 explanations" in str(warning.message)
    found = list(read_explanations(run))
    assert [one.step for one in found] == [3, 4, 5]
    assert all(one.image is not None for one in found), "the picture was logged again"
    assert writer.missing == 3
    assert [event.file_version for event in events(run)].count("brain.Event:2") == 1


def test_a_lost_file_raises_where_it_is_strict_and_costs_nothing_more(tmp_path: Path) -> None:
    with ExplanationWriter(tmp_path, strict=True) as writer:
        writer.add_explanation("val/1", make_explanation(), 0)
        delete_the_file(tmp_path)
        with pytest.raises(OSError, match="was deleted or moved"):
            writer.add_explanation("val/1", make_explanation(), 1)
        writer.add_explanation("val/1", make_explanation(), 2)
    assert [one.step for one in read_explanations(tmp_path)] == [1, 2]


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("way", ["in the way", "deleted", "never lost"])
def test_what_is_missing_is_told_again_at_the_end_of_the_training(
    tmp_path: Path, background: bool, way: str, quiet: None
) -> None:
    tiny = make_tiny()
    log = tmp_path / "log"
    callback = build_callback(tiny, samples=probe(2), logdir=log, background=background)
    evaluate = callback.on_evaluate

    def evaluate_and_lose(args: Any, state: Any, *place: Any, **parts: Any) -> None:
        evaluate(args, state, *place, **parts)
        if state.global_step == 1 and way != "never lost":
            shutil.rmtree(log)
            if way == "in the way":
                log.write_text("")

    callback.on_evaluate = evaluate_and_lose
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        make_trainer(tiny, tmp_path, callback, steps=3, save_strategy="no").train()
    at_end = [str(one.message) for one in told if "that this training made" in str(one.message)]
    if way == "never lost":
        assert at_end == []
        return
    (said,) = at_end
    missing = "6 of 6" if way == "in the way" else "2 of 6"
    assert said.startswith(f"{missing} explanations that this training made are not in its log: ")
    assert str(log) in said


def test_a_start_follows_one_at_the_end_of_all_times(tmp_path: Path) -> None:
    last = datetime.max.replace(tzinfo=timezone.utc)
    (tmp_path / start_name(last)).mkdir()
    assert time_of(Path(new_start(str(tmp_path), UNMARKED)).name) == last
    add_explanation(tmp_path, "val/1", make_explanation(), 0, strict=True)
    assert [one.step for one in read_explanations(tmp_path)] == [0]


def circles(folder: Path) -> None:
    """Links to what is above, to each other, to themselves, and one that leads to a run."""
    for name in ("one", "two"):
        add_explanation(folder / name, "val/1", make_explanation(), 0)
        (folder / name / "up").symlink_to(folder, target_is_directory=True)
        (folder / name / "here").symlink_to(".", target_is_directory=True)
    (folder / "self").symlink_to("self")
    (folder / "one" / "other").symlink_to("../two", target_is_directory=True)
    (folder / "two" / "other").symlink_to("../one", target_is_directory=True)
    (folder / "best").symlink_to("one", target_is_directory=True)


def test_directories_that_lead_in_a_circle_end_no_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    circles(tmp_path)
    runs = ["best", "best/other", "one", "one/other", "two", "two/other"]
    assert list(runs_of(str(tmp_path))) == runs
    assert {one.run for one in read_explanations(tmp_path)} == set(runs)
    assert main(["list", str(tmp_path)]) == 0
    assert "best/other" in capsys.readouterr().out
    wanted = ["--run", "two/other", "--sample", "val/1", "--format", "html"]
    assert main(["export", str(tmp_path), *wanted, "--out", str(tmp_path / "page.html")]) == 0


def test_many_directories_that_lead_to_each_other_are_not_walked_without_end(
    tmp_path: Path,
) -> None:
    for name in range(12):
        (tmp_path / str(name)).mkdir()
        (tmp_path / str(name) / "events.out.tfevents.1").touch()
        for other in range(12):
            (tmp_path / str(name) / f"to{other}").symlink_to(f"../{other}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    runs = runs_of(str(tmp_path))
    assert {str(name) for name in range(12)} <= set(runs) and len(runs) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 10


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_the_panel_answers_over_a_link_that_leads_back(tmp_path: Path, fast: bool) -> None:
    add_explanation(tmp_path / "one", "val/1", make_explanation(), 0)
    (tmp_path / "one" / "up").symlink_to(tmp_path, target_is_directory=True)
    with served(tmp_path, load_fast=fast) as panel:
        assert panel.index()["one"] == {"mmx/val/1": [0]}
        assert os.path.islink(tmp_path / "one" / "up")
