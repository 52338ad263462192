"""Starts: whoever else logs into a run's directory, and however often we begin, nothing is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import urllib.parse
import warnings
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from mmx_core.events.runs import Going, Start, sources, start_name, start_of, time_of, trainings
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import fetch, serve

PATIENCE_SECONDS = 20


def answer(seed: int, step: int):
    return make_explanation(2, seed=seed, id=f"{seed}")


def log(writer, seed: int, steps, tag: str = "val/1") -> None:
    for step in steps:
        add_explanation(writer, tag, answer(seed, step), step, strict=True)


def shown(logdir: Path) -> dict[str, dict[int, str]]:
    """By run the seed that each step's explanation was made of."""
    found: dict[str, dict[int, str]] = {}
    for explanation in read_explanations(logdir, tag="val/1"):
        found.setdefault(explanation.run, {})[explanation.step] = explanation.id
    return found


def of(base: str, path: str, **query):
    status, _, body = fetch(f"{base}/data/plugin/{path}?{urllib.parse.urlencode(query)}")
    return status, body


def panel_shows(base: str) -> dict[str, dict[int, str]]:
    """The same as :func:`shown`, as the plugin answers."""
    index = json.loads(of(base, "mmx/index")[1])["runs"]
    found: dict[str, dict[int, str]] = {}
    for run in index:
        for step in run["samples"][0]["steps"]:
            status, body = of(base, "mmx/header", run=run["run"], tag="mmx/val/1", step=step)
            assert status == 200, body
            found.setdefault(run["run"], {})[step] = json.loads(body)["id"]
    return found


def eventually(read, expected) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := read()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


# --- what belongs together ---


def names(*goings: Going) -> list[str]:
    moments = (datetime(2026, 1, 1, 0, 0, at, tzinfo=timezone.utc) for at in range(60))
    return [f"a/{start_name(next(moments), going)}" for going in goings]


def test_a_starts_name_says_all_that_is_needed():
    for going in (Going(), Going("add"), Going("from", 300)):
        (name,) = names(going)
        start = start_of(name)
        assert (start.run, start.going) == ("a", going)
    assert start_of("a/b").run == "a/b" and start_of("mmx-nonsense").run == "mmx-nonsense"
    assert time_of("mmx-20261399T000000.000000-0a0a0a") is None, "a 13th month"
    assert start_of(start_name(datetime.now(timezone.utc))).run == "."


def test_a_name_that_only_looks_like_a_starts_is_a_run():
    for folder in ("a/mmx-20261399T000000.000000-0a0a0a", "a/mmx-20260101T000000.000000-0a0a0"):
        assert start_of(folder) == Start(folder, folder)
    (training,) = trainings({"a/mmx-20261399T000000.000000-0a0a0a": {"t": [1]}})
    assert training.run == "a/mmx-20261399T000000.000000-0a0a0a"


def test_runs_come_in_the_order_of_their_numbers():
    logged = {run: {"t": [1]} for run in ("lr10", "lr2", ".", "lr1/b")}
    assert [training.run for training in trainings(logged)] == [".", "lr1/b", "lr2", "lr10"]


def test_earlier_trainings_are_told_apart_by_their_times_or_a_number():
    second = datetime(2026, 1, 1, 0, 0, 7, tzinfo=timezone.utc)
    moments = [second.replace(microsecond=at) for at in range(4)]
    fresh = [f"a/{start_name(moment, Going('from', 0))}" for moment in moments]
    logged = {folder: {"t": [1]} for folder in ["a", *fresh]}
    assert [training.run for training in trainings(logged)] == [
        "a",
        "a (2026-01-01 00:00:07) #3",
        "a (2026-01-01 00:00:07) #2",
        "a (2026-01-01 00:00:07)",
        "a (earlier)",
    ]


def test_what_was_logged_before_the_step_that_is_trained_again_stays():
    first, second = names(Going("from", 0), Going("from", 4))
    logged = {first: {"t": [3, 4, 5], "gone": [4]}, second: {"u": [4]}}
    assert sources([first, second], logged) == {"t": {3: first}, "u": {4: second}}
    assert sources([first], logged) == {"t": dict.fromkeys([3, 4, 5], first), "gone": {4: first}}


def test_a_resumed_training_is_one_and_what_it_trained_again_counts():
    first, second, third = names(Going("from", 0), Going("from", 6), Going("from", 3))
    logged = {first: {"t": [1, 2, 3, 4, 5, 6]}, second: {"t": [6, 7, 8]}, third: {"t": [3, 9]}}
    (training,) = trainings(logged)
    assert training.run == "a" and training.folders == [first, second, third]
    assert training.sources == {"t": {1: first, 2: first, 3: third, 9: third}}


