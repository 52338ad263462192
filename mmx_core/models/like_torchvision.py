"""Pixels as image processors make them by torchvision, without it."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

_MODES = {2: "bilinear", 3: "bicubic"}
"""By Pillow's number, which the settings hold."""


def pixels_of(image: Image.Image) -> Tensor:
    """``(1, 3, height, width)`` uint8 of an RGB image."""
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(1, image.height, image.width, 3).permute(0, 3, 1, 2).contiguous()


def mode_of(processor: Any) -> str:
    """How an image processor is set to resample: ``bilinear`` or ``bicubic``.

    Raises:
        ValueError: It is set to something else.
    """
    mode = _MODES.get(int(processor.resample))
    if mode is None:
        raise ValueError(
            f"image processor: expected resample 2 (bilinear) or 3 (bicubic), got "
            f"{processor.resample}"
        )
    return mode


def resized(pixels: Tensor, size: tuple[int, int], *, mode: str, smooth: bool = True) -> Tensor:
    """``(1, 3, *size)`` uint8.

    Args:
        pixels: ``(1, 3, height, width)`` uint8.
        size: Height and width.
        mode: ``bilinear`` or ``bicubic``.
        smooth: Where it gets smaller.
    """
    if tuple(pixels.shape[-2:]) == size:
        return pixels
    if smooth:
        return torch.nn.functional.interpolate(pixels, size=size, mode=mode, antialias=True)
    values = torch.nn.functional.interpolate(pixels.float(), size=size, mode=mode)
    return values.round().clamp(0, 255).to(torch.uint8)


def filled_up(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Black below and beside."""
    height, width = pixels.shape[-2:]
    return torch.nn.functional.pad(pixels, (0, size[1] - width, 0, size[0] - height))


def cut(pixels: Tensor, side: int) -> Tensor:
    """``(rows * columns, 3, side, side)``, row by row, of ``(1, 3, height, width)``."""
    rows, columns = (length // side for length in pixels.shape[-2:])
    squares = pixels.view(3, rows, side, columns, side).permute(1, 3, 0, 2, 4)
    return squares.reshape(-1, 3, side, side)


def flat_patches(pixels: Tensor, side: int) -> Tensor:
    """``(n, patches, side * side * 3)``, row by row, of ``(n, 3, height, width)``."""
    rows, columns = (length // side for length in pixels.shape[-2:])
    squares = pixels.reshape(-1, 3, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
    return squares.reshape(len(pixels), rows * columns, side * side * 3)


def normalised(pixels: Tensor, processor: Any) -> Tensor:
    """Float32 of the same shape, with the processor's mean and deviation.

    Raises:
        ValueError: The processor is set to leave pixels as they are.
    """
    check_normalises(processor)
    mean, deviation = (
        torch.tensor(numbers).view(3, 1, 1) * (1.0 / processor.rescale_factor)
        for numbers in (processor.image_mean, processor.image_std)
    )
    return (pixels.float() - mean) / deviation


def check_normalises(processor: Any) -> None:
    """Refuses settings under which pixels keep their values.

    Raises:
        ValueError: It is told not to rescale or not to normalise.
    """
    for name in ("do_rescale", "do_normalize"):
        if not getattr(processor, name, True):
            raise ValueError(
                f"image processor: expected {name}, as the model was trained; got it switched off"
            )
