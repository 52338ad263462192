"""Runs as people name them, over the directories of their starts, under both loaders."""

from __future__ import annotations

import json
import shutil
import time
import urllib.parse
from pathlib import Path

import pytest

from tb_mmx_plugin import data as data_module
from tb_mmx_plugin.refusals import NotLogged
from tests.plugin.conftest import open_data, open_reloadable
from tests.plugin.test_data import EXPERIMENT, unframe
from tests.support.explanations import make_image
from tests.support.starts import start_folder, write_lost, write_start
from tests.support.tensorboard_server import fetch, serve

SAMPLE, TAG = "val/0", "mmx/val/0"
FIRST, RESUME, ADDED = start_folder(1), start_folder(2, "-from-6"), start_folder(3, "-add")
ALONGSIDE = [start_folder(number) for number in (1, 2, 3, 4)]


def write_runs(folder: Path) -> Path:
    write_start(folder / "resumed" / FIRST, {SAMPLE: [0, 3, 6, 9]}, seed=1)
    write_start(folder / "resumed" / RESUME, {SAMPLE: [6, 8]}, seed=2)
    write_start(folder / "resumed" / ADDED, {SAMPLE: [3], "val/1": [3]}, seed=3)
    for number, scratch in enumerate(("", "-from-0"), 1):
        name = start_folder(number, scratch)
        write_start(folder / "twice" / name, {SAMPLE: [0, number]}, seed=number)
    write_start(folder / "old", {SAMPLE: [0]}, seed=1)
    write_start(folder / "old" / start_folder(5, "-from-1"), {SAMPLE: [1]}, seed=2)
    for number, name in enumerate(ALONGSIDE):
        write_start(folder / "four" / name, {f"val/{number}": [0, 1]}, seed=number)
    write_lost(folder / "lost-first", scalar_first=True)
    write_lost(folder / "lost-later", scalar_first=False)
    write_start(folder / 'lr "1e-4"', {SAMPLE: [0]}, seed=1)
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "slow"])
def served(request, tmp_path_factory):
    with serve(write_runs(tmp_path_factory.mktemp("runs")), load_fast=request.param) as url:
        yield url, request.param


def get(served, route: str, **parameters):
    query = urllib.parse.urlencode(parameters, doseq=True)
    return fetch(f"{served[0]}/data/plugin/mmx/{route}?{query}")


def sources(served, run: str, tag: str, steps: list[int]) -> list[str | None]:
    """Which start each step is from, by the id that its header holds."""
    found = [get(served, "header", run=run, tag=tag, step=step) for step in steps]
    return [json.loads(body)["id"] if status == 200 else None for status, _, body in found]


def steps(served) -> dict[str, dict[str, list[int]]]:
    runs = json.loads(get(served, "index")[2])["runs"]
    return {
        entry["run"]: {sample["tag"]: sample["steps"] for sample in entry["samples"]}
        for entry in runs
    }


def test_a_run_resumed_from_an_older_checkpoint_is_one_with_each_step_of_the_start_that_counts(
    served,
):
    assert steps(served)["resumed"] == {TAG: [0, 3, 6, 8], "mmx/val/1": [3]}
    assert sources(served, "resumed", TAG, [0, 3, 6, 8, 9]) == ["1", "3", "2", "2", None]
    entries = unframe(get(served, "blobs", run="resumed", tag=TAG, step=[8, 0, 9])[2])
    assert [entry["step"] for entry in entries] == [8, 0, 9]
    assert ["blobs" in entry for entry in entries] == [True, True, False]


def test_its_records_are_those_of_the_starts_that_count(served):
    records = json.loads(get(served, "records", run="resumed", tag=TAG)[2])["records"]
    images = {seed: make_image(seed=seed).hash for seed in (1, 2, 3)}
    assert [(record["step"], record["image"]) for record in records] == [
        (0, images[1]), (3, images[3]), (6, images[2]), (8, images[2]),
    ]  # fmt: skip


def test_its_images_are_found_in_whichever_start_has_them(served):
    for seed in (1, 2, 3):
        image = make_image(seed=seed)
        status, _, body = get(served, "image", run="resumed", hash=image.hash)
        assert (status, body) == (200, image.data)


def test_a_start_s_directory_is_answered_with_what_it_holds(served):
    name = f"resumed/{FIRST}"
    assert sources(served, name, TAG, [3, 9]) == ["1", "1"]
    records = json.loads(get(served, "records", run=name)[2])["records"]
    assert [record["step"] for record in records] == [0, 3, 6, 9]
    image = make_image(seed=3)
    assert get(served, "image", run=name, hash=image.hash)[0] == 200


