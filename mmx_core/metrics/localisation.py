"""Threshold-free localisation: does a map rank the object's pixels first?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize_to_mask(heatmap: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear resize of an ``(h, w)`` map to ``size`` = ``(height, width)`` pixels."""
    picture = Image.fromarray(np.ascontiguousarray(heatmap, dtype=np.float32))
    resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def pixel_auc(heatmap: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of a map's pixels against a mask; 0.5 is chance.

    Args:
        heatmap: ``(h, w)``, resized to the mask.
        mask: ``(height, width)`` bool.

    Returns:
        The probability that a pixel of the object outranks one outside it, ties counting half;
        NaN where the mask is empty or full.
    """
    values = resize_to_mask(heatmap, mask.shape).ravel()
    inside = mask.ravel()
    positives = int(inside.sum())
    negatives = inside.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last_rank = counts.cumsum()
    mean_rank = last_rank - (counts - 1) / 2
    rank_sum = mean_rank[inverse][inside].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))
