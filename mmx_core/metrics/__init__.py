"""Measures of an explanation; pure functions on arrays."""

from __future__ import annotations

from mmx_core.metrics.localisation import pixel_auc, resize_to_mask
from mmx_core.metrics.plausibility import iou, object_iou, otsu_threshold, word_metrics

__all__ = [
    "iou",
    "object_iou",
    "otsu_threshold",
    "pixel_auc",
    "resize_to_mask",
    "word_metrics",
]
