"""Clocks, steps, names and sizes as they should not be, under both loaders."""

from __future__ import annotations

import json

import pytest

from mmx_core.events import read_explanations
from tests.faults.conftest import HUGE_SIDE, LONG_TAG, UNICODE_RUN
from tests.faults.memory import peak_bytes
from tests.faults.panel import TAG


def read(faults, run: str, tag: str = TAG) -> dict[int, str]:
    return {e.step: e.id for e in read_explanations(faults.logdir, run=run, tag=tag)}


def test_a_run_resumed_with_its_clock_set_back_shows_what_was_logged_last(faults, panel):
    expected = {0: "first", 100: "first", 200: "second", 300: "second"}
    assert panel.ids("clock") == read(faults, "clock") == expected


def test_of_a_repeated_step_the_last_is_shown_by_all(faults, panel):
    assert panel.ids("repeated") == read(faults, "repeated") == {0: "a", 1: "c"}


def test_a_step_that_goes_back_costs_none_after_it(faults, panel):
    logged = {0: "0", 100: "100", 300: "300"}
    assert panel.ids("backwards") == read(faults, "backwards") == logged


def test_two_writers_of_one_directory_lose_nothing_of_each_others_samples(faults, panel):
    for tag, id_ in (("mmx/val/1", "one"), ("mmx/val/2", "other")):
        assert panel.ids("two", tag) == read(faults, "two", tag) == dict.fromkeys(range(4), id_)


def test_two_writers_of_one_sample_lose_no_step(faults, panel):
    logged = {step: str(step) for step in range(4)}
    assert panel.ids("two", "mmx/val/both") == read(faults, "two", "mmx/val/both") == logged


def test_a_tag_of_10_000_characters_is_listed_and_opened(panel):
    tag = f"mmx/{LONG_TAG}"
    assert panel.index()["long"] == {tag: [3]}
    assert panel.ids("long", tag) == {3: "0007"}
    status, _, _ = panel.ask("header", run="long", tag=tag, step=3)
    assert status == 200
    status, _, body = panel.ask("header", run="long", tag=tag + "y", step=3)
    assert status == 404 and body.startswith(b"Run 'long' has no explanations under 'val/xxx")


def test_runs_and_tags_of_any_characters_are_listed_and_opened(panel):
    assert panel.index()[UNICODE_RUN] == {"mmx/ü/😀 <script>": [3]}
    assert panel.ids(UNICODE_RUN, "mmx/ü/😀 <script>") == {3: "0007"}
    assert [r["tag"] for r in panel.records(UNICODE_RUN)] == ["mmx/ü/😀 <script>"]


def test_an_image_of_100_megapixels_is_handed_on_as_it_is(faults, panel):
    (explanation,) = read_explanations(faults.logdir, run="huge")
    assert (explanation.image.width, explanation.image.height) == (HUGE_SIDE, HUGE_SIDE)
    status, headers, body = panel.ask("image", run="huge", hash=explanation.image.hash)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert body == explanation.image.data


def test_reading_an_image_of_100_megapixels_takes_what_its_file_takes_and_not_its_pixels(faults):
    def work() -> None:
        (explanation,) = read_explanations(faults.logdir, run="huge")
        assert explanation.image.width == HUGE_SIDE

    # Files are read 16 MB ahead.
    assert peak_bytes(work) < HUGE_SIDE**2 / 3


@pytest.mark.parametrize("run", ["empty", "nothing", "scalars"])
def test_a_run_without_explanations_is_not_listed_and_says_so(panel, run):
    assert run not in panel.index()
    status, _, body = panel.ask("records", run=run)
    assert (status, body.decode()) == (404, f"Run {run!r} has no explanations.")


def test_every_explanation_of_every_run_is_whole_or_named(panel):
    runs = json.loads(panel.ask("index")[2])["runs"]
    for run in runs:
        for sample in run["samples"]:
            shown = panel.shown(run["run"], sample["tag"])
            assert all(not isinstance(entry, str) for entry in shown.values()), shown