def test_a_training_from_scratch_stands_apart_and_has_the_plain_name():
    first, second = names(Going("from", 0), Going("from", 0))
    latest, earlier = trainings({first: {"t": [1, 2, 3]}, second: {"t": [3]}})
    assert (latest.run, latest.sources) == ("a", {"t": {3: second}})
    assert earlier.run == "a (2026-01-01 00:00:00)"
    assert earlier.sources == {"t": dict.fromkeys([1, 2, 3], first)}


def test_unmarked_starts_are_one_run_until_a_step_comes_again():
    first, second, third = names(Going(), Going(), Going())
    logged = {first: {"t": [300], "u": [300]}, second: {"t": [100]}, third: {"u": [300]}}
    latest, earlier = trainings(logged)
    assert (latest.run, latest.folders) == ("a", [third])
    assert earlier.folders == [first, second]


def test_what_is_added_replaces():
    first, second = names(Going(), Going("add"))
    (run,) = trainings({first: {"t": [0, 1]}, second: {"t": [1]}})
    assert run.sources == {"t": {0: first, 1: second}}


GOINGS = st.one_of(
    st.builds(Going, st.sampled_from(["unmarked", "add"])),
    st.builds(Going, st.just("from"), st.integers(0, 6)),
)


@given(st.lists(st.tuples(GOINGS, st.sets(st.integers(0, 6), min_size=1)), min_size=1, max_size=6))
def test_no_record_is_in_two_trainings_and_the_latest_start_is_shown_whole(starts):
    folders = names(*(going for going, _ in starts))
    logged = {folder: {"t": steps} for folder, (_, steps) in zip(folders, starts, strict=True)}
    found = trainings(logged)
    assert len({training.run for training in found}) == len(found)
    assert sorted(f for training in found for f in training.folders) == sorted(folders)
    for training in found:
        for step, folder in training.sources.get("t", {}).items():
            assert step in logged[folder]["t"] and folder in training.folders
        assert sources(training.folders, logged) == training.sources
    newest = {s for s, folder in found[0].sources["t"].items() if folder == folders[-1]}
    assert newest == starts[-1][1]


# --- writing ---


def test_a_restart_from_scratch_and_resumes_are_told_apart_by_reader_and_panel(tmp_path):
    run = tmp_path / "run"
    for seed, first, steps in ((1, 0, (1, 2, 3)), (2, 3, (3, 4)), (3, 2, (2, 3)), (4, 0, (3, 6))):
        with ExplanationWriter(run, strict=True) as writer:
            writer.mark_resume(first)
            log(writer, seed, steps)
    found = shown(tmp_path)
    earlier = next(name for name in found if name.startswith("run ("))
    assert found == {"run": {3: "4", 6: "4"}, earlier: {1: "1", 2: "3", 3: "3"}}
    for fast in (True, False):
        with serve(tmp_path, load_fast=fast) as base:
            eventually(lambda base=base: panel_shows(base), found)


@pytest.mark.parametrize("fast", [True, False])
def test_a_resume_goes_on_from_a_training_that_ended_before_it_logged(tmp_path, fast):
    with ExplanationWriter(tmp_path, strict=True) as writer:
        log(writer, 1, range(4))
    with ExplanationWriter(tmp_path, strict=True) as writer:
        writer.mark_resume(0)
    with ExplanationWriter(tmp_path, strict=True) as writer:
        writer.mark_resume(2)
        log(writer, 2, (2, 3))
    told = shown(tmp_path)
    assert told["."] == {2: "2", 3: "2"} and len(told) == 2
    with serve(tmp_path, load_fast=fast) as base:
        eventually(lambda: panel_shows(base), told)


def test_a_resume_that_is_marked_on_a_path_is_gone_on_with(tmp_path):
    log(tmp_path, 1, (0, 100, 200))
    mark_resume(tmp_path, 100, strict=True)
    log(tmp_path, 2, (100, 300))
    assert shown(tmp_path) == {".": {0: "1", 100: "2", 300: "2"}}
    assert len(list(tmp_path.rglob("events.*"))) == 2


def test_a_summary_writers_resume_is_its_own_to_mark(tmp_path):
    with (
        SummaryWriter(str(tmp_path)) as writer,
        pytest.raises(TypeError, match="purge_step=100 when it is made"),
    ):
        mark_resume(writer, 100)


