"""Writers that are killed, and disks that are full: what was logged stays readable by all."""

from __future__ import annotations

import re

import pytest

from mmx_core.events import read_explanations
from tests.faults import full_disk

KILLED = ["killed0", "killed1", "killed2"]


def expected(faults, run: str) -> dict[int, str]:
    assert faults.killed.code == 0, faults.killed.errors
    logged = faults.killed.output[run]["logged"]
    return {int(step): f"life {life}" for step, life in logged.items()}


@pytest.mark.parametrize("run", KILLED)
def test_all_that_killed_writers_had_flushed_is_read_and_each_torn_file_is_named(faults, run):
    explanations = read_explanations(faults.logdir, run=run)
    assert {e.step: e.id for e in explanations} == expected(faults, run)
    torn = {damage.tag for damage in explanations.damaged}
    assert all("ends within a record" in damage.reason for damage in explanations.damaged)
    # Now and then a kill falls between two records.
    assert 1 <= len(torn) <= faults.killed.output[run]["kills"]


@pytest.mark.parametrize("run", KILLED)
def test_both_loaders_show_what_the_last_life_of_a_killed_run_logged(faults, panel, run):
    assert panel.ids(run) == expected(faults, run)
    assert [record["step"] for record in panel.records(run)] == list(expected(faults, run))


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
