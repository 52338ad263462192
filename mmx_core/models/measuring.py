"""Which visual token shows which part of a picture, measured by painting on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Tokens = Callable[[Tensor], Tensor]
"""``(1, 3, H, W)`` pixels to ``(N, d)`` visual tokens."""

ENOUGH = 0.95
"""Share of painted cells that must change their own token most."""
_CELLS = 48
"""Painted at most; a wrong order of half the tokens passes once in ten thousand million times."""
_STILL = 1e-4
"""A token that changes less than this share of the one that changes most shows nothing."""


@dataclass(frozen=True)
class Mapping:
    """How visual tokens in rows from the top left answered to paint.

    Attributes:
        tried: Cells painted.
        wrong: Those that changed another's token most, in words.
    """

    tried: int
    wrong: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of cells that changed their own token most."""
        return 1 - len(self.wrong) / self.tried


def moving(tokens: Tokens, size: tuple[int, int]) -> list[int]:
    """Indices of the tokens that depend on the picture; what stays is a separator.

    Args:
        tokens: Of a picture.
        size: ``(height, width)`` of pictures.
    """
    random = torch.Generator().manual_seed(0)
    first, second = (tokens(torch.rand(1, 3, *size, generator=random)) for _ in range(2))
    change = (first - second).float().norm(dim=-1)
    return torch.nonzero(change > _STILL * change.max()).flatten().tolist()


def mapping(tokens: Tokens, size: tuple[int, int], grid: tuple[int, int]) -> Mapping:
    """Paints cells one at a time and sees which token changes most.

    Towers let some tokens answer to whatever happens anywhere. So a token's change counts in units
    of what it usually is.

    Args:
        tokens: Of a picture, as many as the grid has cells.
        size: ``(height, width)`` of pictures.
        grid: ``(h, w)``.
    """
    blank = torch.zeros(1, 3, *size)
    before = tokens(blank)
    edges = [
        torch.linspace(0, pixels, cells + 1).round().int().tolist()
        for pixels, cells in zip(size, grid, strict=True)
    ]
    cells = _chosen(grid)
    changes = []
    for i, j in cells:
        painted = blank.clone()
        painted[:, :, edges[0][i] : edges[0][i + 1], edges[1][j] : edges[1][j + 1]] = 1.0
        changes.append((tokens(painted) - before).float().norm(dim=-1))
    change = torch.stack(changes)
    usual = change.median(dim=0).values
    found = (change / (usual + 1e-3 * change.max())).argmax(dim=1).tolist()
    wrong = tuple(
        f"({i}, {j}) changed ({at // grid[1]}, {at % grid[1]})"
        for (i, j), at in zip(cells, found, strict=True)
        if at != i * grid[1] + j
    )
    return Mapping(len(cells), wrong)


def _chosen(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """All cells, or a sample, always the same."""
    count = grid[0] * grid[1]
    chosen = np.random.default_rng(0).permutation(count)[:_CELLS].tolist()
    return [divmod(cell, grid[1]) for cell in sorted(chosen)]
