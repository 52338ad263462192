"""How quick and how large TensorBoard is with a log of explanations, under both of its loaders.

    python -m tests.benchmarks.server [--runs 4 --steps 50 --samples 200] [--loader fast] [--json]

- usable: from starting TensorBoard until the last record of every run can be opened.
- index: the first answer of a server that was not asked before, then the median of later ones.
- header, blobs: median and 95th percentile of records picked at random, asked for by one client
  and by eight at once. `blobs` is a step with the neighbours that the panel fetches with it.
- memory: resident, of TensorBoard and of its data server, after all that; and beside it what
  `mmx list` foretells for both together.
- start-up: until TensorBoard prints its address over an empty directory, with and without our entry
  point; and within a process, what importing it and loading the plugin take.

`--runs 2 --steps 20 --samples 50 --repeats 3` takes a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmx_core.cli.inventory import take
from mmx_core.events.log import read_runs, runs_of
from tests.benchmarks.make_log import write_log
from tests.support.tensorboard_server import ROOT, fetch, serve

# As many on either side as the panel fetches.
NEIGHBOURS = 3
CLIENTS = (1, 8)
_START_SECONDS = 900

_BOARD = """\
import sys
from tensorboard import default, program
plugins = default.get_static_plugins()
if sys.argv.pop(1) == "with":
    from tb_mmx_plugin.loader import MMXLoader
    plugins.append(MMXLoader)
board = program.TensorBoard(plugins)
board.configure(sys.argv)
sys.exit(board.main())
"""
# After what TensorBoard imports for its own plugins.
_IMPORT = """\
import time
from tensorboard import default, program
from tensorboard.plugins import base_plugin
start = time.perf_counter()
from tb_mmx_plugin.loader import MMXLoader
entry = time.perf_counter()
assert MMXLoader().load(base_plugin.TBContext())
print(1000 * (entry - start), 1000 * (time.perf_counter() - entry))
"""


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--loader", choices=("fast", "slow", "both"), default="both")
    parser.add_argument("--requests", type=int, default=200, help="of each kind and client count")
    parser.add_argument("--repeats", type=int, default=7, help="of what is measured by starting")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    counts = {"runs": arguments.runs, "steps": arguments.steps, "samples": arguments.samples}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        size = write_log(log, **counts)
        records = arguments.runs * arguments.steps * arguments.samples
        figures: dict[str, Any] = {
            "log": {**counts, "mb": round(size / 1e6), "bytes_per_record": round(size / records)},
            "start": start_up(arguments.repeats),
        }
        for loader in ("fast", "slow") if arguments.loader == "both" else (arguments.loader,):
            figures[loader] = measure(log, loader == "fast", arguments.requests, counts)
    figures["load_average"] = [round(load, 1) for load in os.getloadavg()]
    if arguments.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return
    for part, values in figures.items():
        if not isinstance(values, dict):
            sys.stdout.write(f"{part:6} {values}\n")
            continue
        for name, value in values.items():
            sys.stdout.write(f"{part:6} {name:24} {value}\n")


def measure(log: Path, fast: bool, requests: int, counts: dict[str, int]) -> dict[str, Any]:
    """One loader's figures."""
    places = [
        {"run": f"run-{run}", "tag": f"mmx/val/{sample:04d}"}
        for run in range(counts["runs"])
        for sample in range(counts["samples"])
    ]
    steps = [100 * step for step in range(counts["steps"])]
    start = time.perf_counter()
    with serve(log, load_fast=fast, wait_for_data=False, start_seconds=_START_SECONDS) as base:
        api = f"{base}/data/plugin/mmx"
        address = time.perf_counter() - start
        last = places[counts["samples"] - 1 :: counts["samples"]]
        _wait_for_all([_url(api, "header", **place, step=steps[-1]) for place in last])
        usable = time.perf_counter() - start
        index = [_seconds(f"{api}/index") for _ in range(11)]
        figures: dict[str, Any] = {
            "address_s": round(address, 2),
            "usable_s": round(usable, 2),
            "index_cold_ms": round(1000 * index[0], 1),
            "index_warm_ms": round(1000 * statistics.median(index[1:]), 1),
        }
        chance = random.Random(0)
        for clients in CLIENTS:
            headers = [
                _url(api, "header", **chance.choice(places), step=chance.choice(steps))
                for _ in range(requests)
            ]
            blobs = [
                _url(api, "blobs", **chance.choice(places), step=_around(steps, chance))
                for _ in range(requests)
            ]
            name = f"{clients}_client" + "s" * (clients > 1)
            figures[f"header_{name}"] = latencies(headers, clients)
            figures[f"blobs_{name}"] = latencies(blobs, clients)
        figures |= {f"{name}_mb": round(size / 1e6, 1) for name, size in resident(log).items()}
    taken = [
        take(run) for folders in runs_of(str(log)).values() for run in read_runs(folders, print)
    ]
    foretold = [run.data_server_bytes if fast else run.tensorboard_bytes for run in taken]
    return {**figures, "foretold_growth_mb": round(sum(foretold) / 1e6, 1)}