def test_a_thousand_calls_with_a_path_leave_one_file(tmp_path):
    made = answer(1, 0)
    for step in range(1000):
        add_explanation(tmp_path, "val/1", made, step, strict=True)
    assert len(list(tmp_path.rglob("events.*"))) == 1
    assert sum(1 for e in read_explanations(tmp_path) if e.image) == 1000


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_paths_and_our_writer_may_take_steps_in_any_order(tmp_path, fast):
    log(tmp_path / "back", 1, range(40, 0, -1))
    mixed = [7 * step % 50 for step in range(50)]
    log(tmp_path / "mixed", 1, mixed)
    expected = {"back": dict.fromkeys(range(1, 41), "1"), "mixed": dict.fromkeys(range(50), "1")}
    with (
        ExplanationWriter(tmp_path / "writer", strict=True) as writer,
        ExplanationWriter(tmp_path / "later", strict=True, background=True) as later,
    ):
        log(writer, 1, mixed)
        later.mark_resume(0)
        log(later, 1, (50, 1000, 100, 5))
        log(later, 2, (1000, 100))  # replaces
    expected["writer"] = dict.fromkeys(range(50), "1")
    expected["later"] = {5: "1", 50: "1", 100: "2", 1000: "2"}
    for run in ("mixed", "writer"):
        assert len(list((tmp_path / run).rglob("events.*"))) <= 10
    assert shown(tmp_path) == expected
    with serve(tmp_path, load_fast=fast, arguments=["--samples_per_plugin=mmx=0"]) as base:
        eventually(lambda: panel_shows(base), expected)


@pytest.mark.parametrize("steps", [range(150, 0, -1), [0] * 150], ids=["back", "again"])
def test_no_order_of_steps_leaves_a_file_for_each(tmp_path, monkeypatch, steps):
    monkeypatch.setattr(guard, "_warned", set())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        log(tmp_path, 1, steps)
        log(tmp_path, 2, range(300, 290, -1))
    (warning,) = (one for one in told if one.category is LoggingWarning)
    assert "has begun 64 starts" in str(warning.message)
    assert len(list(tmp_path.rglob("events.*"))) == 65
    assert set(shown(tmp_path)["."]) >= {*steps, *range(291, 301)}, "all of them can be read"


def test_a_step_that_is_logged_again_amid_others_is_another_training(tmp_path):
    log(tmp_path, 1, (3, 2, 1))
    log(tmp_path, 2, (2, 1, 4))
    found = shown(tmp_path)
    assert found.pop(".") == {2: "2", 1: "2", 4: "2"}
    assert list(found.values()) == [{1: "1", 2: "1", 3: "1"}]


def test_what_replaces_stands_behind_what_it_replaces(tmp_path):
    for seed, step in ((1, 3), (1, 1), (2, 3), (2, 2), (3, 1)):
        add_explanation(tmp_path, "val/1", answer(seed, step), step, replaces=True, strict=True)
    assert shown(tmp_path) == {".": {1: "3", 2: "2", 3: "2"}}


def test_means_go_on_in_whatever_start_is_there(tmp_path):
    for step in range(5):
        add_explanation(tmp_path, "val/1", answer(1, step), step, replaces=True, strict=True)
        add_metrics(tmp_path, "val", [answer(1, step)], step, strict=True)
    assert len(list(tmp_path.rglob("events.*"))) == 1
    assert shown(tmp_path) == {".": dict.fromkeys(range(5), "1")}


def call_once(run: str, sample: int) -> None:
    for step in range(20):
        log(run, sample, (step,), f"val/{sample}")


def test_four_processes_that_append_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=call_once, args=(str(tmp_path), n)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    found = sorted((e.tag, e.step) for e in read_explanations(tmp_path) if e.run == ".")
    assert found == [(f"mmx/val/{n}", step) for n in range(4) for step in range(20)]
    assert len(list(tmp_path.rglob("events.*"))) <= 4


def test_nothing_is_appended_behind_half_a_record(tmp_path):
    log(tmp_path, 1, (0, 1))
    (path,) = tmp_path.rglob("events.*")
    os.truncate(path, path.stat().st_size - 5)
    log(tmp_path, 1, (2,))
    assert shown(tmp_path) == {".": {0: "1", 2: "1"}}


