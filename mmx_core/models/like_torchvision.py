"""Pixels as image processors make them by torchvision, without it."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor


def pixels_of(image: Image.Image) -> Tensor:
    """``(1, 3, height, width)`` uint8 of an RGB image."""
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(1, image.height, image.width, 3).permute(0, 3, 1, 2).contiguous()


def resized(pixels: Tensor, size: tuple[int, int], *, mode: str) -> Tensor:
    """``(1, 3, *size)`` uint8, smoothed where it gets smaller.

    Args:
        pixels: ``(1, 3, height, width)`` uint8.
        size: Height and width.
        mode: ``bilinear`` or ``bicubic``.
    """
    if tuple(pixels.shape[-2:]) == size:
        return pixels
    return torch.nn.functional.interpolate(pixels, size=size, mode=mode, antialias=True)


def filled_up(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Black below and beside."""
    height, width = pixels.shape[-2:]
    return torch.nn.functional.pad(pixels, (0, size[1] - width, 0, size[0] - height))
