"""What something takes of the memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path


def peak_bytes(work: Callable[[], object]) -> int:
    """The most that Python and numpy had allocated at once during the work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def server_bytes(logdir: Path, field: str = "VmRSS") -> int:
    """Resident bytes of the processes that serve a directory; 0 where there is no Linux to ask."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"--logdir={logdir}".encode() in (process / "cmdline").read_bytes():
                lines = (process / "status").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith(field))
        except OSError:
            continue
    return total * 1024
