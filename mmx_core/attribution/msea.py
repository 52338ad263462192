"""MSEA: maps over several input resolutions, aggregated into one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mmx_core.settings import AGGREGATIONS, Aggregation

GEOMETRIC_FLOOR = 0.01


def resize(maps: Tensor, grid: tuple[int, int], *, partial: bool = False) -> Tensor:
    """Bilinear resize of ``(T, h, w)`` maps to ``(T, *grid)``, cell centres aligned.

    Args:
        maps: Float.
        grid: ``(H, W)``.
        partial: Whether some cells are NaN, the same ones in all maps. They take no part; a new
            cell is NaN where less than half of what it is made of was seen.
    """
    if tuple(maps.shape[1:]) == grid:
        return maps
    if not partial:
        return _bilinear(maps, grid)
    seen = (~maps[:1].isnan()).to(maps.dtype)
    share = _bilinear(seen, grid)
    return (_bilinear(maps.nan_to_num(0.0), grid) / share).masked_fill(share < 0.5, torch.nan)


def _bilinear(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    return functional.interpolate(maps[:, None], size=grid, mode="bilinear", align_corners=False)[
        :, 0
    ]


def aggregate(
    maps: Sequence[Tensor],
    *,
    aggregation: Aggregation = "geometric",
    probability: Tensor | None = None,
    highest: Sequence[Tensor] | None = None,
    partial: bool = False,
) -> Tensor:
    """Aggregates one token's maps over the scales, on the finest scale's grid.

    The mean is the paper's (arXiv 2509.22415, Multi-Scale Explanation Aggregation). Ours:
    ``geometric``, the geometric mean with each map floored at 1 % of its own maximum, so that a
    cell must be lit at every scale; and ``agreement``, the mean weighted by how probable the token
    is at each scale.

    Args:
        maps: Per scale ``(T, h_s, w_s)`` float32, non-negative; NaN where nothing is seen.
        aggregation: One of ``AGGREGATIONS``.
        probability: ``(S, T)``, needed by ``agreement`` alone.
        highest: Per scale ``(T,)``, the maximum that ``geometric`` takes its floor of, where these
            maps are one of several images; else each map's own.
        partial: Whether there are NaN cells. What some scales see is theirs alone.

    Returns:
        ``(T, H, W)`` float32 with ``(H, W)`` the grid of most cells. One scale is left as it is.

    Raises:
        ValueError: Unknown aggregation, or ``agreement`` without probabilities.
    """
    if aggregation not in AGGREGATIONS:
        raise ValueError(f"aggregation: expected one of {AGGREGATIONS}, got {aggregation!r}")
    if len(maps) == 1:
        return maps[0]
    grid = max((tuple(m.shape[1:]) for m in maps), key=lambda g: g[0] * g[1])
    height, width = int(grid[0]), int(grid[1])
    stacked = torch.stack([resize(m, (height, width), partial=partial) for m in maps])
    if aggregation == "mean":
        return stacked.nanmean(dim=0) if partial else stacked.mean(dim=0)
    if aggregation == "geometric":
        if highest is None:
            known = stacked.nan_to_num(0.0) if partial else stacked
            top = known.amax(dim=(2, 3), keepdim=True)
        else:
            top = torch.stack(list(highest))[:, :, None, None]
        logarithms = torch.maximum(stacked, GEOMETRIC_FLOOR * top).log()
        return (logarithms.nanmean(dim=0) if partial else logarithms.mean(dim=0)).exp()
    if probability is None:
        raise ValueError("aggregation 'agreement' needs probability, (scales, tokens)")
    total = probability.sum(dim=0, keepdim=True)
    even = torch.full_like(probability, 1 / len(maps))
    weights = torch.where(total > 0, probability / total, even)[:, :, None, None]
    if not partial:
        return (weights * stacked).sum(dim=0)
    seen = ~stacked.isnan()
    known = stacked.nan_to_num(0.0)
    total = (weights * seen).sum(dim=0)
    weighed = (weights * known).sum(dim=0) / total
    # Seen only at scales where the token is impossible, all of which count alike.
    return torch.where(total > 0, weighed, known.sum(dim=0) / seen.sum(dim=0))
