"""Draws shapes and textures as numpy arrays; a shape's mask is exactly the pixels it paints."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

RGB = {
    "red": (0.85, 0.13, 0.13),
    "green": (0.13, 0.63, 0.20),
    "blue": (0.14, 0.27, 0.90),
    "yellow": (0.94, 0.86, 0.15),
    "purple": (0.56, 0.18, 0.74),
    "orange": (0.96, 0.52, 0.08),
    "cyan": (0.15, 0.82, 0.86),
    "white": (0.96, 0.96, 0.96),
}

FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]


def _star(u: NDArray[np.float32], v: NDArray[np.float32]) -> Mask:
    sector = math.pi / 5
    angle = np.abs((np.arctan2(u, -v) + sector) % (2 * sector) - sector)
    radius = np.hypot(u, v)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    inner_x, inner_y = 0.45 * math.cos(sector), 0.45 * math.sin(sector)
    inside: Mask = (x - 1.1) * inner_y - y * (inner_x - 1.1) <= 0
    return inside


def _inside(shape: str, u: NDArray[np.float32], v: NDArray[np.float32]) -> Mask:
    if shape == "circle":
        return np.asarray(u * u + v * v <= 0.9)
    if shape == "ring":
        square = u * u + v * v
        return np.asarray((square <= 1.0) & (square >= 0.3))
    if shape == "square":
        return np.asarray(np.maximum(np.abs(u), np.abs(v)) <= 0.8)
    if shape == "triangle":
        return np.asarray((v <= 0.7) & (np.abs(u) <= (v + 1.0) * 0.56))
    if shape == "cross":
        a, b = np.abs(u), np.abs(v)
        return np.asarray((np.minimum(a, b) <= 0.3) & (np.maximum(a, b) <= 0.97))
    if shape == "star":
        return _star(u, v)
    raise ValueError(f"no shape is called {shape!r}; the shapes are those of demo.words.SHAPES")


def shape_mask(
    shape: str,
    height: int,
    width: int,
    *,
    center: tuple[float, float],
    radius: float,
    angle: float,
) -> Mask:
    """Returns the pixels of one shape.

    Args:
        shape: One of `demo.words.SHAPES`.
        height: Image height in pixels.
        width: Image width in pixels.
        center: Horizontal and vertical centre in pixels.
        radius: Half the shape's extent in pixels.
        angle: Rotation in radians.

    Returns:
        Boolean mask `(height, width)`.
    """
    mask = np.zeros((height, width), dtype=bool)
    reach = math.ceil(radius * 1.3) + 1
    left, right = max(0, int(center[0]) - reach), min(width, int(center[0]) + reach + 1)
    top, bottom = max(0, int(center[1]) - reach), min(height, int(center[1]) + reach + 1)
    x = ((np.arange(left, right, dtype=np.float32) + 0.5 - center[0]) / radius)[None, :]
    y = ((np.arange(top, bottom, dtype=np.float32) + 0.5 - center[1]) / radius)[:, None]
    cosine, sine = math.cos(angle), math.sin(angle)
    mask[top:bottom, left:right] = _inside(shape, x * cosine + y * sine, y * cosine - x * sine)
    return mask


def texture_pattern(
    texture: str, height: int, width: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Returns a texture of mean about 0 as `(height, width)` floats in [-1, 1].

    Periods are shares of the shorter side, so that a texture looks the same at every scale.
    """
    side = min(height, width)
    if texture == "plain":
        return np.zeros((height, width), dtype=np.float32)
    if texture == "speckled":
        block = max(2, round(side / 48))
        rows, columns = -(-height // block), -(-width // block)
        noise = random.uniform(-1, 1, (rows, columns)).astype(np.float32)
        return noise.repeat(block, 0).repeat(block, 1)[:height, :width]
    period = side * random.uniform(0.09, 0.15)
    shift = random.uniform(0, period, 2)
    y = (np.arange(height, dtype=np.float32) + np.float32(shift[0]))[:, None]
    x = (np.arange(width, dtype=np.float32) + np.float32(shift[1]))[None, :]
    if texture == "striped":
        angle = random.uniform(0, math.pi)
        phase = (x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle))) / period
        return np.where(phase % 1 < 0.5, 1.0, -1.0).astype(np.float32)
    if texture == "checkered":
        odd = (y // (period * 0.7)).astype(np.int32) + (x // (period * 0.7)).astype(np.int32)
        return np.where(odd % 2 == 0, 1.0, -1.0).astype(np.float32)
    if texture == "dotted":
        dy, dx = (y / period) % 1 - 0.5, (x / period) % 1 - 0.5
        return np.where(dy * dy + dx * dx < 0.09, 1.4, -0.5).astype(np.float32)
    raise ValueError(f"no texture is called {texture!r}; see demo.words.TEXTURES")


def paint_background(
    texture: str, height: int, width: int, random: np.random.Generator
) -> FloatImage:
    """Returns a greyish textured background `(height, width, 3)` with values in [0, 1]."""
    tint = random.uniform(0.28, 0.55) + random.uniform(-0.05, 0.05, 3)
    strength = random.uniform(0.07, 0.13) * random.choice([-1.0, 1.0])
    pattern = texture_pattern(texture, height, width, random) * np.float32(strength)
    return (pattern[:, :, None] + tint.astype(np.float32)).astype(np.float32)


def paint_object(canvas: FloatImage, mask: Mask, color: str, random: np.random.Generator) -> None:
    """Paints the pixels of `mask` `(height, width)` on `canvas` `(height, width, 3)` in place."""
    base = np.asarray(RGB[color], dtype=np.float32)
    canvas[mask] = base + random.uniform(-0.05, 0.05, 3).astype(np.float32)


def to_bytes(canvas: FloatImage, random: np.random.Generator) -> NDArray[np.uint8]:
    """Adds faint sensor noise and returns the picture as `(height, width, 3)` bytes."""
    noise = random.standard_normal(canvas.shape, dtype=np.float32) * np.float32(0.015)
    return (np.clip(canvas + noise, 0, 1) * 255 + 0.5).astype(np.uint8)
