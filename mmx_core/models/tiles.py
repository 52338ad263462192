"""Tiles: what families that cut an image share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import torch

from mmx_core.models.layout import WHOLE, Box, Layout, Raster, View


@dataclass(frozen=True)
class Tiling:
    """An image stretched over rows and columns of square tiles, and then shown whole.

    Attributes:
        rows: 0 where there is the whole image alone.
        columns: As ``rows``.
        side: Of a tile, in pixels.
        settings: Make an image processor cut it so.
    """

    rows: int
    columns: int
    side: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def boxes(self) -> list[Box]:
        """What each tile shows, the whole image last, where it is not the only tile itself."""
        boxes: list[Box] = [
            (i / self.rows, j / self.columns, (i + 1) / self.rows, (j + 1) / self.columns)
            for i in range(self.rows)
            for j in range(self.columns)
        ]
        return boxes if len(boxes) == 1 else [*boxes, WHOLE]


def shuffled_grid(side: int, patch: int, shuffle: int) -> tuple[int, float]:
    """Visual tokens along a tile's side, and the share of it that they cover.

    Args:
        side: Of the tile, in pixels.
        patch: Pixels of a patch.
        shuffle: Patches along the side of a visual token (pixel shuffle).

    Raises:
        ValueError: The patches do not make whole tokens.
    """
    patches = side // patch
    if patches % shuffle:
        raise ValueError(
            f"image processor: a tile of {side} pixels has {patches} patches of {patch} along its "
            f"side, which the model cannot join {shuffle} by {shuffle}"
        )
    return patches // shuffle, patches * patch / side


def closest_tiles(
    grids: Sequence[tuple[int, int]],
    most: int,
    side: int,
    size: tuple[int, int],
    *,
    dtype: torch.dtype,
) -> tuple[int, int]:
    """Rows and columns of tiles: of those that enlarge an image the least, else shrink it least.

    Args:
        grids: Rows and columns to choose from. Of two as close, that of fewer tiles is taken, or
            the one that stands first.
        most: Tiles at most.
        side: Of a tile, in pixels.
        size: ``(height, width)`` of the image.
        dtype: In which the processor computes scales: in it they can be equal.
    """
    allowed = [grid for grid in grids if grid[0] * grid[1] <= most]
    allowed.sort(key=lambda grid: grid[0] * grid[1])
    scales = (torch.tensor(allowed).to(dtype) * side / torch.tensor(size, dtype=dtype)).amin(1)
    enough = scales[scales >= 1]
    best = enough.min() if len(enough) else scales.max()
    return allowed[scales.tolist().index(best.item())]


def marked_layout(
    marked: Sequence[int],
    placeholder: int,
    boxes: Sequence[Box],
    grids: Sequence[tuple[int, int]],
) -> Layout:
    """An image of tiles, one placeholder in the text for each.

    Args:
        marked: What is written for the image: markers, and the placeholder once for each tile.
        placeholder: Its id.
        boxes: What each tile's visual tokens cover, in the order of the text.
        grids: Rows and columns of them.

    Raises:
        ValueError: There are more or fewer placeholders than tiles.
    """
    ids: list[int] = []
    starts: list[int] = []
    for token in marked:
        if token == placeholder:
            rows, columns = grids[len(starts)] if len(starts) < len(grids) else (1, 1)
            starts.append(len(ids))
            ids += [token] * (rows * columns)
        else:
            ids.append(token)
    if len(starts) != len(boxes):
        raise ValueError(
            f"tokenizer: expected {len(boxes)} image tokens, one for each tile, got {len(starts)}"
        )
    rasters = tuple(
        Raster(range(start, start + rows * columns), (rows, columns), box)
        for start, box, (rows, columns) in zip(starts, boxes, grids, strict=True)
    )
    return Layout(tuple(ids), (View(rasters),))


def covered(box: Box, share: float) -> Box:
    """What whole patches cover of a tile; pixels beyond the last one are not looked at."""
    top, left, bottom, right = box
    return top, left, top + (bottom - top) * share, left + (right - left) * share


@dataclass(frozen=True)
class Canvas:
    """Tiles that an image is fitted into, centred, and which of their cells are kept.

    Attributes:
        tiles: Rows and columns of tiles.
        side: Pixels of one.
        cells: Visual tokens along a tile's side.
        patch: Pixels of one; ``cells * patch`` may be a little less than the side.
        size: ``(height, width)`` of the image on the canvas.
    """

    tiles: tuple[int, int]
    side: int
    cells: int
    patch: int
    size: tuple[int, int]

    @classmethod
    def fit(
        cls, image: tuple[int, int], tiles: tuple[int, int], side: int, cells: int, patch: int
    ) -> Canvas:
        """The image, ``(height, width)``, as large as fits with its proportions kept."""
        height, width = image
        tall, wide = tiles[0] * side, tiles[1] * side
        # Divided first, as the processor does: rounded up, the order can make a pixel.
        down, across = tall / height, wide / width
        if across < down:
            size = (min(ceil(height * across), tall), wide)
        else:
            size = (tall, min(ceil(width * down), wide))
        return cls(tiles, side, cells, patch, size)

    @property
    def margins(self) -> tuple[int, int]:
        """Pixels above and left of the image."""
        return tuple((n * self.side - s) // 2 for n, s in zip(self.tiles, self.size, strict=True))  # type: ignore[return-value]

    def kept(self, image: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of cells that the model keeps: the margins are cut off."""
        height, width = image
        rows, columns = (n * self.cells for n in self.tiles)
        if width / height > columns / rows:
            cut = (rows - int(round(height * (columns / width), 7))) // 2
            return slice(cut, rows - cut), slice(0, columns)
        cut = (columns - int(round(width * (rows / height), 7))) // 2
        return slice(0, rows), slice(cut, columns - cut)

    def box(self, rows: tuple[int, int], columns: tuple[int, int]) -> Box:
        """The part of the image under cells ``first`` to ``last`` of one tile's rows, columns."""
        edges = []
        for axis, span in enumerate((rows, columns)):
            tile = span[0] // self.cells
            start = tile * self.side + (span[0] - tile * self.cells) * self.patch
            end = start + (span[1] - span[0]) * self.patch
            edges.append([(edge - self.margins[axis]) / self.size[axis] for edge in (start, end)])
        (top, bottom), (left, right) = edges
        return (top, left, bottom, right)


def tile_rasters(canvas: Canvas, rows: slice, columns: slice, base: int) -> list[Raster]:
    """One raster per tile of what is kept, behind ``base`` tokens, rows ended by a newline."""
    wide = columns.stop - columns.start + 1
    if rows.start == rows.stop or columns.start == columns.stop:
        return []  # of an image too elongated to fill a row of cells

    def spans(kept: slice) -> list[tuple[int, int]]:
        edges = range(kept.start // canvas.cells, -(-kept.stop // canvas.cells))
        return [
            (max(kept.start, n * canvas.cells), min(kept.stop, (n + 1) * canvas.cells))
            for n in edges
        ]

    return [
        Raster(
            [
                base + (r - rows.start) * wide + c - columns.start
                for r in range(*down)
                for c in range(*across)
            ],
            (down[1] - down[0], across[1] - across[0]),
            canvas.box(down, across),
        )
        for down in spans(rows)
        for across in spans(columns)
    ]