def latencies(urls: Sequence[str], clients: int) -> dict[str, float]:
    """Of all requests, milliseconds."""
    with ThreadPoolExecutor(clients) as pool:
        times = sorted(1000 * seconds for seconds in pool.map(_seconds, urls))
    return {
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (len(times) - 1))], 1),
    }


def resident(log: Path) -> dict[str, int]:
    """Resident bytes of this process's TensorBoard over a directory, and of its data server.

    Linux only.
    """
    found = {}
    for pid in _children(os.getpid()):
        if f"--logdir={log}" in _command(pid):
            found["tensorboard"] = _resident_bytes(pid)
            for child in _children(pid):
                found["data_server"] = _resident_bytes(child)
    return found


def start_up(repeats: int) -> dict[str, float]:
    """Medians, milliseconds."""
    address: dict[str, list[float]] = {"without": [], "with": []}
    imports, loads = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            # In turn, so that what else the machine does falls on both alike.
            for name, times in address.items():
                times.append(_milliseconds_to_address(name, folder))
            done = _python("-c", _IMPORT).stdout.split()
            imports.append(float(done[0]))
            loads.append(float(done[1]))
    without, with_ = (statistics.median(times) for times in address.values())
    return {
        "without_ms": round(without),
        "with_ms": round(with_),
        "added_ms": round(with_ - without),
        "import_ms": round(statistics.median(imports), 1),
        "load_ms": round(statistics.median(loads), 1),
    }


def _milliseconds_to_address(which: str, folder: str) -> float:
    # The slow loader, because the data server's start is waited for in halves of a second.
    command = ["-c", _BOARD, which, f"--logdir={folder}", "--port=0", "--load_fast=false"]
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command, "--host=127.0.0.1"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=_environment(),
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if re.search(r"at http://\S+ \(Press CTRL", line):
                return 1000 * (time.perf_counter() - start)
        raise RuntimeError(f"TensorBoard ended with {process.wait()}")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _wait_for_all(urls: Sequence[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    for url in urls:
        while fetch(url)[0] != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(url)
            time.sleep(0.05)


def _around(steps: Sequence[int], chance: random.Random) -> Sequence[int]:
    at = chance.randrange(len(steps))
    return steps[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1]


def _url(api: str, route: str, **parameters: Any) -> str:
    return f"{api}/{route}?{urllib.parse.urlencode(parameters, doseq=True)}"


def _seconds(url: str) -> float:
    start = time.perf_counter()
    status, _, body = fetch(url)
    if status != 200:
        raise RuntimeError(f"{url}: {status} {body[:200]!r}")
    return time.perf_counter() - start


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a request's thread, which has ended since it was listed
            found += map(int, (task / "children").read_text().split())
    return found


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")


def _resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(found[1]) if found else 0


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=_environment(), check=True
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    main()
