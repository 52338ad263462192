"""Measures of an explanation; pure functions on arrays.

:mod:`mmx_core.metrics.faithfulness` runs the model and so is not imported here.
"""

from __future__ import annotations

from mmx_core.metrics.agreement import mean_divergence, same_word_share
from mmx_core.metrics.bootstrap import Interval, pooled, pooled_mean
from mmx_core.metrics.hallucination import auroc
from mmx_core.metrics.localisation import Localisation, localisation, pixel_auc, resize_to_mask
from mmx_core.metrics.plausibility import (
    Overlap,
    harmonic_mean,
    iou,
    joint_levels,
    object_iou,
    otsu_threshold,
    overlap,
    word_metrics,
    word_scores,
)

__all__ = [
    "Interval",
    "Localisation",
    "Overlap",
    "auroc",
    "harmonic_mean",
    "iou",
    "joint_levels",
    "localisation",
    "mean_divergence",
    "object_iou",
    "otsu_threshold",
    "overlap",
    "pixel_auc",
    "pooled",
    "pooled_mean",
    "resize_to_mask",
    "same_word_share",
    "word_metrics",
    "word_scores",
]
