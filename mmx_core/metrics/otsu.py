"""Maps made binary: levels, Otsu's threshold, overlap with a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVELS = 256


def joint_levels(heatmaps: NDArray[Any], text: NDArray[Any] | None = None) -> NDArray[np.uint8]:
    """Each token's visual and text activations, normalised together to 0 … 255.

    Args:
        heatmaps: ``(T, h, w)`` finite.
        text: ``(T, C)``, NaN where a token is not context; None for none.

    Returns:
        ``(T, h, w)`` uint8; zeros for a token whose activations are all equal.
    """
    flat = heatmaps.reshape(len(heatmaps), -1).astype(np.float64)
    low, high = flat.min(axis=1), flat.max(axis=1)
    if text is not None:
        low = np.fmin(low, np.fmin.reduce(text, axis=1, initial=np.nan))
        high = np.fmax(high, np.fmax.reduce(text, axis=1, initial=np.nan))
    spread = np.where(high > low, high - low, 1.0)
    levels = (flat - low[:, None]) / spread[:, None] * (_LEVELS - 1)
    return levels.astype(np.uint8).reshape(heatmaps.shape)


def otsu_threshold(values: NDArray[Any]) -> float:
    """Otsu's threshold over 256 levels of the values' own range.

    Args:
        values: Any shape, finite.

    Returns:
        The level that maximises the variance between the classes ``<= threshold`` and above;
        the value itself where all are equal.
    """
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return low
    codes = np.rint((values - low) / (high - low) * (_LEVELS - 1)).astype(np.int64)
    histogram = np.bincount(codes.ravel(), minlength=_LEVELS) / codes.size
    levels = np.arange(_LEVELS)
    below = histogram.cumsum()
    mass = (histogram * levels).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below - mass) ** 2 / (below * (1 - below))
    best = int(np.nan_to_num(between, nan=0.0, posinf=0.0).argmax())
    return low + (best + 0.5) / (_LEVELS - 1) * (high - low)


def iou(prediction: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; 0 where both are empty."""
    union = int((prediction | mask).sum())
    return float((prediction & mask).sum() / union) if union else 0.0
