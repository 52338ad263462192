"""Metrics by name: each registers itself, and every figure and every table has it from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmx_core.metrics.localisation import Localisation, localisation, resize_to_mask
from mmx_core.metrics.otsu import iou, joint_levels, otsu_threshold
from mmx_core.sample import WordMask

Scores = dict[str, list[float]]
"""Per metric one value per word that it applies to."""


@dataclass(frozen=True)
class MaskedWord:
    """A word that names something in the image, for :func:`word_metric`.

    Attributes:
        mask: ``(height, width)`` bool, what it names.
        maps: ``(K, h, w)`` of the word's ``K`` tokens, raw; one of what is measured as a whole.
        levels: ``(K, height, width)``, normalised to 0 … 255 and resized to the mask.
    """

    mask: NDArray[np.bool_]
    maps: NDArray[Any]
    levels: NDArray[Any]

    @cached_property
    def cuts(self) -> list[float]:
        """Otsu's threshold of each token's levels."""
        return [otsu_threshold(values) for values in self.levels]

    @cached_property
    def best(self) -> NDArray[np.bool_]:
        """``(height, width)``, of the tokens' binarised maps the one that overlaps best."""
        found = [values > cut for values, cut in zip(self.levels, self.cuts, strict=True)]
        return max(found, key=lambda prediction: iou(prediction, self.mask))

    @cached_property
    def localised(self) -> list[Localisation]:
        """How well each token's map finds the mask."""
        found = (localisation(heatmap, self.mask) for heatmap in self.maps)
        return [each for each in found if each is not None]


@dataclass(frozen=True)
class ScoredAnswer:
    """The maps of one answer with what its words are, for :func:`word_metric`.

    Attributes:
        heatmaps: ``(T, h, w)``, finite.
        word_masks: Masks by word.
        tokens_of_word: For each word of the answer the indices of its tokens.
        text: ``(T, C)`` activation of the context, NaN where a token is not context; or None.
        nouns: Words without a mask that name things.
        function_words: Words that name nothing.
    """

    heatmaps: NDArray[Any]
    word_masks: Sequence[WordMask]
    tokens_of_word: Sequence[Sequence[int]]
    text: NDArray[Any] | None = None
    nouns: frozenset[int] = field(default_factory=frozenset)
    function_words: Sequence[int] = ()

    def __post_init__(self) -> None:
        count = len(self.tokens_of_word)
        for entry in self.word_masks:
            if not entry.words or max(entry.words) >= count or min(entry.words) < 0:
                raise ValueError(
                    f"mask {entry.name!r}: expected word indices below {count}, got {entry.words}"
                )

    @cached_property
    def levels(self) -> NDArray[np.uint8]:
        """``(T, h, w)``, each token's visual and text activations normalised together."""
        return joint_levels(self.heatmaps, self.text)

    @cached_property
    def words(self) -> list[MaskedWord]:
        """The masked words that have tokens; of one name's words all tokens together."""
        found = []
        for entry in self.word_masks:
            words: Sequence[int] = entry.words
            if entry.whole:
                words = [word for word in words if word not in self.function_words] or words
            tokens = [token for word in words for token in self.tokens_of_word[word]]
            if tokens:
                maps, levels = self.heatmaps[tokens], self.levels[tokens]
                if entry.whole:
                    maps, levels = self._as_one(tokens)
                resized = [np.rint(resize_to_mask(each, entry.mask.shape)) for each in levels]
                found.append(MaskedWord(entry.mask, maps, np.stack(resized)))
        return found

    def _as_one(self, tokens: list[int]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """The mean of some tokens' maps ``(1, h, w)``, raw and as levels.

        Of the text what is no context of one of them is none of theirs (NaN).
        """
        maps = self.heatmaps[tokens].mean(axis=0, keepdims=True)
        text = None if self.text is None else self.text[tokens].mean(axis=0, keepdims=True)
        return maps, joint_levels(maps, text)

    @cached_property
    def shown(self) -> list[MaskedWord]:
        """Those whose mask has both an object and a background."""
        return [word for word in self.words if word.mask.any() and not word.mask.all()]


WordMetric = Callable[[ScoredAnswer], list[float]]
_Metric = TypeVar("_Metric", bound=WordMetric)


@dataclass(frozen=True)
class MeanMetric:
    """A figure of an answer or a set, of other metrics' means.

    Attributes:
        of: Their names.
        compute: Takes their means.
    """

    of: tuple[str, ...]
    compute: Callable[..., float]


_METRICS: dict[str, WordMetric | MeanMetric] = {}


def word_metric(name: str) -> Callable[[_Metric], _Metric]:
    """Decorator: a metric of single words.

    It is logged with every sample that has masks (its mean over the words), and is a column of
    ``mmx evaluate`` (over all words of a set).

    Example:
        >>> @mmx_core.metrics.word_metric("inside")
        ... def inside(answer: ScoredAnswer) -> list[float]:
        ...     "Share of the best token's binarised map that lies on the object."
        ...     return [float(word.mask[word.best].mean()) for word in answer.shown]
    """

    def keep(metric: _Metric) -> _Metric:
        _METRICS[name] = metric
        return metric

    return keep


def mean_metric(name: str, *, of: Sequence[str]) -> Callable[[Callable[..., float]], Any]:
    """Decorator: a metric of other metrics' means."""

    def keep(metric: Callable[..., float]) -> Callable[..., float]:
        _METRICS[name] = MeanMetric(tuple(of), metric)
        return metric

    return keep


def registered() -> Mapping[str, WordMetric | MeanMetric]:
    """Every metric by its name, in the order of tables."""
    import_module("mmx_core.metrics.plausibility")  # registers ours
    return dict(_METRICS)


def word_scores(answer: ScoredAnswer) -> Scores:
    """Every word metric of one answer, word by word; those that apply to no word left out."""
    found = {
        name: metric(answer)
        for name, metric in registered().items()
        if not isinstance(metric, MeanMetric)
    }
    return {name: values for name, values in found.items() if values}


def word_means(scores: Scores) -> dict[str, float]:
    """The means of :func:`word_scores`, and the figures that are made of them."""
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    for name, metric in registered().items():
        if isinstance(metric, MeanMetric) and all(part in means for part in metric.of):
            means[name] = metric.compute(*(means[part] for part in metric.of))
    return means
