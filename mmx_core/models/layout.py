"""Where visual tokens are: in the sequence, and on the picture they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Box = tuple[float, float, float, float]
"""``(top, left, bottom, right)`` in units of the image's height and width. It reaches beyond
``[0, 1]`` where the model sees padding, and is smaller than the image where that is cropped."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

PARTS = 12
"""Along the longer side of a picture whose parts are hidden one by one: 144 of a square one."""

_SEEN_SHARE = 0.01
"""A cell counts as seen from this share of its area on; less is a sliver left by rounding."""


@dataclass(frozen=True)
class Raster:
    """Visual tokens in rows and columns over one rectangle of an image.

    Attributes:
        offsets: ``(h * w,)`` indices into :attr:`Layout.ids`, in raster order.
        grid: ``(h, w)``; cell ``(i, j)`` covers that rectangle of the box cut ``h`` by ``w``.
        box: The rectangle.
    """

    offsets: Sequence[int]
    grid: tuple[int, int]
    box: Box = WHOLE

    def __post_init__(self) -> None:
        height, width = self.grid
        if len(self.offsets) != height * width:
            raise ValueError(
                f"raster: expected {height} x {width} = {height * width} visual tokens, got "
                f"{len(self.offsets)}"
            )
        top, left, bottom, right = self.box
        if not (top < bottom and left < right):
            raise ValueError(f"raster: expected a box (top, left, bottom, right), got {self.box}")


@dataclass(frozen=True)
class View:
    """What has a map of its own: an image, or the frames that one patch of a video covers.

    Attributes:
        rasters: A grid of visual tokens, or several: tiles, a thumbnail. None where visual tokens
            stand for no place.
        frames: Of a video, those covered: indices into its frames.
        cells: Without rasters, the rows and columns that the picture is cut into instead.
    """

    rasters: tuple[Raster, ...]
    frames: tuple[int, ...] = ()
    cells: tuple[int, int] = (1, 1)

    @property
    def grid(self) -> tuple[int, int]:
        """``(H, W)`` of the plane that its map is drawn on: as fine as the finest raster."""
        return plane_grid(self.rasters) if self.rasters else self.cells

    @property
    def seen(self) -> Tensor:
        """``(H, W)`` bool: what of the plane the model sees."""
        if not self.rasters:
            return torch.ones(self.cells, dtype=torch.bool)
        return self.coverage() >= _SEEN_SHARE

    @property
    def partial(self) -> bool:
        """Whether the model sees only parts of the image, so that some of the plane is NaN."""
        return not bool(self.seen.all())

    def coverage(self) -> Tensor:
        """``(H, W)`` float64: how often each cell of the plane is covered."""
        area = torch.zeros(self.grid, dtype=torch.float64)
        for raster in self.rasters:
            rows, columns = _overlaps(raster, self.grid)
            area += rows.sum(1)[:, None] * columns.sum(1)
        return area


@dataclass(frozen=True)
class Layout:
    """How one picture stands in the sequence at one scale.

    Attributes:
        ids: What replaces its placeholder: visual tokens, and the separators among them.
        views: One for an image, one per temporal patch for a video.
    """

    ids: tuple[int, ...]
    views: tuple[View, ...]

    @property
    def count(self) -> int:
        """Visual tokens of all views."""
        return sum(len(raster.offsets) for view in self.views for raster in view.rasters)


@dataclass(frozen=True)
class VisualSpan:
    """One view's visual tokens in the whole sequence.

    Attributes:
        positions: ``(N,)`` int64 indices into the sequence, raster after raster.
        view: The rectangles they cover.
        picture: Index of the image or video it belongs to.
    """

    positions: Tensor
    view: View
    picture: int = 0

    @property
    def grid(self) -> tuple[int, int]:
        """``(H, W)`` of the plane."""
        return self.view.grid

    @property
    def rectangles(self) -> Tensor:
        """``(N, 4)`` float64: what each token covers, as :data:`Box`."""
        return torch.cat([_cells(raster) for raster in self.view.rasters])

    def on_plane(self, values: Tensor) -> Tensor:
        """Brings one value per visual token onto the image.

        A cell that several tokens cover (a tile's and the thumbnail's) gets their mean, weighted
        by the area each covers of it.

        Args:
            values: ``(T, N)``.

        Returns:
            ``(T, H, W)``; NaN where the model sees nothing of the image.
        """
        rasters, grid = self.view.rasters, self.grid
        if len(rasters) == 1 and rasters[0].box == WHOLE:
            return values.view(len(values), *grid)
        total = values.new_zeros(len(values), *grid)
        sizes = [len(raster.offsets) for raster in rasters]
        for raster, part in zip(rasters, torch.split(values, sizes, dim=1), strict=True):
            rows, columns = (side.to(values) for side in _overlaps(raster, grid))
            total += rows @ part.view(len(values), *raster.grid) @ columns.T
        area = self.view.coverage().to(values)
        return (total / area).masked_fill(area < _SEEN_SHARE, torch.nan)


def placeless(size: tuple[int, int]) -> View:
    """The view of an image ``(width, height)`` without visual tokens of its places.

    Cut into about square cells, :data:`PARTS` along the longer side.
    """
    columns, rows = (max(1, round(PARTS * side / max(size))) for side in size)
    return View((), cells=(rows, columns))


def plane_grid(rasters: Sequence[Raster]) -> tuple[int, int]:
    """``(H, W)``: the whole image cut into cells as small as the finest raster's."""
    height, width = min(map(_cell_size, rasters), key=lambda size: size[0] * size[1])
    return max(1, round(1 / height)), max(1, round(1 / width))


def _cell_size(raster: Raster) -> tuple[float, float]:
    top, left, bottom, right = raster.box
    return (bottom - top) / raster.grid[0], (right - left) / raster.grid[1]


def _edges(count: int, start: float, end: float) -> Tensor:
    return torch.linspace(start, end, count + 1, dtype=torch.float64)


def _cells(raster: Raster) -> Tensor:
    top, left, bottom, right = raster.box
    rows, columns = raster.grid
    y, x = _edges(rows, top, bottom), _edges(columns, left, right)
    first = [y[:-1, None].expand(rows, columns), x[None, :-1].expand(rows, columns)]
    last = [y[1:, None].expand(rows, columns), x[None, 1:].expand(rows, columns)]
    return torch.stack([*first, *last], dim=-1).flatten(0, 1)


def _overlaps(raster: Raster, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """``(H, h)`` and ``(W, w)``: how a raster's rows and columns fill those of the plane."""
    top, left, bottom, right = raster.box
    rows = _overlap(grid[0], raster.grid[0], top, bottom)
    return rows, _overlap(grid[1], raster.grid[1], left, right)


def _overlap(plane: int, cells: int, start: float, end: float) -> Tensor:
    """``(plane, cells)``: the share of each of the plane's rows that each cell's row covers."""
    ours, theirs = _edges(plane, 0, 1), _edges(cells, start, end)
    low = torch.maximum(ours[:-1, None], theirs[None, :-1])
    high = torch.minimum(ours[1:, None], theirs[None, 1:])
    return (high - low).clamp_min(0) * plane
