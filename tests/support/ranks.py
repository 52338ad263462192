"""Work of real processes that share a model, over gloo on the CPU, never longer than asked."""

from __future__ import annotations

import datetime
import os
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

Work = Callable[[int], Any]


def on_ranks(
    works: Mapping[str, Work], folder: Path, *, size: int = 2, within: float = 240
) -> dict[str, list[Any]]:
    """By name what each ``work(rank)`` gives on each rank; an error comes as its traceback.

    All of them one after the other in the same processes, which need seconds to begin. What was
    not reached when the time was up, or since a rank had failed, is missing.
    """
    import torch.multiprocessing as processes

    context = processes.get_context("spawn")  # a fork would inherit the threads' locks
    started = [
        context.Process(target=_work, args=(works, rank, size, str(folder))) for rank in range(size)
    ]
    for process in started:
        process.start()
    until = time.monotonic() + within
    for process in started:
        process.join(max(0.1, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    found: dict[str, list[Any]] = {}
    for name in works:
        files = [folder / f"{name}.{rank}.pt" for rank in range(size)]
        if all(file.exists() for file in files):
            found[name] = [torch.load(file, weights_only=False) for file in files]
    return found


def _work(works: Mapping[str, Work], rank: int, size: int, folder: str) -> None:
    from torch import distributed

    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")  # accelerate wants them told
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=60),
    )
    for name, work in works.items():
        try:
            result = work(rank)
        except BaseException:  # pytest's own, too
            result = traceback.format_exc()
        torch.save(result, f"{folder}/{name}.{rank}.tmp")
        os.replace(f"{folder}/{name}.{rank}.tmp", f"{folder}/{name}.{rank}.pt")
        if isinstance(result, str) and result.startswith("Traceback"):
            break  # the other would wait for this rank in vain
    # No farewell: a rank that waits for one that has failed would wait in vain.
    os._exit(0)
