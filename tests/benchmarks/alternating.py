"""Times of several procedures that hold on a shared machine: all run in turn in one process.

Whatever else the machine does falls on all of them alike, and their ratios hold where seconds do
not. On a CPU the process's own time counts, all its threads together, which others lengthen least;
what went by on the wall is kept beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Turn = Mapping[str, float]
"""Seconds of each procedure in one turn."""


@dataclass(frozen=True)
class Spread:
    """A figure and the quartiles of what single turns say."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Timed:
    """Of each turn the seconds by procedure: those that count, and those on the wall."""

    turns: list[Turn]
    wall: list[Turn]


def in_turn(works: Mapping[str, Callable[[], Any]], *, turns: int, device: str) -> Timed:
    """Runs all procedures once to warm up, then one after another, ``turns`` times."""
    import torch

    def settled() -> tuple[float, float]:
        if device == "cuda":
            torch.cuda.synchronize()
        wall = time.perf_counter()
        return (wall if device == "cuda" else time.process_time()), wall

    timed = Timed([], [])
    for turn in range(turns + 1):
        spent, passed = dict[str, float](), dict[str, float]()
        for name, work in works.items():
            begun = settled()
            work()
            ended = settled()
            spent[name], passed[name] = ended[0] - begun[0], ended[1] - begun[1]
        if turn:
            timed.turns.append(spent)
            timed.wall.append(passed)
    return timed


def median(turns: Sequence[Turn], figure: Callable[[Turn], float]) -> float:
    """Of a figure that each turn gives."""
    return statistics.median(map(figure, turns))


def ratio(turns: Sequence[Turn], name: str, to: str) -> Spread:
    """Of two procedures' medians, with the quartiles of the turns' own ratios."""
    each = [turn[name] / turn[to] for turn in turns]
    low, _, high = statistics.quantiles(each, n=4, method="inclusive") if each[1:] else each * 3
    above, below = (statistics.median(turn[of] for turn in turns) for of in (name, to))
    return Spread(above / below, low, high)
