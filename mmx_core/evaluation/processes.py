"""The processes of one evaluation: one, or those that torchrun or accelerate started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

_LONGEST = timedelta(days=7)
"""Processes finish at different times; whoever waits must not give up."""


@dataclass(frozen=True)
class Processes:
    """This process among its fellows, from the environment that the launchers set.

    Attributes:
        rank: Its number.
        count: How many there are.
        local_rank: Its number on this machine: which GPU is its own.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @staticmethod
    def from_environment() -> Processes:
        """Reads ``RANK``, ``WORLD_SIZE`` and ``LOCAL_RANK``."""
        rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        return Processes(rank, count, int(os.environ.get("LOCAL_RANK", rank)))

    def begin(self) -> None:
        """Meets the others."""
        if self.count > 1:
            import torch.distributed
            from torch.distributed.rendezvous import rendezvous

            store, rank, count = next(rendezvous("env://", timeout=_LONGEST))
            torch.distributed.init_process_group(
                "gloo",
                store=torch.distributed.PrefixStore(_life(), store),  # type: ignore[attr-defined]
                rank=rank,
                world_size=count,
                timeout=_LONGEST,
            )

    def wait(self) -> bool:
        """Goes on once all have come here; False if one of them never will."""
        if self.count > 1:
            import torch.distributed

            try:
                torch.distributed.barrier()
            except RuntimeError:  # its connection is closed
                return False
        return True

    def end(self) -> None:
        """Leaves the others."""
        if self.count > 1:
            import torch.distributed

            torch.distributed.destroy_process_group()


def _life() -> str:
    """Which of their lives the processes meet in.

    The store that torchrun shares outlives its restarts, and so do the addresses in it of processes
    that are gone. Agents of several machines count restarts each for itself: there the launcher has
    to make a new one (TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1).
    """
    one_machine = os.environ.get("GROUP_WORLD_SIZE") == "1"
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if one_machine else "0"
