"""Faithfulness: what becomes of a token when the image loses what its map says matters?

Deletion and insertion (Petsiuk et al. 2018, RISE) per answer token, on the model itself at scale
1.0: regions are cells of the visual grid, removed or revealed in the map's order in at most 20
steps, and ``p(y_t | image, prompt, y_<t)`` is read after each. What is removed shows the image's
blur, or its mean colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmx_core.sample import WordMask
from mmx_core.stages.perturbing import Perturber

FIGURES = ("insertion", "deletion", "flip_rate")
STEPS = 20
FLIP_SHARE = 0.2


@dataclass(frozen=True)
class Faithfulness:
    """Curves and figures of ``K`` tokens.

    Attributes:
        deletion_curve: ``(K, S + 1)``, ``p(y_t)`` as the map's cells go, the highest first.
        insertion_curve: ``(K, S + 1)``, as they come back to an image without any.
        deletion: ``(K,)`` area under the first, in units of the share removed; lower is better.
        insertion: ``(K,)`` area under the second; higher is better.
        flipped: ``(K,)`` bool, whether the model's first choice is another once the top 20 % of
            the cells are gone.
    """

    deletion_curve: NDArray[np.float64]
    insertion_curve: NDArray[np.float64]
    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]
    flipped: NDArray[np.bool_]

    def scores(self) -> dict[str, list[float]]:
        """The figures called :data:`FIGURES`, token by token."""
        found = self.insertion, self.deletion, self.flipped
        return {name: v.astype(float).tolist() for name, v in zip(FIGURES, found, strict=True)}


def head_tokens(masks: Sequence[WordMask], tokens_of_word: Sequence[Sequence[int]]) -> list[int]:
    """Per visible mask the first token of its last word: "square" of "a red square".

    The pieces of a word that follow its first are all but settled by it.
    """
    return [
        tokens_of_word[entry.words[-1]][0]
        for entry in masks
        if entry.mask.any() and tokens_of_word[entry.words[-1]]
    ]


def resize_by_area(maps: NDArray[np.floating], grid: tuple[int, int]) -> NDArray[np.float64]:
    """``(K, h, w)`` maps on another grid: each new cell the mean of what it covers.

    What the model does not see (NaN) counts as zero.
    """
    rows, columns = (_cover(old, new) for old, new in zip(maps.shape[1:], grid, strict=True))
    return np.asarray(rows @ np.nan_to_num(maps.astype(np.float64)) @ columns.T)


def _cover(old: int, new: int) -> NDArray[np.float64]:
    """``(new, old)``: how much of each new cell each old one fills."""
    first, second = (np.linspace(0, 1, count + 1) for count in (new, old))
    low = np.maximum(first[:-1, None], second[None, :-1])
    high = np.minimum(first[1:, None], second[None, 1:])
    return np.asarray(np.maximum(high - low, 0) * new)


def removal_order(maps: NDArray[np.floating], *, seed: int | None = 0) -> NDArray[np.int64]:
    """``(K, N)`` cells of ``(K, h, w)`` maps, the highest first.

    Args:
        maps: Finite.
        seed: Equal cells are drawn by lot with it, since maps have many zeros and no corner of an
            image shall come first; None leaves them in raster order.
    """
    flat = maps.reshape(len(maps), -1)
    if seed is None:
        return np.argsort(-flat, axis=1, kind="stable")
    lots = np.random.default_rng(seed).permutation(flat.shape[1])
    return lots[np.argsort(-flat[:, lots], axis=1, kind="stable")]


def cells_removed(cells: int, steps: int = STEPS) -> NDArray[np.int64]:
    """``(S + 1,)`` how many of the cells are gone after each step, from none to all."""
    return np.unique(np.rint(np.linspace(0, cells, min(steps, cells) + 1)).astype(np.int64))


def curve_area(curve: NDArray[np.floating], removed: NDArray[np.integer]) -> NDArray[np.float64]:
    """Area under ``(K, S + 1)`` curves over the share of cells, by the trapezium rule."""
    share = removed / removed[-1]
    middle = (curve[:, 1:] + curve[:, :-1]) / 2
    return np.asarray((middle * np.diff(share)).sum(axis=1), dtype=np.float64)


def faithfulness(
    perturber: Perturber,
    maps: NDArray[np.floating],
    tokens: Sequence[int],
    *,
    seed: int | None = 0,
    steps: int = STEPS,
) -> Faithfulness:
    """Deletion, insertion and flips of some tokens of one sample.

    Args:
        perturber: The sample's.
        maps: ``(K, h, w)``, one per token, on any grid; brought to the perturber's by area.
        tokens: ``(K,)`` indices into the answer.
        seed: By which equal cells are ordered; see :func:`removal_order`.
        steps: At most; fewer where there are fewer cells.
    """
    rows, columns = perturber.grid
    coarse = resize_by_area(maps, (rows, columns))
    order = removal_order(coarse, seed=seed)
    count, cells = order.shape
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(cells)[None], axis=1)
    removed = cells_removed(cells, steps)
    # Row s hides the first removed[s] cells; its complement shows them alone.
    hidden = place[:, None, :] < removed[None, :, None]
    keep = np.stack([~hidden, hidden], axis=1).reshape(-1, rows, columns)
    asked = np.repeat(np.asarray(tokens), 2 * len(removed))
    probability, top = perturber.predict(keep, asked)
    curves = probability.reshape(count, 2, len(removed))
    choice = top.reshape(count, 2, len(removed))[:, 0]
    flip = int(np.abs(removed - FLIP_SHARE * cells).argmin())
    return Faithfulness(
        deletion_curve=curves[:, 0],
        insertion_curve=curves[:, 1],
        deletion=curve_area(curves[:, 0], removed),
        insertion=curve_area(curves[:, 1], removed),
        flipped=choice[:, flip] != choice[:, 0],
    )


def floors(
    perturber: Perturber, tokens: Sequence[int], *, seed: int = 0, steps: int = STEPS
) -> Mapping[str, Faithfulness]:
    """What maps without information get: ``random`` order, and ``uniform`` (raster order)."""
    noise = np.random.default_rng(seed).random((len(tokens), *perturber.grid))
    even = np.zeros((len(tokens), *perturber.grid))
    return {
        "random": faithfulness(perturber, noise, tokens, steps=steps),
        "uniform": faithfulness(perturber, even, tokens, seed=None, steps=steps),
    }
