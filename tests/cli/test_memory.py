"""Reading a log where memory runs out: one line, no half file, and nothing is called damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmx_core.events.writer import ExplanationWriter
from tests.support.explanations import make_explanation

ROOT = Path(__file__).parents[2]
TOLD = (1, "mmx: out of memory; end what else takes it, or let the command have more\n")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a limit on the address space")

# Runs the command on a small log, for what it imports, and then with little more memory than that.
LIMITED = """
import contextlib, io, resource, sys
from mmx_core import read_explanations
from mmx_core.cli import main
more, before, after = int(sys.argv[1]), *(part.split("|") for part in sys.argv[2:4])
with contextlib.redirect_stdout(io.StringIO()):
    assert main(before) == 0
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + more, resource.RLIM_INFINITY))
if after[0] != "read":
    sys.exit(main(after))
try:
    kept = list(read_explanations(after[1]))
except MemoryError:
    kept = None
    sys.exit(print(sys.argv[4], end="", file=sys.stderr) or 1)
"""

# Lets the memory run out where a record has been read and is to be parsed.
PARSED = """
import resource, sys
from mmx_core.cli import main
from mmx_core.events import record_file
def read(*arguments, wrapped=record_file.read_records):
    for record in wrapped(*arguments):
        if len(record) > 1_000_000:  # an explanation's
            taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + 1_000_000, resource.RLIM_INFINITY))
        yield record
record_file.read_records = read
sys.exit(main(["list", sys.argv[1]]))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of ten megabytes, of maps that do not compress."""
    folder = tmp_path_factory.mktemp("large")
    explanation = make_explanation(150, scales=((1.0, (192, 192)),), smooth=False, image=None)
    with ExplanationWriter(folder / "grounded") as writer:
        for step in range(3):
            writer.add_explanation("val/2", explanation, step)
    return folder


@pytest.mark.parametrize("more", [2, 20])
@pytest.mark.parametrize("kind", ["list", "read", "npz", "png", "html"])
def test_memory_that_runs_out_costs_one_line_and_leaves_no_half_file(
    logdir: Path, large: Path, tmp_path: Path, kind: str, more: int
) -> None:
    target, place = tmp_path / "x", ["--run", "grounded", "--sample", "val/2"]

    def command(folder: Path, file: Path) -> str:
        if kind in ("list", "read"):
            return "|".join([kind, str(folder)])
        step = "all" if kind == "html" else "last"
        options = [*place, "--step", step, "--format", kind, "--out", str(file)]
        return "|".join(["export", str(folder), *options])

    first = command(logdir, tmp_path / "first").replace("read|", "list|")
    assert ended(LIMITED, str(more * 1_000_000), first, command(large, target), TOLD[1]) == TOLD
    assert not target.exists()


def test_a_record_that_no_memory_is_left_for_is_not_called_damaged(large: Path) -> None:
    assert ended(PARSED, str(large)) == TOLD


STARTED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), resource.RLIM_INFINITY))
from mmx_core.cli import main
sys.exit(main(["list", sys.argv[2]]))
"""


def test_a_command_that_has_no_memory_to_start_in_says_so(logdir: Path) -> None:
    """OpenBLAS would end it by itself, with a line of its own."""
    for megabytes in range(50, 110, 6):
        assert ended(STARTED, str(megabytes * 1_000_000), str(logdir)) == TOLD, megabytes


def ended(script: str, *arguments: str) -> tuple[int, str]:
    """A script's exit code, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr
