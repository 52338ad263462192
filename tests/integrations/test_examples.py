"""The scripts of examples/, really run on the demo's model: what their logs hold afterwards."""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import mmx_core as mmx

ROOT = Path(__file__).parents[2]


def run(name: str, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--out", str(out), *options])
    runpy.run_module(f"examples.{name}", run_name="__main__")


def steps(logdir: Path) -> list[tuple[str, str, int]]:
    found = mmx.read_explanations(logdir)
    return sorted((e.run, e.tag.removeprefix("mmx/"), e.step) for e in found)


def test_the_trainer_logs_each_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("trainer", tmp_path, monkeypatch)
    samples = [f"val/plain-validation-0-{index}" for index in (0, 1)]
    logged = steps(tmp_path / "explanations")
    assert [(run, step) for run, _, step in logged] == [(".", 2), (".", 4)] * 2
    assert len({tag for _, tag, _ in logged}) == len(samples)
    assert capsys.readouterr().out.endswith(f"mmx show {tmp_path}/explanations\n")


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_lightning_logs_each_validation_beside_its_own_curves_and_no_sanity_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("lightning_loop", tmp_path, monkeypatch)
    folder = tmp_path / "lightning_logs"
    assert [(run, step) for run, _, step in steps(folder)] == [
        ("version_0", 2),
        ("version_0", 4),
    ] * 2
    assert list((folder / "version_0").glob("events.out.tfevents.*"))  # the logger's own


def test_two_processes_of_accelerate_log_once(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    finished = subprocess.run(
        [*launch, "-m", "examples.accelerate_loop", "--out", str(tmp_path)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "ACCELERATE_USE_CPU": "true",
        },
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    # Four batches for each process.
    assert [(run, step) for run, _, step in steps(tmp_path / "explanations")] == [
        (".", 2),
        (".", 4),
    ] * 2
    assert len(list((tmp_path / "explanations").rglob("events.out.tfevents.*"))) == 1
    assert finished.stdout.count("mmx show") == 1


def test_a_generate_loop_logs_every_second_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("generate_loop", tmp_path, monkeypatch)
    numbers = [f"generate/{index:06d}" for index in (0, 2, 4)]
    assert steps(tmp_path) == [(".", number, 0) for number in numbers]


def test_the_notebooks_cells_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = json.loads((ROOT / "examples" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "build").mkdir()
    (tmp_path / "examples").mkdir()  # where it looks for the checkout
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for source in code:
        exec(source, names)
    assert steps(tmp_path / "build" / "notebook") == [(".", "val/scene", 0)]
    assert (tmp_path / "build" / "scene.html").stat().st_size > 10_000


def test_trl_logs_each_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("trl") is None:
        pytest.skip("trl is not installed here; its example runs where it is")
    run("trl_sft", tmp_path, monkeypatch)
    assert steps(tmp_path / "explanations") == [
        (".", f"val/{index:04d}", step) for index in (0, 1) for step in (2, 4)
    ]


def test_lmms_eval_logs_the_documents_that_are_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("lmms_eval") is None:
        pytest.skip("lmms_eval is not installed here; its example runs where it is")
    run("lmms_eval_task", tmp_path, monkeypatch)
    assert steps(tmp_path) == [(".", "scenes/1", 0), (".", "scenes/4", 0)]
