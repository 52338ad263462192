"""Work of real processes that share a model, over gloo on the CPU, never longer than asked."""

from __future__ import annotations

import datetime
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def on_ranks(work: Callable[[int], Any], folder: Path, *, size: int = 2, within: float = 60) -> Any:
    """What ``work(rank)`` gives on each rank; an error comes back as its traceback.

    Raises:
        TimeoutError: A rank was still busy when the time was up; all have been ended.
    """
    import torch.multiprocessing as processes

    context = processes.get_context("fork")  # imports are done
    started = [
        context.Process(target=_one, args=(work, rank, size, str(folder))) for rank in range(size)
    ]
    for process in started:
        process.start()
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=within)
    for process in started:
        process.join(max(0.1, (deadline - datetime.datetime.now()).total_seconds()))
    late = [rank for rank, process in enumerate(started) if process.is_alive()]
    for process in started:
        if process.is_alive():
            process.kill()
            process.join()
    if late:
        raise TimeoutError(f"ranks {late} were still busy after {within} s")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def _one(work: Callable[[int], Any], rank: int, size: int, folder: str) -> None:
    from torch import distributed

    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size))
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=30),
    )
    try:
        result = work(rank)
    except Exception:
        result = traceback.format_exc()
    torch.save(result, f"{folder}/{rank}.pt")
    # No farewell: a rank that waits for one that has failed would wait in vain.
    os._exit(0)