def test_of_two_trainings_in_one_directory_the_latest_has_its_name(served):
    found = steps(served)
    assert found["twice"] == {TAG: [0, 2]}
    assert found["twice (2026-11-28 12:01:56)"] == {TAG: [0, 1]}
    assert sources(served, "twice", TAG, [0]) == ["2"]
    assert sources(served, "twice (2026-11-28 12:01:56)", TAG, [0]) == ["1"]


def test_a_start_goes_on_from_a_log_directly_in_the_directory(served):
    assert steps(served)["old"] == {TAG: [0, 1]}
    assert sources(served, "old", TAG, [0, 1]) == ["1", "2"]


def test_four_starts_of_one_training_are_one_run(served):
    assert steps(served)["four"] == {f"mmx/val/{number}": [0, 1] for number in range(4)}
    assert sources(served, "four", "mmx/val/3", [1]) == ["3"]


@pytest.mark.parametrize("run", ["lost-first", "lost-later"])
def test_what_a_scalar_has_taken_is_named_as_lost(served, run):
    (entry,) = [e for e in json.loads(get(served, "index")[2])["runs"] if e["run"] == run]
    lost, whole = entry["samples"]
    assert (lost["tag"], lost["steps"], lost["lost"]) == ("mmx/val/grounding", [], [0, 1, 2])
    assert whole["steps"] == [0, 1, 2] and "lost" not in whole
    records = json.loads(get(served, "records", run=run)[2])["records"]
    assert [record.get("lost", False) for record in records] == [True] * 3 + [False] * 3
    status, _, body = get(served, "header", run=run, tag="mmx/val/grounding", step=1)
    assert status == 409
    assert "'val/grounding' was logged, but TensorBoard gave its tag to a scalar" in body.decode()


def test_a_name_that_the_data_server_has_no_key_for_is_refused_with_the_reason(served):
    status, _, body = get(served, "header", run='lr "1e-4"', tag=TAG, step=0)
    if served[1]:
        assert status == 409 and "--load_fast=false" in body.decode()
    else:
        assert status == 200


@pytest.mark.parametrize("load_fast", [True, False], ids=["fast", "slow"])
def test_an_open_server_follows_starts_as_they_come_and_go(tmp_path, load_fast):
    write_start(tmp_path / "run" / FIRST, {SAMPLE: [0, 6, 9]}, seed=1)
    with serve(tmp_path, load_fast=load_fast) as url:
        served = url, load_fast
        assert sources(served, "run", TAG, [6]) == ["1"]

        def wait(expected: list[int]) -> None:
            deadline = time.monotonic() + 20
            while steps(served) != {"run": {TAG: expected}}:
                assert time.monotonic() < deadline, steps(served)
                time.sleep(0.2)

        write_start(tmp_path / "run" / RESUME, {SAMPLE: [6, 7]}, seed=2)
        wait([0, 6, 7])
        assert sources(served, "run", TAG, [6, 7]) == ["2", "2"]
        shutil.rmtree(tmp_path / "run" / RESUME)
        wait([0, 6, 9])
        assert sources(served, "run", TAG, [6, 9]) == ["1", "1"]


def test_a_step_that_has_come_since_the_last_listing_is_looked_for_anew(tmp_path, context):
    write_start(tmp_path, {SAMPLE: [0]}, seed=1)
    data, reload = open_reloadable(tmp_path)
    data.index(context, EXPERIMENT)
    write_start(tmp_path, {SAMPLE: [5]}, seed=2)
    with pytest.raises(NotLogged):
        data.header(context, EXPERIMENT, run=".", tag=TAG, step=5)
    reload()
    assert data.header(context, EXPERIMENT, run=".", tag=TAG, step=5)["id"] == "2"
    assert data.image(context, EXPERIMENT, run=".", name=make_image(seed=2).hash)


def test_what_is_known_is_opened_without_listing_everything_again(tmp_path, context, monkeypatch):
    write_start(tmp_path, {SAMPLE: [0, 1]}, seed=1)
    data = open_data(tmp_path)
    data.index(context, EXPERIMENT)
    lists = data._catalogue._lists
    asked = []
    list_all = lists.list_blob_sequences

    def counted(*args, **kwargs):
        asked.append(1)
        return list_all(*args, **kwargs)

    monkeypatch.setattr(lists, "list_blob_sequences", counted)
    for step in (0, 1, 0):
        data.header(context, EXPERIMENT, run=".", tag=TAG, step=step)
    assert not asked
    monkeypatch.setattr(data_module, "_KNOWN_SECONDS", 0)
    data.header(context, EXPERIMENT, run=".", tag=TAG, step=0)
    assert asked == [1]
