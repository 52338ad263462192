"""MSEA: maps over several input resolutions, aggregated into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Aggregation = Literal["geometric", "mean", "agreement"]
AGGREGATIONS: tuple[str, ...] = get_args(Aggregation)

GEOMETRIC_FLOOR = 0.01


def resize(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bilinear resize of ``(T, h, w)`` maps to ``(T, *grid)``, cell centres aligned."""
    if tuple(maps.shape[1:]) == grid:
        return maps
    return functional.interpolate(maps[:, None], size=grid, mode="bilinear", align_corners=False)[
        :, 0
    ]


def aggregate(
    maps: Sequence[Tensor],
    *,
    aggregation: Aggregation = "geometric",
    probability: Tensor | None = None,
) -> Tensor:
    """Aggregates one token's maps over the scales, on the finest scale's grid.

    The mean is the paper's (arXiv 2509.22415, Multi-Scale Explanation Aggregation). Ours:
    ``geometric``, the geometric mean with each map floored at 1 % of its own maximum, so that a
    cell must be lit at every scale; and ``agreement``, the mean weighted by how probable the token
    is at each scale.

    Args:
        maps: Per scale ``(T, h_s, w_s)`` float32, non-negative.
        aggregation: One of ``AGGREGATIONS``.
        probability: ``(S, T)``, needed by ``agreement`` alone.

    Returns:
        ``(T, H, W)`` float32 with ``(H, W)`` the grid of most cells. One scale is left as it is.

    Raises:
        ValueError: Unknown aggregation, or ``agreement`` without probabilities.
    """
    if len(maps) == 1:
        return maps[0]
    grid = max((tuple(m.shape[1:]) for m in maps), key=lambda g: g[0] * g[1])
    height, width = int(grid[0]), int(grid[1])
    stacked = torch.stack([resize(m, (height, width)) for m in maps])
    if aggregation == "mean":
        return stacked.mean(dim=0)
    if aggregation == "geometric":
        floor = GEOMETRIC_FLOOR * stacked.amax(dim=(2, 3), keepdim=True)
        return torch.maximum(stacked, floor).log().mean(dim=0).exp()
    if aggregation == "agreement":
        if probability is None:
            raise ValueError("aggregation 'agreement' needs probability, (scales, tokens)")
        total = probability.sum(dim=0, keepdim=True)
        even = torch.full_like(probability, 1 / len(maps))
        weights = torch.where(total > 0, probability / total, even)
        return (weights[:, :, None, None] * stacked).sum(dim=0)
    raise ValueError(f"aggregation: expected one of {AGGREGATIONS}, got {aggregation!r}")
