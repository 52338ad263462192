"""Writers that are killed, and disks that are full: what was logged stays readable by all."""

from __future__ import annotations

import re

import pytest

from mmx_core.events import read_explanations
from tests.faults import full_disk

KILLED = ["killed0", "killed1", "killed2"]


def expected(faults, run: str, found: dict[int, str]) -> dict[int, str]:
    """What was acknowledged; and step 0 where it may be there and is."""
    assert faults.killed.code == 0, faults.killed.errors
    told = faults.killed.output[run]
    logged = {int(step): f"life {life}" for step, life in told["logged"].items()}
    if told["step 0 may be there"] and 0 in found:
        logged = {0: "life 0", **logged}
    return logged


@pytest.mark.parametrize("run", KILLED)
def test_all_that_killed_writers_had_flushed_is_read_and_each_torn_file_is_named(faults, run):
    explanations = read_explanations(faults.logdir, run=run)
    found = {e.step: e.id for e in explanations}
    assert found == expected(faults, run, found)
    torn = {damage.tag for damage in explanations.damaged}
    assert all("ends within a record" in damage.reason for damage in explanations.damaged)
    # Now and then a kill falls between two records.
    assert 1 <= len(torn) <= faults.killed.output[run]["kills"]


@pytest.mark.parametrize("run", KILLED)
def test_both_loaders_show_what_the_last_life_of_a_killed_run_logged(faults, panel, run):
    found = panel.ids(run)
    assert found == expected(faults, run, found)
    assert [record["step"] for record in panel.records(run)] == list(found)


@pytest.fixture
def full(faults):
    if faults.full.code == full_disk.NO_DISK:
        pytest.skip("this machine grants no file system of one's own")
    assert faults.full.code == 0, faults.full.errors
    return faults.full


def test_a_full_disk_neither_ends_the_run_nor_warns_twice_nor_is_littered(full):
    assert len(re.findall("logging an explanation failed", full.errors)) == 1, full.errors
    assert "No space left on device" in full.errors
    assert full.output["files"] <= 2
    written = full.output["written"]
    assert 0 in written and 59 not in written
    assert 60 in written, "it goes on once there is room"


def test_what_was_logged_before_and_after_a_full_disk_is_read_alike_by_all(faults, full, panel):
    logged = {step: str(step) for step in full.output["written"]}
    read = {e.step: e.id for e in read_explanations(faults.logdir, run="full")}
    assert read == panel.ids("full") == logged
