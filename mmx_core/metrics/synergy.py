"""What a picture's cells and the words do together: the Harsanyi dividend across modalities.

A word such as "left" in "is the square left of the circle?" needs picture *and* question: either
alone tells nothing. Of the highest cells ``V`` and the highest words ``L`` of an explanation,

    dividend = p(V, L) - p(V, none) - p(none, L) + p(none, none)

where ``p`` is the probability of the explained token with the cells' and words' rest taken away:
cells blurred, words exchanged for a neutral token. It is the joint part of the game of two players
"cells" and "words" (Harsanyi 1963); as a measure of explanations: "Measuring Cross-Modal Synergy",
arXiv 2605.22168. Between -2 and 2; 0 where either modality suffices, or neither helps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmx_core.metrics.faithfulness import removal_order, resize_by_area
from mmx_core.stages.perturbing import Perturber

SYNERGY_FIGURES = ("synergy", "synergy_all_words")
TOP_SHARE = 0.2
"""Of the cells, and of the words."""


def synergies(
    perturber: Perturber,
    maps: NDArray[np.floating],
    words: NDArray[np.floating],
    tokens: Sequence[int],
    *,
    seed: int | None = 0,
) -> dict[str, list[float]]:
    """The figures called :data:`SYNERGY_FIGURES` of some tokens of one sample.

    The second takes all words for ``L``, so that maps alone are compared.

    Args:
        perturber: The sample's.
        maps: ``(K, h, w)``, one per token, finite.
        words: ``(K, C)`` how much each context token counts, by size; NaN where it is none that can
            be taken away.
        tokens: ``(K,)`` indices into the answer.
        seed: Equals are drawn by lot with it; None takes them in their order.
    """
    coarse = resize_by_area(maps, perturber.grid)
    cells = _highest(coarse.reshape(len(maps), -1), seed).reshape(-1, *perturber.grid)
    there = np.isfinite(words)
    sizes = np.where(there, np.abs(words), -1.0)
    best = _highest(sizes, seed, there.sum(axis=1)) & there
    found = (_dividends(perturber, cells, chosen, ~there, tokens) for chosen in (best, there))
    return {name: v.tolist() for name, v in zip(SYNERGY_FIGURES, found, strict=True)}


def _highest(
    values: NDArray[np.floating], seed: int | None, sizes: NDArray[np.integer] | None = None
) -> NDArray[np.bool_]:
    """``(K, N)``: the highest share of each row, one at least."""
    order = removal_order(values[:, None], seed=seed)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(order.shape[1])[None], axis=1)
    counts = np.full(len(values), values.shape[1]) if sizes is None else sizes
    return np.asarray(place < np.maximum(1, np.rint(TOP_SHARE * counts))[:, None])


def _dividends(
    perturber: Perturber,
    cells: NDArray[np.bool_],
    words: NDArray[np.bool_],
    always: NDArray[np.bool_],
    tokens: Sequence[int],
) -> NDArray[np.float64]:
    nothing = np.zeros_like(cells)
    keep = np.stack([cells, cells, nothing, nothing], axis=1).reshape(-1, *cells.shape[1:])
    left = np.stack([always | words, always, always | words, always], axis=1)
    probability, _ = perturber.predict(
        keep, np.repeat(np.asarray(tokens), 4), left.reshape(len(keep), -1)
    )
    both, seen, read, neither = probability.reshape(-1, 4).T
    return np.asarray(both - seen - read + neither)
