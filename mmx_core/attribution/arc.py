"""ARC: how relevant each context token is, by the agreement of top-k predictions.

Rank-biased overlap (Webber, Moffat, Zobel 2010), truncated at ``k`` and normalised::

    RBO = sum_{d=1..k} p^(d-1) |S_d & T_d| / d  /  sum_{d=1..k} p^(d-1)

An item at ranks ``i`` and ``j`` is in both prefixes from depth ``max(i, j)`` on. With
``tail(m) = sum_{d=m..k} p^(d-1) / d`` it adds ``tail(max(i, j)) = min(tail(i), tail(j))``, so that
the overlap of two rankings is the histogram intersection of their tail weights: one gather and one
minimum per pair and rank, no loop over depths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmx_core.settings import DEFAULTS

PERSISTENCE = DEFAULTS.persistence
_TABLE_ELEMENTS = 1 << 22
_BLOCK_ELEMENTS = 1 << 20


def tail_weights(depth: int, persistence: float, device: torch.device | None = None) -> Tensor:
    """What a shared item adds, by the worse of its two ranks.

    Returns:
        ``(depth,)`` float32, descending; normalised so that identical rankings score exactly 1.
    """
    ranks = torch.arange(1, depth + 1, dtype=torch.float64)
    weights = persistence ** (ranks - 1)
    tails = (weights / ranks).flip(0).cumsum(0).flip(0) / weights.sum()
    return tails.float().to(device)


def rank_biased_overlap(
    targets: Tensor, context: Tensor, *, persistence: float = PERSISTENCE
) -> Tensor:
    """Overlap of every target ranking with every context ranking.

    Args:
        targets: ``(T, k)`` int64, vocabulary ids, best first, distinct within a row.
        context: ``(C, k)`` int64, likewise.
        persistence: ``p``, in ``(0, 1)``; 0.9 puts about 86 % of the weight on the top 10.

    Returns:
        ``(T, C)`` float32 in ``[0, 1]``.

    Raises:
        ValueError: Depths differ, or ``p`` is out of range.
    """
    if targets.ndim != 2 or context.ndim != 2 or targets.shape[1] != context.shape[1]:
        raise ValueError(
            f"rankings: expected (T, k) and (C, k), got {tuple(targets.shape)} and "
            f"{tuple(context.shape)}"
        )
    if not 0 < persistence < 1:
        raise ValueError(f"persistence: expected a number in (0, 1), got {persistence}")
    count, depth = targets.shape
    tails = tail_weights(depth, persistence, targets.device)
    # Compact row numbers for the ids that any target ranks; others cannot overlap.
    known, numbers = torch.unique(targets, return_inverse=True)
    place = torch.searchsorted(known, context).clamp_max(len(known) - 1)
    shared = known[place] == context
    overlap = targets.new_zeros((count, len(context)), dtype=torch.float32)
    context_block = max(1, _TABLE_ELEMENTS // max(1, len(known)))
    for first in range(0, len(context), context_block):
        block = slice(first, first + context_block)
        table = tails.new_zeros((len(known), len(context[block])))
        values = torch.where(shared[block], tails, 0.0)
        # amax: ids that no target ranks all point at one row, with value 0.
        table.scatter_reduce_(0, place[block].T, values.T, reduce="amax")
        target_block = max(1, _BLOCK_ELEMENTS // max(1, table.shape[1] * depth))
        for start in range(0, count, target_block):
            rows = slice(start, start + target_block)
            # Whole rows: entries one by one take five times as long.
            gathered = table[numbers[rows]]
            torch.minimum(gathered, tails[:, None], out=gathered)
            overlap[rows, block] = gathered.sum(dim=1)
    return overlap.clamp_(max=1.0)
