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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.metrics.localisation import localisation, resize_to_mask
from mmx_core.sample import WordMask

_LEVELS = 256
Scores = dict[str, list[float]]
"""Per metric one value per word that it applies to."""


@dataclass(frozen=True)
class Overlap:
    """A binarised map against a mask."""

    iou: float
    precision: float
    recall: float


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


def overlap(prediction: NDArray[np.bool_], mask: NDArray[np.bool_]) -> Overlap:
    """IoU, precision and recall of two masks of one shape; 0 where a denominator is."""
    both = int((prediction & mask).sum())
    return Overlap(
        iou(prediction, mask),
        both / max(1, int(prediction.sum())),
        both / max(1, int(mask.sum())),
    )


def object_iou(heatmap: NDArray[Any], mask: NDArray[np.bool_]) -> float:
    """IoU of an ``(h, w)`` map, resized and binarised by Otsu, with a ``(H, W)`` mask."""
    resized = np.rint(resize_to_mask(joint_levels(heatmap[None])[0], mask.shape))
    return iou(resized > otsu_threshold(resized), mask)


def word_scores(
    heatmaps: NDArray[Any],
    word_masks: Sequence[WordMask],
    tokens_of_word: Sequence[Sequence[int]],
    *,
    text: NDArray[Any] | None = None,
    nouns: Iterable[int] = (),
    function_words: Iterable[int] = (),
) -> Scores:
    """Every plausibility and localisation score of one answer, word by word.

    Args:
        heatmaps: ``(T, h, w)``.
        word_masks: Masks by word. One that is empty or full is left out.
        tokens_of_word: For each word of the answer the indices of its tokens.
        text: ``(T, C)`` activation of the context, NaN where a token is not context.
        nouns: Words without a mask that name things: their thresholds count, too.
        function_words: Words that name nothing.

    Returns:
        ``obj_iou``, ``precision``, ``recall``, and the fields of
        :class:`~mmx_core.metrics.localisation.Localisation`, one value per masked word (of its
        sub-tokens the best); ``func_iou``, one per function word.

    Raises:
        ValueError: A mask names a word that the answer does not have.
    """
    levels = joint_levels(heatmaps, text)
    scores: Scores = {}
    thresholds: list[float] = []
    masked: set[int] = set()
    for entry in word_masks:
        if not entry.words or max(entry.words) >= len(tokens_of_word) or min(entry.words) < 0:
            raise ValueError(
                f"mask {entry.name!r}: expected word indices below {len(tokens_of_word)}, got "
                f"{entry.words}"
            )
        masked.update(entry.words)
        tokens = [token for word in entry.words for token in tokens_of_word[word]]
        resized = [np.rint(resize_to_mask(levels[token], entry.mask.shape)) for token in tokens]
        cuts = [otsu_threshold(values) for values in resized]
        if not tokens:
            continue
        thresholds.append(max(cuts))
        if entry.mask.all() or not entry.mask.any():
            continue
        best = max(
            (overlap(values > cut, entry.mask) for values, cut in zip(resized, cuts, strict=True)),
            key=lambda found: found.iou,
        )
        _add(scores, {"obj_iou": best.iou, "precision": best.precision, "recall": best.recall})
        found = [asdict(f) for t in tokens if (f := localisation(heatmaps[t], entry.mask))]
        _add(scores, {name: max(each[name] for each in found) for name in found[0]})
    for word in set(nouns) - masked:
        if tokens_of_word[word]:
            thresholds.append(max(otsu_threshold(levels[t]) for t in tokens_of_word[word]))
    if thresholds:
        cut = float(np.mean(thresholds))
        for word in function_words:
            shares = [float((levels[token] < cut).mean()) for token in tokens_of_word[word]]
            if shares:
                scores.setdefault("func_iou", []).append(float(np.mean(shares)))
    return scores


def word_metrics(
    heatmaps: NDArray[Any],
    word_masks: Sequence[WordMask],
    tokens_of_word: Sequence[Sequence[int]],
    *,
    text: NDArray[Any] | None = None,
    nouns: Iterable[int] = (),
    function_words: Iterable[int] = (),
) -> dict[str, float]:
    """The means of :func:`word_scores`, with ``f1_iou`` and ``masked_words``.

    Takes what :func:`word_scores` takes. Empty where no word has a mask with both object and
    background.
    """
    scores = word_scores(
        heatmaps,
        word_masks,
        tokens_of_word,
        text=text,
        nouns=nouns,
        function_words=function_words,
    )
    if "obj_iou" not in scores:
        return {}
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    if "func_iou" in means:
        means["f1_iou"] = harmonic_mean(means["obj_iou"], means["func_iou"])
    return {**means, "masked_words": float(len(scores["obj_iou"]))}


def harmonic_mean(first: float, second: float) -> float:
    """``2ab / (a + b)``, 0 where both are, NaN where one is."""
    total = first + second
    return 0.0 if total == 0 else 2 * first * second / total


def _add(scores: Scores, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        scores.setdefault(name, []).append(value)
