"""The one reader: old logs come back whole, and what is gone or closed to us stops no command."""

from __future__ import annotations

import os
import shutil

import pytest
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from mmx_core.cli import main
from mmx_core.events import DamagedRecordWarning, ExplanationWriter, log, read_explanations
from mmx_core.events.records import explanation_event
from mmx_core.events.sinks import EventFile
from tests.support.explanations import make_explanation


def test_an_old_log_gives_explanations_whose_tag_a_scalar_had_taken(tmp_path):
    file = EventFile(tmp_path / "old")
    file.write(Event(step=0, summary=Summary(value=[Summary.Value(tag="mmx/val/grounding")])))
    for step in (0, 1):
        file.write(explanation_event("val/grounding", make_explanation(), step=step, wall_time=1))
    file.close()
    read = [(e.run, e.tag, e.step) for e in read_explanations(tmp_path)]
    assert read == [("old", "mmx/val/grounding", step) for step in (0, 1)]


def test_an_old_logs_marks_of_a_resumption_still_count_and_a_new_start_goes_on_from_it(tmp_path):
    file = EventFile(tmp_path)
    for step in (0, 1, 2):
        file.write(explanation_event("val/1", make_explanation(), step=step, wall_time=1))
    file.write(Event(step=1, session_log=SessionLog(status=SessionLog.START)))
    file.write(explanation_event("val/1", make_explanation(seed=3), step=1, wall_time=1))
    file.close()
    with ExplanationWriter(tmp_path) as writer:
        writer.add_explanation("val/1", make_explanation(), 5)
    assert [(e.run, e.step) for e in read_explanations(tmp_path)] == [(".", s) for s in (0, 1, 5)]


def test_one_starts_directory_stands_for_what_it_has_logged(tmp_path):
    for step in (0, 1):
        with ExplanationWriter(tmp_path / "run") as writer:
            writer.add_explanation("val/1", make_explanation(), step)
    second = max(os.listdir(tmp_path / "run"))
    read = [(e.run, e.step) for e in read_explanations(tmp_path, run=f"run/{second}")]
    assert read == [("run", 1)]


def test_a_file_that_vanishes_between_listing_and_reading_costs_its_run_alone(
    tmp_path, monkeypatch, capsys
):
    for run in ("goes", "stays"):
        with ExplanationWriter(tmp_path / run) as writer:
            writer.add_explanation("val/1", make_explanation(), 0)
    list_runs = log.runs_of

    def list_and_lose(logdir):
        found = list_runs(logdir)
        shutil.rmtree(tmp_path / "goes", ignore_errors=True)
        return found

    monkeypatch.setattr("mmx_core.cli.logdir.runs_of", list_and_lose)
    assert main(["list", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "stays" in told.out


def test_a_link_to_an_event_file_that_is_gone_is_told_and_the_rest_is_read(tmp_path):
    with ExplanationWriter(tmp_path) as writer:
        writer.add_explanation("val/1", make_explanation(), 0)
    (tmp_path / "events.out.tfevents.1.x").symlink_to(tmp_path / "nowhere")
    with pytest.warns(DamagedRecordWarning, match="cannot be read"):
        assert [e.step for e in read_explanations(tmp_path)] == [0]


def test_an_export_overwrites_nothing_and_two_samples_have_two_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    samples = ("a/b", "a-b", "A-b", "a b", "a_b", "a.b")
    with ExplanationWriter(tmp_path / "log") as writer:
        for sample in samples:
            writer.add_explanation(f"val/{sample}", make_explanation(), 0)
    export = ["export", "log", "--run", ".", "--format", "npz", "--sample"]
    for sample in samples:
        assert main([*export, f"val/{sample}"]) == 0
    written = capsys.readouterr().out.split()
    assert len({name.lower() for name in written}) == len(samples)
    assert main([*export, "val/a-b"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*export, "val/a-b", "--overwrite"]) == 0
