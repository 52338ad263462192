"""A file that ends anywhere: what is whole is read, the rest is named, and logging goes on."""

from __future__ import annotations

import os
import shutil
import warnings

import pytest

from mmx_core.events import DamagedRecordWarning, ExplanationWriter, read_explanations
from mmx_core.events.record_file import frame_record, read_records
from tests.faults.panel import panel_over, plugin_over, tiny

STEPS = 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[str, bytes, list[int]]:
    """A file's name, its bytes, and where each explanation's record ends."""
    folder = tmp_path_factory.mktemp("whole")
    ends = []
    with ExplanationWriter(folder) as writer:
        for step in range(STEPS):
            writer.add_explanation("val/1", tiny(step, image=None), step)
            (path,) = folder.rglob("events.*")
            ends.append(path.stat().st_size)
    return path.name, path.read_bytes(), ends


def test_cut_at_every_byte_of_the_last_records_all_before_the_cut_is_read_and_the_rest_named(
    tmp_path, whole
):
    name, content, ends = whole
    explanations = read_explanations(tmp_path)
    (tmp_path / name).write_bytes(content)
    for end in range(ends[-1], ends[-3] - 1, -1):
        os.truncate(tmp_path / name, end)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a running writer's file looks the same
            steps = [explanation.step for explanation in explanations]
        assert steps == [step for step in range(STEPS) if ends[step] <= end], end
        last = max(place for place in ends if place <= end)
        expected = [f"byte {last}: the file ends within a record"] if last < end else []
        assert [damage.reason for damage in explanations.damaged] == expected, end


def test_a_cut_file_and_the_resumed_one_after_it_are_read_alike_by_reader_and_plugin(
    tmp_path, whole
):
    name, content, ends = whole
    for case, end in enumerate(range(ends[0], ends[-1], 97)):
        folder = tmp_path / str(case)
        folder.mkdir()
        (folder / name).write_bytes(content[:end])
        with ExplanationWriter(folder) as writer:
            writer.mark_resume(2)
            writer.add_explanation("val/1", tiny(7, id="resumed"), 2)
        expected = {step: "0007" for step in range(2) if ends[step] <= end} | {2: "resumed"}
        assert {e.step: e.id for e in read_explanations(folder)} == expected, end
        assert panel_over(plugin_over(folder)).ids(".") == expected, end


def test_a_file_that_shrinks_while_it_is_read_ends_there(tmp_path):
    path = tmp_path / "events.out.tfevents.1.x"
    record = frame_record(bytes(12 * 1024 * 1024))  # beyond what is read ahead
    path.write_bytes(3 * record)
    damaged: list[str] = []
    cut: list[str] = []
    records = read_records(str(path), damaged.append, cut.append)
    assert next(records)
    os.truncate(path, len(record) + 20_000)
    assert list(records) == []
    assert (damaged, cut) == ([], [f"byte {len(record)}: the file ends within a record"])


def test_a_run_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path, whole):
    name, content, _ = whole
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / name).write_bytes(content)
    (tmp_path / "odd" / name).mkdir(parents=True)  # a directory of an event file's name
    (tmp_path / "odd" / f"{name}.link").symlink_to(tmp_path / "nowhere")
    explanations = read_explanations(tmp_path)
    with pytest.warns(DamagedRecordWarning, match="cannot be read"):
        assert [e.step for e in explanations] == list(range(STEPS))
    assert {damage.run for damage in explanations.damaged} == {"odd"}


def test_a_run_deleted_while_the_runs_are_read_is_named(tmp_path, whole):
    name, content, _ = whole
    for run in ("a", "b", "c"):
        (tmp_path / run).mkdir()
        (tmp_path / run / name).write_bytes(content)
    explanations = read_explanations(tmp_path)
    found = iter(explanations)
    assert next(found).run == "a"
    shutil.rmtree(tmp_path / "b")
    with pytest.warns(DamagedRecordWarning, match="run 'b'"):
        runs = [explanation.run for explanation in found]
    assert set(runs) == {"a", "c"}
