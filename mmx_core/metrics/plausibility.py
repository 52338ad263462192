"""Plausibility: does a noun's map lie on what the noun names?

Obj-IoU as the evaluation of arXiv 2506.23270 defines it: a map is resized to the mask (bilinear),
binarised by Otsu's threshold, and compared by intersection over union; of a word's sub-tokens the
best counts. Otsu IoU mostly measures contrast, so :func:`~mmx_core.metrics.pixel_auc` stands
beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.metrics.localisation import pixel_auc, resize_to_mask
from mmx_core.sample import WordMask

_LEVELS = 256


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


def object_iou(heatmap: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """IoU of an ``(h, w)`` map, resized and binarised by Otsu, with a ``(H, W)`` mask."""
    resized = resize_to_mask(heatmap, mask.shape)
    return iou(resized > otsu_threshold(resized), mask)


def word_metrics(
    heatmaps: NDArray[Any],
    word_masks: Sequence[WordMask],
    tokens_of_word: Sequence[Sequence[int]],
) -> dict[str, float]:
    """Obj-IoU and pixel AUC of one answer: means over its masked words, best sub-token each.

    Args:
        heatmaps: ``(T, H, W)``.
        word_masks: Masks by word.
        tokens_of_word: For each word of the answer the indices of its tokens.

    Returns:
        ``obj_iou``, ``pixel_auc`` and ``masked_words``; empty where no word has a mask with both
        object and background.

    Raises:
        ValueError: A mask names a word that the answer does not have.
    """
    ious: list[float] = []
    areas: list[float] = []
    for entry in word_masks:
        if not entry.words or max(entry.words) >= len(tokens_of_word) or min(entry.words) < 0:
            raise ValueError(
                f"mask {entry.name!r}: expected word indices below {len(tokens_of_word)}, got "
                f"{entry.words}"
            )
        if entry.mask.all() or not entry.mask.any():
            continue
        maps = [heatmaps[token] for word in entry.words for token in tokens_of_word[word]]
        if maps:
            ious.append(max(object_iou(m, entry.mask) for m in maps))
            areas.append(max(pixel_auc(m, entry.mask) for m in maps))
    if not ious:
        return {}
    return {
        "obj_iou": float(np.mean(ious)),
        "pixel_auc": float(np.mean(areas)),
        "masked_words": float(len(ious)),
    }
