"""Against removal: does a map order a picture's regions as taking each of them away does?

The reference is leave-one-out: by how many nats a word becomes less likely once a region of the
picture is hidden. Regions are squares about a third of the picture wide, one about each of its
cells: without one small cell a word is as likely as before, since the rest of its object is there.
Masks say where an object is; this says what the model used. A map that points at
an object which the model does not need is right by a mask, and wrong here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmx_core.models.layout import PARTS

REMOVAL_FIGURES = ("removal_rank", "removal_share", "removal_first")
LEAST_EFFECT = 0.1
"""Nats: where no region costs a word that much, there is no order to be found."""
TOP_SHARE = 0.25
WIDTH = 0.35
"""Of a region, by the picture's longer side."""

Values = NDArray[np.floating]


def removal_figures(
    maps: Values, effects: Values, regions: NDArray[np.bool_]
) -> dict[str, list[float]]:
    """The figures called :data:`REMOVAL_FIGURES`, of the words that some region matters to.

    - rank: Spearman's correlation of map and effect over the regions; 0 of a map without order.
    - share: the effect of the map's highest quarter of regions, as a share of the effect of the
      quarter that matters most. It may be negative: regions can speak against a word.
    - first: the effect of the map's highest region, as a share of the largest.

    Regions that are equal in a map share what a lot among them would get on average.

    Args:
        maps: ``(K, H, W)``, finite, one per word.
        effects: ``(K, R)`` nats that a word loses without each region.
        regions: ``(R, H, W)``, their cells.
    """
    of_map, effect = over_regions(maps, regions), np.asarray(effects, dtype=np.float64)
    matters = effect.max(axis=1) >= LEAST_EFFECT
    of_map, effect = of_map[matters], effect[matters]
    quarter = max(1, round(TOP_SHARE * effect.shape[1]))
    best = -np.sort(-effect, axis=1)[:, :quarter].sum(axis=1)
    share = (chosen(of_map, quarter) * effect).sum(axis=1) / best
    first = (chosen(of_map, 1) * effect).sum(axis=1) / effect.max(axis=1)
    found = rank_correlation(of_map, effect), share, first
    return {name: v.tolist() for name, v in zip(REMOVAL_FIGURES, found, strict=True)}


def regions_of(grid: tuple[int, int]) -> NDArray[np.bool_]:
    """``(R, H, W)`` squares of cells, cut off at the picture's border.

    One about every cell, or of finer grids about every second, third, …, so that they are
    :data:`~mmx_core.models.layout.PARTS` along the longer side, at most.

    Args:
        grid: ``(H, W)``.
    """
    step = -(-max(grid) // PARTS)
    reach = max(1, round(max(grid) * WIDTH)) // 2
    rows, columns = (
        np.abs(np.arange(step // 2, count, step)[:, None] - np.arange(count)) <= reach
        for count in grid
    )
    return np.asarray((rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, *grid))


def over_regions(maps: Values, regions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(K, R)`` means over each region's cells, of ``(K, H, W)``."""
    member = regions.reshape(len(regions), -1).astype(np.float64)
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    largest = np.abs(flat).max(axis=1, keepdims=True)
    means = flat @ (member.T / member.sum(axis=1))
    # What is equal stays equal, however the sum was rounded.
    return np.asarray(np.round(means / np.where(largest > 0, largest, 1), 9) * largest)


def chosen(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """``(K, R)`` weights, ``count`` in sum: how likely each is among the highest, ties by lot."""
    least = -np.sort(-values, axis=1)[:, count - 1 : count]
    above, tied = values > least, values == least
    left = count - above.sum(axis=1, keepdims=True)
    return np.asarray(above + tied * left / tied.sum(axis=1, keepdims=True))


def rank_correlation(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(K,)`` Spearman's, of the rows of two ``(K, R)``; 0 where a row is constant."""
    one, other = (
        ranks - ranks.mean(axis=1, keepdims=True) for ranks in map(_ranks, (first, second))
    )
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.asarray((one * other).sum(axis=1) / np.where(size > 0, size, 1))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equal values have their mean rank."""
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    return np.asarray(below + (equal - 1) / 2)
