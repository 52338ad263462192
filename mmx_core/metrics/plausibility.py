"""Plausibility: does a noun's map lie on what the noun names, and a function word's nowhere?

The definitions of the published evaluation of Token Activation Map (arXiv 2506.23270, section 4):

- Visual and text activations of one token are normalised *jointly* to the levels 0 to 255.
- Obj-IoU: a noun's map is resized to the mask (bilinear) and binarised by Otsu's threshold; of a
  word's sub-tokens the best counts, with its precision and recall; adjacent words that name one
  object are one.
- Func-IoU: the share of a function word's grid cells below the mean of the answer's noun
  thresholds.
- F1-IoU: the harmonic mean of the two means.

Otsu IoU mostly measures contrast: squaring a map, which ranks its cells as before, gains points. So
:mod:`mmx_core.metrics.localisation` stands beside it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.metrics.localisation import Localisation, resize_to_mask
from mmx_core.metrics.otsu import iou, joint_levels, otsu_threshold
from mmx_core.metrics.registry import ScoredAnswer, WordMetric, mean_metric, word_metric


@word_metric("obj_iou")
def obj_iou(answer: ScoredAnswer) -> list[float]:
    """IoU of each masked word's best token."""
    return [iou(word.best, word.mask) for word in answer.shown]


@word_metric("func_iou")
def func_iou(answer: ScoredAnswer) -> list[float]:
    """Share of each function word's cells below the mean of the nouns' thresholds.

    Needs activations of the text: normalised by itself alone, a map has no level of "nothing".
    """
    if answer.text is None:
        return []
    masked = {word for entry in answer.word_masks for word in entry.words}
    others = [answer.tokens_of_word[word] for word in sorted(answer.nouns - masked)]
    thresholds = [max(word.cuts) for word in answer.words]
    thresholds += [max(otsu_threshold(answer.levels[t]) for t in word) for word in others if word]
    if not thresholds:
        return []
    cut = float(np.mean(thresholds))
    words = [answer.tokens_of_word[word] for word in answer.function_words]
    return [
        float(np.mean([(answer.levels[token] < cut).mean() for token in word]))
        for word in words
        if word
    ]


@mean_metric("f1_iou", of=("obj_iou", "func_iou"))
def harmonic_mean(first: float, second: float) -> float:
    """``2ab / (a + b)``, 0 where both are, NaN where one is."""
    total = first + second
    return 0.0 if total == 0 else 2 * first * second / total


@word_metric("precision")
def precision(answer: ScoredAnswer) -> list[float]:
    """Share of the best token's binarised map that is the object's."""
    return [_share(word.best & word.mask, word.best) for word in answer.shown]


@word_metric("recall")
def recall(answer: ScoredAnswer) -> list[float]:
    """Share of the object that the best token's binarised map covers."""
    return [_share(word.best & word.mask, word.mask) for word in answer.shown]


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return int(part.sum()) / max(1, int(whole.sum()))


def _localised(name: str) -> WordMetric:
    """One field of :class:`~mmx_core.metrics.localisation.Localisation`, of a word's best token."""

    def values(answer: ScoredAnswer) -> list[float]:
        return [max(getattr(each, name) for each in word.localised) for word in answer.shown]

    return values


for _field in fields(Localisation):
    word_metric(_field.name)(_localised(_field.name))


def object_iou(heatmap: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """IoU of an ``(h, w)`` map, resized and binarised by Otsu, with a ``(H, W)`` mask."""
    resized = np.rint(resize_to_mask(joint_levels(heatmap[None])[0], mask.shape))
    return iou(resized > otsu_threshold(resized), mask)
