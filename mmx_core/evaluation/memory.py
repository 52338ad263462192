"""Peak memory of a piece of work."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
Result = TypeVar("Result")


def peak_megabytes(work: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """What the work adds to the memory in use before it, at its highest.

    On CUDA what the allocator hands out; on the CPU the process's resident memory, which Linux
    alone tells (elsewhere NaN).
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        result = work()
        torch.cuda.synchronize(device)
        return result, (torch.cuda.max_memory_allocated(device) - before) / 1e6
    try:
        _give_back()
        _RESET.write_text("5")  # sets the high-water mark back to what is resident now
        resident = _resident("VmRSS")
        result = work()
        return result, max(0.0, _resident("VmHWM") - resident) / 1e3
    except OSError:
        return work(), float("nan")


def _give_back() -> None:
    """What earlier work has freed would else be taken for memory in use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _resident(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", _STATUS.read_text())
    if found is None:
        raise OSError(f"expected {field} in {_STATUS}")
    return float(found[1])
