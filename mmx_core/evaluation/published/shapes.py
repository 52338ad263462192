"""Masks from what annotations hold: run lengths, polygons, boxes, masks of another size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_FIRST = 48  # "0": what COCO's letters count from
_MORE, _SIGN, _BITS = 0x20, 0x10, 5


def mask_of(segmentation: Any, height: int, width: int) -> Mask:
    """A COCO segmentation as a mask: run lengths (compressed or not), or polygons of its parts.

    Args:
        segmentation: ``{"size": [height, width], "counts": ...}`` or ``[[x, y, x, y, ..], ..]``.
        height: Of the picture.
        width: Of the picture.

    Returns:
        ``(height, width)``.

    Raises:
        ValueError: It is neither, or of another size.
    """
    if isinstance(segmentation, Mapping):
        return from_runs(segmentation, height, width)
    if isinstance(segmentation, Sequence) and not isinstance(segmentation, (str, bytes)):
        found = np.zeros((height, width), dtype=bool)
        for part in segmentation:
            found |= from_polygon(part, height, width)
        return found
    raise ValueError(
        f"segmentation: expected run lengths or polygons, got {type(segmentation).__name__}"
    )


def from_runs(runs: Mapping[str, Any], height: int, width: int) -> Mask:
    """Run lengths down the columns from the left, outside first.

    Args:
        runs: ``size`` and ``counts``: numbers, or COCO's letters as text or bytes.
        height: Of the picture.
        width: Of the picture.

    Raises:
        ValueError: They are of another size, or do not cover it.
    """
    size = [int(side) for side in runs["size"]]
    if size != [height, width]:
        raise ValueError(f"run lengths: expected size {[height, width]}, got {size}")
    counts = runs["counts"]
    if isinstance(counts, (str, bytes)):
        lengths = _lengths(counts.encode("ascii") if isinstance(counts, str) else counts)
    else:
        lengths = np.asarray(counts, dtype=np.int64)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(
            f"run lengths: expected {height * width} pixels in runs of 0 or more, got "
            f"{int(lengths.sum())} in {len(lengths)} runs"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def _lengths(letters: bytes) -> NDArray[np.int64]:
    """Of COCO's compressed counts.

    Each letter holds five bits, the lowest first, and whether more follow; behind the third count
    what is written is the difference from the one two before.
    """
    codes = np.frombuffer(letters, dtype=np.uint8).astype(np.int64) - _FIRST
    if not codes.size or codes.min() < 0 or codes.max() >= 2 * _MORE or codes[-1] & _MORE:
        raise ValueError(f"run lengths: expected COCO's letters, got {letters[:40]!r}")
    ends = np.flatnonzero(codes & _MORE == 0)
    starts = np.append(0, ends[:-1] + 1)
    place = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & (_MORE - 1)) << _BITS * place, starts)
    negative = codes[ends] & _SIGN != 0
    values -= negative.astype(np.int64) << _BITS * (ends - starts + 1)
    # The first three stand for themselves.
    values[1::2] = values[1::2].cumsum()
    values[2::2] = values[2::2].cumsum()
    return values


def from_polygon(corners: Sequence[float], height: int, width: int) -> Mask:
    """The pixels whose middle is within a polygon.

    Args:
        corners: ``x, y, x, y, ..`` in pixels from the picture's top left corner; fewer than three
            corners enclose nothing.
        height: Of the picture.
        width: Of the picture.
    """
    points = np.asarray(corners, dtype=np.float64)
    if points.ndim != 1 or points.size % 2 or not np.isfinite(points).all():
        raise ValueError(f"polygon: expected x, y, x, y, .., got {str(corners)[:60]}")
    if points.size < 6:
        return np.zeros((height, width), dtype=bool)
    x, y = points.reshape(-1, 2).T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    middles = np.arange(height) + 0.5
    # (edges, rows): an edge has its upper end, not its lower, so that a corner counts once.
    crosses = (y[:, None] <= middles) != (next_y[:, None] <= middles)
    edge, row = np.nonzero(crosses)
    share = (middles[row] - y[edge]) / (next_y[edge] - y[edge])
    at = x[edge] + share * (next_x[edge] - x[edge])
    # Every pixel whose middle lies right of a crossing changes sides.
    first = np.clip(np.ceil(at - 0.5), 0, width).astype(np.int64)
    changes = np.zeros((height, width + 1), dtype=np.int64)
    np.add.at(changes, (row, first), 1)
    inside: Mask = changes.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def from_box(box: Sequence[float], height: int, width: int) -> Mask:
    """The pixels whose middle is within a box.

    Args:
        box: Left, top, right, bottom in pixels; what lies outside the picture is cut off.
        height: Of the picture.
        width: Of the picture.
    """
    left, top, right, bottom = (float(side) for side in box)
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    down, across = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return down[:, None] & across


def resized(mask: NDArray[Any], height: int, width: int) -> Mask:
    """A mask of another size: each pixel what it is at the same share of height and width."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip((height, width), mask.shape, strict=True)
    )
    found: Mask = mask[rows[:, None], columns] != 0
    return found
