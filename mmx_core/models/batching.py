"""How inputs of one sample become those of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

_BLUR_SHARE = 1 / 8
"""Radius of a blur, by the shorter side."""


def padded(rows: Sequence[Tensor], fill: int) -> Tensor:
    """``(1, L_i)`` each to ``(B, L)``, filled up on the right."""
    length = max(row.shape[1] for row in rows)
    pad = torch.nn.functional.pad
    return torch.cat([pad(row, (0, length - row.shape[1]), value=fill) for row in rows])


def concatenated(parts: Sequence[Tensor]) -> Tensor:
    """Along dimension 0; where dimension 1 (tiles) differs, it is filled up with zeros."""
    if parts[0].ndim > 1 and len({part.shape[1] for part in parts}) > 1:
        most = max(part.shape[1] for part in parts)
        parts = [
            torch.cat([part, part.new_zeros(len(part), most - part.shape[1], *part.shape[2:])], 1)
            for part in parts
        ]
    return torch.cat(list(parts))


def mixed(shown: Image.Image, hidden: Image.Image, keep: Tensor) -> list[Image.Image]:
    """Pictures that are one image in some cells and another of the same size in the rest.

    Args:
        shown: The image.
        hidden: The other.
        keep: ``(B, h, w)`` bool: the cells that show the first; a pixel belongs to the cell that
            holds its centre.
    """
    first, second = np.asarray(shown), np.asarray(hidden)
    cells = keep.cpu().numpy()
    rows, columns = (
        np.minimum((np.arange(pixels) + 0.5) * count // pixels, count - 1).astype(np.int64)
        for pixels, count in zip(first.shape[:2], cells.shape[1:], strict=True)
    )
    masks = cells[:, rows][:, :, columns, None]
    return [Image.fromarray(np.where(mask, first, second)) for mask in masks]


def blurred(image: Image.Image) -> Image.Image:
    """What is seen where an image is hidden: its blur, in which an object of a quarter is gone."""
    return image.filter(ImageFilter.GaussianBlur(min(image.size) * _BLUR_SHARE))
