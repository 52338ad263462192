"""Which cells a word used: parts of a picture hidden from the text behind it.

Windows of 3 x 3 cells, one after another: the keys of all visual tokens there are hidden from
everything behind the last picture. The pictures' own states stay what they are, so each window
costs a pass over the text alone. First the plane is covered by windows side by side; further ones
are centred on the cells where most was lost (docs/influence.md).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mmx_core.explanation import FloatArray
from mmx_core.models.layout import VisualSpan
from mmx_core.stages.taken_away import Reader, Task

SIDE = 3
"""Cells along a window's side."""

_POSITIONS_PER_CELL = 12
"""Positions of text that windows may cost per cell of a picture: less than five scales' do."""

_LEAST_WINDOWS = 128
"""Whatever they cost: of small pictures every cell gets its own."""

_DAMPING = 0.1
"""Nats: tokens that lose less at their peak count for less where windows are chosen."""

Window = tuple[int, int, int, int]
"""First row, first column, behind the last row, behind the last column."""


@dataclass(frozen=True)
class Used:
    """What the answer's ``T`` tokens lose without each part of the pictures.

    Attributes:
        maps: ``(T, H, W)`` float32 nats for each view, on its plane; NaN where it is not seen.
        windows: How many were hidden.
        stopped: Whether time ran out.
    """

    maps: tuple[FloatArray, ...]
    windows: int
    stopped: bool


def measure_used(reader: Reader, count: int, *, seconds: float, positions: int) -> Used:
    """Hides windows of each view from the text behind the pictures.

    Args:
        reader: Of a sample whose model can hide keys, and whose visual tokens have places.
        count: ``T``.
        seconds: After which no further forward begins.
        positions: Bound on those of one forward.
    """
    begun = time.monotonic()
    maps: list[FloatArray] = []
    windows, stopped = 0, False
    for span in reader.visual:
        view = _View(reader, span, count, positions, len(reader.visual))
        for choose in (view.beside_each_other, view.centred):
            for batch in view.batches(choose()):
                stopped = stopped or reader.late(begun, seconds)
                if not stopped:
                    view.hide(batch)
        maps.append(view.map())
        windows += len(view.lost)
    return Used(tuple(maps), windows, stopped)


class _View:
    """One view's windows and what was lost without each."""

    def __init__(
        self, reader: Reader, span: VisualSpan, count: int, positions: int, views: int
    ) -> None:
        self._reader, self._span, self._count = reader, span, count
        text, last = reader.text, max(int(span.positions.max()) for span in reader.visual)
        self._begin, self._end = text.begins[last + 1], int(reader.predicting[:count].max()) + 1
        size = text.length if text.cache is None else self._end - self._begin
        rows, columns = span.grid
        self._rows_of_forward = max(1, min(positions // size, 8 * positions // text.length))
        self._bound = max(1, _LEAST_WINDOWS // views, _POSITIONS_PER_CELL * rows * columns // size)
        # Half of the windows cover the plane, the others look closer.
        self._side = max(SIDE, math.ceil(math.sqrt(2 * rows * columns / self._bound)))
        self._seen = span.view.seen.numpy()
        self._boxes = span.rectangles.numpy() * np.array([rows, columns, rows, columns])
        self.lost: dict[Window, NDArray[np.float32]] = {}

    def beside_each_other(self) -> list[Window]:
        rows, columns = self._span.grid
        return [
            (row, column, min(row + self._side, rows), min(column + self._side, columns))
            for row in range(0, rows, self._side)
            for column in range(0, columns, self._side)
        ]

    def centred(self) -> list[Window]:
        """Around the cells where a token loses most, as many as are left."""
        if not self.lost:
            return []
        rows, columns = self._span.grid
        values = np.nan_to_num(self.map()).reshape(self._count, -1)
        peaks = np.abs(values).max(axis=1, keepdims=True)
        order = np.argsort(-(np.abs(values) / (peaks + _DAMPING)).max(axis=0), kind="stable")
        around = (_around(*divmod(int(cell), columns), rows, columns) for cell in order)
        left = self._bound - len(self.lost)
        return [window for window in around if window not in self.lost][: max(0, left)]

    def batches(self, windows: Sequence[Window]) -> list[list[tuple[Window, Task]]]:
        """Windows with a visual token in them, as rows."""
        targets = tuple(range(self._count))
        tasks = [
            (window, Task(0, places, self._begin, self._end, True, targets))
            for window in windows
            if (places := self._places(window))
        ]
        size = self._rows_of_forward
        return [tasks[start : start + size] for start in range(0, len(tasks), size)]

    def hide(self, batch: Sequence[tuple[Window, Task]]) -> None:
        found = self._reader.lost([task for _, task in batch])
        self.lost |= {window: lost for (window, _), lost in zip(batch, found, strict=True)}

    def _places(self, window: Window) -> tuple[int, ...]:
        """Positions of the tokens that cover half of it, or that it covers half of."""
        top, left, bottom, right = window
        low = np.maximum(self._boxes[:, :2], [top, left])
        shared = (np.minimum(self._boxes[:, 2:], [bottom, right]) - low).clip(0).prod(axis=1)
        own = (self._boxes[:, 2:] - self._boxes[:, :2]).prod(axis=1)
        area = np.minimum(own, (bottom - top) * (right - left))
        return tuple(self._span.positions.cpu()[torch.from_numpy(shared >= 0.499 * area)].tolist())

    def map(self) -> FloatArray:
        """``(T, H, W)``: at each cell what its own window lost, else the mean of those over it.

        Of a larger window the share that one of :data:`SIDE` cells has.
        """
        rows, columns = self._span.grid
        total = np.zeros((self._count, rows, columns), np.float32)
        times = np.zeros((rows, columns), np.float32)
        for (top, left, bottom, right), lost in self.lost.items():
            share = min(1.0, SIDE * SIDE / ((bottom - top) * (right - left)))
            total[:, top:bottom, left:right] += share * lost[:, None, None]
            times[top:bottom, left:right] += 1
        with np.errstate(invalid="ignore"):
            found = total / times
        for row in range(rows):
            for column in range(columns):
                own = self.lost.get(_around(row, column, rows, columns))
                if own is not None:
                    found[:, row, column] = own
        return np.where(self._seen, found, np.float32(np.nan))


def _around(row: int, column: int, rows: int, columns: int) -> Window:
    reach = SIDE // 2
    return (
        max(0, row - reach),
        max(0, column - reach),
        min(rows, row + reach + 1),
        min(columns, column + reach + 1),
    )
