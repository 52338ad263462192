"""Where the tower starts: looking at what is near, through filters of even strength.

A small transformer spends most of a short training on finding out that neighbours belong together.
So its positions start as sines and cosines, its queries equal to its keys (a cell then looks at
what is near and alike; Trockman and Kolter, 2023), and its patch embedding as cosine filters of
brightness and two colours, each raised to what pictures lack of its frequency.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LUMA, _CHROMA = 64, 32
"""Filters of brightness, and of each of the two colours."""
_COLORS = ((0.58, 0.58, 0.58), (0.71, 0.0, -0.71), (0.41, -0.82, 0.41))
_NEAR, _WAVES = 1.5, 0.5
"""How sharply a cell looks at what is near, and how strong positions are beside pixels."""


@torch.no_grad()
def near_and_even(vision: Any) -> None:
    """Sets a fresh SigLIP-like tower's weights.

    Args:
        vision: Its hidden size is ``_LUMA + 2 * _CHROMA``; changed in place.
    """
    patch = vision.embeddings.patch_embedding
    filters = _filters(patch.kernel_size[0])
    patch.weight.copy_(filters.view_as(patch.weight))
    patch.bias.zero_()
    positions = vision.embeddings.position_embedding.weight
    positions.copy_(_WAVES * _waves(round(len(positions) ** 0.5), positions.shape[1]))
    for layer in vision.encoder.layers:
        attention = layer.self_attn
        size = attention.q_proj.weight.shape[0]
        turned = torch.linalg.qr(torch.randn(size, size))[0]
        attention.q_proj.weight.copy_(_NEAR * turned)
        attention.k_proj.weight.copy_(_NEAR * turned)


def _filters(side: int) -> Tensor:
    """``(hidden, 3 * side**2)``, lowest frequencies first within each colour."""
    along = torch.arange(side) + 0.5
    waves = torch.stack([torch.cos(torch.pi * n * along / side) for n in range(side)])
    waves = waves / waves.norm(dim=1, keepdim=True)
    planes = torch.einsum("ax,by->abxy", waves, waves).flatten(0, 1).flatten(1)
    frequency = (torch.arange(side)[:, None] + torch.arange(side)).flatten()
    order = frequency.argsort(stable=True)
    rows = []
    for color, count in zip(_COLORS, (_LUMA, _CHROMA, _CHROMA), strict=True):
        chosen = order[:count]
        plane = planes[chosen] * (0.3 * (1 + frequency[chosen]))[:, None]
        rows.append((torch.tensor(color)[None, :, None] * plane[:, None]).flatten(1))
    return torch.cat(rows)


def _waves(side: int, size: int) -> Tensor:
    """``(side**2, size)``: sines and cosines of row and column, wavelengths 4 to 64 patches."""
    lengths = torch.logspace(2, 6, size // 4, base=2.0)
    angles = 2 * torch.pi * torch.arange(side)[:, None] / lengths
    one = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.cat(
        [one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)], dim=2
    ).flatten(0, 1)