def test_what_is_logged_again_by_a_path_is_another_training_or_replaces(tmp_path):
    log(tmp_path / "apart", 1, (0, 1))
    log(tmp_path / "apart", 2, (0,))
    (earlier,) = set(shown(tmp_path)) - {"apart"}
    assert shown(tmp_path)["apart"] == {0: "2"} and shown(tmp_path)[earlier] == {0: "1", 1: "1"}
    log(tmp_path / "mended", 1, (0, 1))
    add_explanation(tmp_path / "mended", "val/1", answer(3, 0), 0, replaces=True, strict=True)
    assert shown(tmp_path)["mended"] == {0: "3", 1: "1"}
    for seed in (4, 5):
        again = answer(seed, 0)
        add_explanation(tmp_path / "mended", "val/1", again, 0, replaces=True, strict=True)
    assert shown(tmp_path)["mended"] == {0: "5", 1: "1"}
    assert len(list((tmp_path / "mended").iterdir())) == 2, "and shares one start"


def test_a_writers_own_file_is_never_appended_to_by_a_path(tmp_path):
    with ExplanationWriter(tmp_path, strict=True) as writer:
        log(writer, 1, (0,))
        log(tmp_path, 2, (1,))
        log(writer, 1, (2,))
    assert shown(tmp_path) == {".": {0: "1", 1: "2", 2: "1"}}
    assert len(list(tmp_path.rglob("events.*"))) == 2


@pytest.mark.parametrize("background", [False, True])
def test_a_relative_directory_is_the_one_meant_at_first(tmp_path, monkeypatch, background):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with ExplanationWriter("run", background=background, strict=True) as writer:
        log(writer, 1, (0,))
        monkeypatch.chdir(tmp_path / "elsewhere")
        log(writer, 1, (1,))
    assert shown(tmp_path) == {"run": {0: "1", 1: "1"}}


# --- beside others ---


def losses(base: str) -> list[int]:
    status, body = of(base, "scalars/scalars", run="run", tag="loss")
    return [point[1] for point in json.loads(body)] if status == 200 else []


def beside(kind: str, run: Path, training: SummaryWriter):
    if kind == "itself":
        return training
    return ExplanationWriter(run, strict=True) if kind == "writer" else run


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
@pytest.mark.parametrize("kind", ["itself", "writer", "path"])
def test_a_trainings_own_loss_goes_on_growing_beside_explanations(tmp_path, kind, fast):
    run = tmp_path / "run"
    training = SummaryWriter(str(run))
    training.add_scalar("loss", 1.0, 0)
    training.flush()
    writer = beside(kind, run, training)
    log(writer, 1, (0,))
    with serve(tmp_path, load_fast=fast) as base:
        eventually(lambda: losses(base), [0])
        for step in (1, 2):
            training.add_scalar("loss", 1.0, step)
            log(writer, 1, (step,))
            training.flush()
            eventually(lambda step=step: losses(base), list(range(step + 1)))
        eventually(lambda: panel_shows(base), {"run": {0: "1", 1: "1", 2: "1"}})


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_a_resumed_training_keeps_its_own_curve(tmp_path, fast):
    """As a Trainer writes both: a second file beside the first, with and without purge_step."""
    run = tmp_path / "run"
    for first, last, purge in ((0, 6, None), (5, 9, None), (7, 11, 7)):
        writer = ExplanationWriter(run, strict=True)
        writer.mark_resume(first)
        with SummaryWriter(str(run), purge_step=purge) as training, writer:
            for step in range(first, last):
                training.add_scalar("loss", 1.0, step)
                log(writer, first, (step,))
        time.sleep(1.1)  # a SummaryWriter's files are named by the second
    with serve(tmp_path, load_fast=fast) as base:
        eventually(lambda: sorted(set(losses(base))), list(range(11)))
        expected = {
            **dict.fromkeys(range(5), "0"),
            5: "5",
            6: "5",
            **dict.fromkeys(range(7, 11), "7"),
        }
        eventually(lambda: panel_shows(base), {"run": expected})


def test_where_nothing_can_be_locked_calls_share_a_start_and_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("mmx_core.events.shared.fcntl", None)
    log(tmp_path / "run", 1, [0, 1, 2])
    log(tmp_path / "run", 1, [4])
    assert shown(tmp_path) == {"run": dict.fromkeys([0, 1, 2, 4], "1")}
    assert all(entry.image is not None for entry in read_explanations(tmp_path))
    (start,) = (tmp_path / "run").iterdir()
    picture = make_explanation(2, seed=1).image
    files = [path.name for path in start.iterdir()]
    assert len(files) == 4
    assert sum(picture.hash[:64] in name for name in files) == 1, "the picture is in one of them"
