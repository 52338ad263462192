"""The figures of one explanation, as they are logged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmx_core.explanation import Explanation
from mmx_core.metrics.across_scales import same_word_share
from mmx_core.metrics.hallucination import auroc
from mmx_core.metrics.registry import ScoredAnswer, word_means, word_scores
from mmx_core.sample import Sample, WordMask
from mmx_core.text.lexicon import function_words_of, is_content_word, noun_words
from mmx_core.text.words import split_words


def explanation_metrics(
    explanation: Explanation, sample: Sample, tokens_of_word: Sequence[Sequence[int]]
) -> dict[str, float]:
    """Plausibility, localisation, agreement and hallucination of one answer.

    Args:
        explanation: Of the sample.
        sample: Its masks and absent words say where words belong.
        tokens_of_word: For each word of the answer the indices of its tokens.

    Returns:
        The means of every registered metric, with ``masked_words``, where a word has a mask with
        both object and background; ``same_word_share`` over the other scales; where words are
        absent, ``hallucination_auroc`` of grounding and ``hallucination_auroc_of_peak`` of the
        map's highest value. For a sample that says nothing of where words belong ``image_gain``
        alone, where it was measured.
    """
    gains = word_gains(explanation, tokens_of_word)
    figures = {"image_gain": float(np.mean(gains))} if gains else {}
    masks = sample.word_masks(explanation.answer)
    if not masks and not sample.absent:
        return figures
    # Template tokens are no context of the user's.
    special = np.array([token.special for token in explanation.context])
    text = np.where(special, np.nan, explanation.text_activation)
    answer = ScoredAnswer(
        # A map claims nothing where the model does not see the image. Masks are of one image.
        np.nan_to_num(explanation.heatmaps[0]),
        masks,
        tokens_of_word,
        # Occlusion says nothing of the text.
        text=text if np.isfinite(text).any() else None,
        nouns=frozenset(_nouns(explanation.answer)),
        function_words=function_words_of(explanation.answer),
    )
    if answer.shown:
        figures |= {**word_means(word_scores(answer)), "masked_words": float(len(answer.shown))}
    if len(explanation.scales) > 1:
        base = next(i for i, scale in enumerate(explanation.scales) if scale.factor == 1.0)
        rank = np.stack([scale.rank for scale in explanation.scales])
        figures["same_word_share"] = same_word_share(rank, base=base)
    if sample.absent:
        for suffix, figure in (("", word_grounding), ("_of_peak", word_peak)):
            figures[f"hallucination_auroc{suffix}"] = auroc(
                figure(explanation, tokens_of_word, shown_words(masks)),
                figure(explanation, tokens_of_word, sample.absent),
            )
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def shown_words(masks: Sequence[WordMask]) -> list[int]:
    """The words that name something visible."""
    return [word for entry in masks if entry.mask.any() for word in entry.words]


def word_grounding(
    explanation: Explanation, tokens_of_word: Sequence[Sequence[int]], words: Sequence[int]
) -> list[float]:
    """Of each word the highest grounding of its tokens."""
    return [
        float(explanation.grounding[list(tokens_of_word[word])].max())
        for word in words
        if tokens_of_word[word]
    ]


def word_gains(explanation: Explanation, tokens_of_word: Sequence[Sequence[int]]) -> list[float]:
    """Of each content word the nats that the image adds to its tokens; none if not measured.

    Of an answer without any, such as "yes", all words count.
    """
    if explanation.image_gain is None:
        return []
    gain = explanation.image_gain
    sums = [float(gain[list(tokens)].sum()) if len(tokens) else np.nan for tokens in tokens_of_word]
    words = split_words(explanation.answer)
    content = [g for g, word in zip(sums, words, strict=True) if is_content_word(word.text)]
    for gains in (content, sums):
        if known := [value for value in gains if np.isfinite(value)]:
            return known
    return []


def word_peak(
    explanation: Explanation, tokens_of_word: Sequence[Sequence[int]], words: Sequence[int]
) -> list[float]:
    """Of each word the highest value that its tokens' lens has anywhere at scale 1.0.

    What is not there lights no cell. Grounding, a share of the whole activation, hardly falls.
    """
    maps = explanation.base.maps
    peaks = np.max([np.nanmax(image, axis=(1, 2)) for image in maps], axis=0)
    return [
        float(peaks[list(tokens_of_word[word])].max()) for word in words if tokens_of_word[word]
    ]


def _nouns(answer: str) -> list[int]:
    try:
        return noun_words(answer)
    except ImportError:
        # Without the dictionary Func-IoU's threshold is that of the masked words alone.
        return []
