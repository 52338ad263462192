"""Threshold-free localisation: does a map rank the object's pixels first?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Localisation:
    """How well a map's ranking of pixels finds a mask; see :func:`localisation`.

    Attributes:
        pixel_auc: Area under the ROC curve; 0.5 is chance.
        pixel_ap: Average precision; the object's share of the image is chance.
        best_iou: Intersection over union at the best of all thresholds.
        pointing: Whether the highest pixel is the object's (Zhang et al. 2016, the pointing game,
            without its tolerance); ties count by their share.
        nss: Mean of the standardised map over the object (Peters et al. 2005, normalised scanpath
            saliency), 0 for a constant map.
    """

    pixel_auc: float
    pixel_ap: float
    best_iou: float
    pointing: float
    nss: float


def resize_to_mask(heatmap: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear resize of an ``(h, w)`` map to ``size`` = ``(height, width)`` pixels."""
    picture = Image.fromarray(np.ascontiguousarray(heatmap, dtype=np.float32))
    resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def localisation(heatmap: NDArray[Any], mask: NDArray[np.bool_]) -> Localisation | None:
    """Compares a map with a mask, threshold-free.

    Args:
        heatmap: ``(h, w)`` finite, resized to the mask.
        mask: ``(height, width)`` bool.

    Returns:
        None where the mask is empty or full: there is nothing to find.
    """
    values = resize_to_mask(heatmap, mask.shape).ravel()
    inside = mask.ravel()
    positives = int(inside.sum())
    negatives = inside.size - positives
    if positives == 0 or negatives == 0:
        return None
    order = np.argsort(-values)
    ranked = values[order]
    # Pixels of one value come and go together.
    ends = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    hits = inside[order].cumsum(dtype=np.int64)[ends].astype(np.float64)
    taken = ends + 1.0
    recall = hits / positives
    fall_out = (taken - hits) / negatives
    gained = np.diff(recall, prepend=0.0)
    spread = float(values.std(dtype=np.float64))
    above = float(values[inside].mean(dtype=np.float64) - values.mean(dtype=np.float64))
    return Localisation(
        pixel_auc=float((np.diff(fall_out, prepend=0.0) * (recall - gained / 2)).sum()),
        pixel_ap=float((gained * hits / taken).sum()),
        best_iou=float((hits / (taken + positives - hits)).max()),
        pointing=float(hits[0] / taken[0]),
        nss=above / spread if spread > 0 else 0.0,
    )


def pixel_auc(heatmap: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of a map's pixels against a mask; 0.5 is chance.

    Args:
        heatmap: ``(h, w)``, resized to the mask.
        mask: ``(height, width)`` bool.

    Returns:
        The probability that a pixel of the object outranks one outside it, ties counting half;
        NaN where the mask is empty or full.
    """
    found = localisation(heatmap, mask)
    return float("nan") if found is None else found.pixel_auc
