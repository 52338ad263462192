"""Measures of an explanation; pure functions on arrays.

:mod:`mmx_core.metrics.faithfulness` runs the model and so is not imported here.
"""

from __future__ import annotations

from mmx_core.metrics.across_scales import mean_divergence, same_word_share
from mmx_core.metrics.bootstrap import Interval, pooled, pooled_mean
from mmx_core.metrics.hallucination import auroc
from mmx_core.metrics.localisation import Localisation, localisation, pixel_auc, resize_to_mask
from mmx_core.metrics.otsu import iou, joint_levels, otsu_threshold
from mmx_core.metrics.plausibility import harmonic_mean, object_iou
from mmx_core.metrics.registry import (
    MaskedWord,
    ScoredAnswer,
    mean_metric,
    word_means,
    word_metric,
    word_scores,
)

__all__ = [
    "Interval",
    "Localisation",
    "MaskedWord",
    "ScoredAnswer",
    "auroc",
    "harmonic_mean",
    "iou",
    "joint_levels",
    "localisation",
    "mean_divergence",
    "mean_metric",
    "object_iou",
    "otsu_threshold",
    "pixel_auc",
    "pooled",
    "pooled_mean",
    "resize_to_mask",
    "same_word_share",
    "word_means",
    "word_metric",
    "word_scores",
]
