"""Tools that show runs, each really run offline: what they hold of an explanation afterwards."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mmx_core as mmx
from mmx_core.events import add_explanation, add_metrics
from mmx_core.integrations.boards import file_of
from mmx_core.integrations.transformers import ExplainCallback
from tests.support.explanations import make_explanation

FIGURE = "mmx_sample_metrics/val/7/obj_iou"


def tool(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed here; its test runs where it is")


def logged(board: Any, steps: tuple[int, ...] = (10, 20)) -> None:
    for step in steps:
        explanation = dataclasses.replace(make_explanation(), metrics={"obj_iou": step / 100})
        add_explanation(board, "val/7", explanation, step, strict=True)
        add_metrics(board, "val", [explanation], step, strict=True)


def is_page(text: str) -> bool:
    return text.startswith("<!doctype html>") and '"mmx/val/7"' in text


def test_a_run_of_wandb_holds_pages_pictures_and_figures_and_keeps_its_own_steps(
    tmp_path: Path,
) -> None:
    tool("wandb")
    import wandb
    from wandb.proto import wandb_internal_pb2

    run = wandb.init(mode="offline", dir=tmp_path, project="p")
    run.log({"loss": 3.0}, step=1)
    logged(wandb)
    run.log({"loss": 2.0}, step=2)
    logged(run, (30,))
    folder = Path(run.dir)
    run.finish()
    pages = sorted(folder.glob("media/html/explanations/val/7/*.html"))
    pictures = sorted(folder.glob("media/images/explanations/val/7/*.png"))
    assert len(pages) == len(pictures) == 3
    assert is_page(pages[0].read_text())
    (file,) = folder.parent.glob("*.wandb")
    records: list[Any] = []
    # Its service may still be writing when `finish` returns.
    given_up = time.monotonic() + 60
    while not any(record.HasField("exit") for record in records):
        assert time.monotonic() < given_up, "the file of the run has no end"
        time.sleep(0.1)
        records = [wandb_internal_pb2.Record.FromString(data) for data in records_of_wandb(file)]
    rows = [
        {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
        for record in records
    ]
    assert [row["loss"] for row in rows if "loss" in row] == [3.0, 2.0]
    assert [(row["mmx_step"], row[FIGURE]) for row in rows if FIGURE in row] == [
        (10, 0.1),
        (20, 0.2),
        (30, 0.3),
    ]


def records_of_wandb(file: Path) -> Iterator[bytes]:
    """LevelDB's log: blocks of 32 KiB; a record's parts have checksum, length and kind before them.

    The first block has seven bytes of wandb's own before all.
    """
    content, at, record = file.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := -at % 0x8000) and left < 7:
            at += left
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        if at + 7 + length > len(content):
            return  # not yet written to its end
        record += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


def test_a_run_of_mlflow_holds_pages_pictures_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow

    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    mlflow.create_experiment("e", artifact_location=str(tmp_path / "artefacts"))
    mlflow.set_experiment("e")
    with mlflow.start_run() as run:
        logged(run, (10,))
        logged(mlflow, (20,))
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, FIGURE)
    assert [(entry.step, entry.value) for entry in history] == [(10, 0.1), (20, 0.2)]
    (page,) = (tmp_path / "artefacts").rglob("explanations/val/7/10.html")
    assert is_page(page.read_text()) and page.with_suffix(".png").is_file()
    with pytest.raises(ValueError, match="expected an active run"):
        logged(mlflow)
    # A callback is made before the framework begins the run.
    ExplainCallback([mmx.Sample("7", "7.png", "what ?", "a dog")], also=[mlflow])


def test_a_run_of_trackio_holds_pages_pictures_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    import trackio

    run = trackio.init(project="p", name="r", embed=False)
    logged(run)
    run.finish()
    rows = rows_of_trackio(tmp_path)
    assert [(step, row[FIGURE]) for step, row in rows if FIGURE in row] == [(10, 0.1), (20, 0.2)]
    pages = [path for path in tmp_path.rglob("*.html") if is_page(path.read_text())]
    assert len(pages) == 2


def rows_of_trackio(folder: Path) -> list[tuple[int, dict[str, Any]]]:
    import sqlite3

    (file,) = folder.rglob("*.db")
    with sqlite3.connect(file) as database:
        found = database.execute("select step, metrics from metrics order by id").fetchall()
    return [(step, json.loads(metrics)) for step, metrics in found]


def test_a_run_of_aim_holds_pictures_and_figures_and_pages_where_it_keeps_files(
    tmp_path: Path,
) -> None:
    tool("aim")
    import aim
    from aim.storage.context import Context

    run = aim.Run(repo=str(tmp_path / "repo"), system_tracking_interval=None)
    logged(run, (10,))
    run.set_artifacts_uri(f"file://{tmp_path}/files")
    logged(run, (20,))
    table = run.get_metric(FIGURE, Context({})).dataframe().sort_values("step")
    assert table[["step", "value"]].to_numpy().tolist() == [[10, 0.1], [20, 0.2]]
    pictures = run.get_image_sequence("explanations/val/7", Context({}))
    assert len(pictures.values.sparse_list()[1]) == 2
    run.close()
    pages = [path for path in tmp_path.rglob("*.html") if is_page(path.read_text())]
    assert len(pages) == 1


def test_a_task_of_clearml_holds_pages_pictures_and_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("clearml")
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path))
    import clearml

    clearml.Task.set_offline(True)
    task = clearml.Task.init("p", "t", auto_connect_frameworks=False, auto_connect_streams=False)
    logged(task)
    folder = task.get_offline_mode_folder()
    task.close()
    metrics = "\n".join(path.read_text() for path in Path(folder).rglob("metrics.jsonl"))
    assert "mmx_sample_metrics/val/7" in metrics
    pages = [path for path in Path(folder).rglob("*.html") if is_page(path.read_text())]
    assert len(pages) == 2


class Sent:
    """A board that keeps what it is sent."""

    def __init__(self) -> None:
        self.explanations: list[tuple[str, int, str]] = []
        self.means: list[tuple[str, dict[str, float], int]] = []

    def add_explanation(self, tag, explanation, step, *, scalars):
        self.explanations.append((tag, step, explanation.provenance.get("model", "")))

    def add_metrics(self, set_name, figures, step):
        self.means.append((set_name, dict(figures), step))

    def flush(self):
        pass


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    from mmx_core.events import sinks

    board = Sent()
    monkeypatch.setattr(sinks, "_LOGGERS", [*sinks._LOGGERS])
    sinks.logger(lambda given: board if given is board else None)
    return board


def test_what_is_sent_away_has_no_paths_unless_they_are_asked_for(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation = dataclasses.replace(
        make_explanation(), provenance={"model": "/home/somebody/model"}
    )
    add_explanation(sent, "val/7", explanation, 1)
    add_explanation(sent, "val/7", explanation, 2, private=False)
    monkeypatch.setenv("MMX_PRIVATE", "0")
    add_explanation(sent, "val/7", explanation, 3)
    assert [model for _, _, model in sent.explanations] == [
        "model",
        "/home/somebody/model",
        "/home/somebody/model",
    ]


def test_a_stranger_is_refused_by_name_and_nothing_is_imported_for_him() -> None:
    code = """
import sys, types
from mmx_core.events.sinks import sink_of
try:
    sink_of(types.ModuleType("matplotlib"))
except TypeError as error:
    print(error)
print(*{"wandb", "mlflow", "trackio", "aim", "clearml"} & set(sys.modules))
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    told, imported = finished.stdout.splitlines()
    assert "a run of wandb, mlflow, trackio, aim, clearml" in told
    assert imported == ""


def test_no_two_samples_files_are_the_same_and_none_leads_out() -> None:
    names = ["val/a b", "val/a-b", "val/a/b", "val/../../b", "val/..", "../b/b", "val/A-b"]
    files = [file_of(name, 1) for name in names]
    assert len(set(files)) == len(files)
    assert all(".." not in file and file.startswith("explanations/") for file in files)
    assert file_of("val/7", 300) == "explanations/val/7/300"
