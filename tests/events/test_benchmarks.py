"""The benchmarks of writing and serving run as commands, and print what they promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.benchmarks import server
from tests.benchmarks.make_log import write_log

ROOT = Path(__file__).parents[2]


def printed(name: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_made_log_is_read_whole_and_holds_explanations_of_at_most_50_kb(tmp_path):
    read = pytest.importorskip("mmx_core.events").read_explanations(tmp_path)
    size = write_log(tmp_path, runs=2, steps=3, samples=2)
    places = [(e.run, e.tag, e.step) for e in read]
    assert places == [
        (f"run-{run}", f"mmx/val/{sample:04d}", 100 * step)
        for run in range(2)
        for sample in range(2)
        for step in range(3)
    ]
    assert read.damaged == []
    assert size / len(places) < 50_000


def test_what_writing_costs_is_printed():
    pytest.importorskip("torch")
    figures = json.loads(printed("writing", "--samples=1", "--repeats=1", "--json"))
    assert all(value > 0 for value in figures["log"].values())
    assert figures["log"]["checksum_ms"] < figures["log"]["encode_ms"]
    assert set(figures["share"]["loop_ms"]) == {"none", "waiting", "background"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for memory")
def test_processes_are_found_whose_threads_come_and_go():
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()

    churning = [threading.Thread(target=churn) for _ in range(3)]
    with subprocess.Popen(["sleep", "60"]) as child:
        for thread in churning:
            thread.start()
        try:
            assert all(child.pid in server._children(os.getpid()) for _ in range(300))
        finally:
            stop.set()
            child.kill()
            for thread in churning:
                thread.join()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for memory")
def test_what_serving_costs_is_printed():
    size = ("--runs=1", "--steps=3", "--samples=2", "--requests=4", "--repeats=1")
    lines = [line.split(maxsplit=2) for line in printed("server", *size).splitlines()]
    found = {(part, name) for part, name, *_ in lines}
    names = {"usable_s", "index_cold_ms", "index_warm_ms", "blobs_8_clients", "tensorboard_mb"}
    assert {(part, name) for part in ("fast", "slow") for name in names} <= found
    assert ("start", "added_ms") in found and ("log", "bytes_per_record") in found
