"""Runs tests in forks of one process that has imported what is slow to import."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("mmx_core", "tb_mmx_plugin", "tests")
_OURS = (*_COPIED, "demo", "build_tools")
# Forking is safe where no thread pool has been started: nothing is calculated while warming up.
_WARM = ("torch", "transformers", "pytest", "numpy", "hypothesis", "tensorboard")


def make_tree(folder: Path) -> Path:
    """A copy of the sources to put faults into; what no fault goes into is linked."""
    for path in sorted(ROOT.iterdir()):
        if path.name in _COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=ignored)
        elif not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    return folder


def warm_up(names: list[str]) -> None:
    """Imports modules that are not the project's; those that cannot be imported are left."""
    for name in (*_WARM, *names):
        if name.partition(".")[0] not in _OURS:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


@dataclass
class Run:
    """Tests under way in a process group of their own."""

    pid: int
    started: float

    def result(self, limit: float) -> tuple[str, float] | None:
        """``("passed" | "failed" | "timeout" | "no tests", seconds)`` once there is one."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        spent = time.monotonic() - self.started
        if pid == 0 and spent <= limit:
            return None
        # Also what the tests may have started and left.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if pid == 0:
            os.waitpid(self.pid, 0)
            return "timeout", spent
        code = os.waitstatus_to_exitcode(status)
        return {0: "passed", 5: "no tests", 4: "no tests"}.get(code, "failed"), spent


def start(tree: Path, tests: tuple[str, ...], imported: Path | None = None) -> Run:
    """Forks, and runs tests on a tree; their output goes to ``tree/output.txt``.

    ``imported`` names a file that gets the names of all modules imported by then, as JSON.
    """
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setpgid(0, 0)
            code = _run(tree, tests, imported)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    with contextlib.suppress(OSError):  # whichever of the two comes first
        os.setpgid(pid, pid)
    return Run(pid, begun)


def _run(tree: Path, tests: tuple[str, ...], imported: Path | None) -> int:
    output = os.open(tree / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(tree)
    # A fault of the same length in the same second would be hidden by a compiled file.
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree), "CI": "true"}
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(path for path in sys.path if path not in ("", str(ROOT)))]
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(tree)]
    code = int(pytest.main([*options, f"--basetemp={tree / 'temporary'}", *tests]))
    if imported is not None:
        imported.write_text(json.dumps(sorted(sys.modules)), encoding="utf-8")
    return code
