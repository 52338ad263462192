"""A heatmap over its image as pixels, drawn as the panel draws it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmx_core.explanation import EncodedImage, FloatArray
from mmx_core.export.inferno import INFERNO

Pixels = NDArray[np.uint8]

# The panel's initial setting: strong cells still let the image through.
OPACITY = 0.85
_HATCH_GAP = 6
_NO_IMAGE = 96
_DARK = 32


def grey_picture(image: EncodedImage | None, size: tuple[int, int]) -> Pixels:
    """The image without its colours, which would compete with the heatmap's.

    Args:
        image: Even grey where it is None, or where its bytes are no picture.
        size: Width and height in pixels.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    empty = np.full((size[1], size[0], 3), _NO_IMAGE, np.uint8)
    if image is None:
        return empty
    try:
        with Image.open(io.BytesIO(image.data)) as opened:
            grey = opened.convert("RGB").convert("L").resize(size, Image.Resampling.BICUBIC)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return empty
    return np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)


def outlined(picture: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """Draws a mask's edge, white on dark so that it shows on any map.

    Args:
        picture: ``(height, width, 3)`` uint8.
        mask: ``(rows, columns)``, over all of the picture.
    """
    height, width = picture.shape[:2]
    rows = np.arange(height) * mask.shape[0] // height
    columns = np.arange(width) * mask.shape[1] // width
    inside = mask[np.ix_(rows, columns)]
    # Each a pixel wider than the one before.
    grown = [inside]
    for _ in range(3):
        near = np.pad(grown[-1], 1, mode="edge")
        upright = near[:-2, 1:-1] | near[1:-1, 1:-1] | near[2:, 1:-1]
        grown.append(upright | near[1:-1, :-2] | near[1:-1, 2:])
    drawn = picture.copy()
    drawn[grown[3] & ~inside] = _DARK
    drawn[grown[2] & ~grown[0]] = 255
    return drawn


def lay_over(picture: Pixels, values: FloatArray, high: float) -> Pixels:
    """Lays a map over a picture.

    Zero is see-through, full opacity is reached at half the range, so that the colour tells strong
    from strongest. NaN is hatched: no value is not the same as zero.

    Args:
        picture: ``(height, width, 3)`` uint8.
        values: ``(rows, columns)``; cells keep hard edges.
        high: The value of the table's last colour; zero is that of the first.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    height, width = picture.shape[:2]
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    cells = values[np.ix_(rows, columns)]
    missing = np.isnan(cells)
    position = shares(np.where(missing, 0, cells), high)
    alpha = OPACITY * np.minimum(1, 2 * position)[:, :, None]
    mixed = alpha * colors(position) + (1 - alpha) * picture
    pixels: Pixels = np.rint(mixed).astype(np.uint8)
    line = np.add.outer(np.arange(height), np.arange(width)) % _HATCH_GAP
    # Dark beside light, so that the lines show on any ground.
    pixels[missing & (line == 0)] = 0
    pixels[missing & (line == 1)] = 255
    return pixels


def shares(values: NDArray[Any], high: float) -> NDArray[np.float64]:
    """Positions in the range from zero to ``high``, clamped to ``[0, 1]``."""
    if not high > 0:
        return np.zeros(values.shape)
    return np.clip(np.asarray(values, np.float64) / high, 0, 1)


def colors(position: NDArray[np.float64]) -> Pixels:
    """RGB of positions in ``[0, 1]``; appends a dimension of 3."""
    return INFERNO[np.floor(255 * position + 0.5).astype(int)]
