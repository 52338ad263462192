"""Through the thought: what an answer's word rests on directly, and by way of what was thought.

A reasoning model's answer rests on its thought, and the thought on picture and prompt. From what
was measured (:mod:`mmx_core.stages.influence`, each sentence of the thought hidden as a whole)
the chain has two steps: the answer's word on sentences, each of these on words and on the picture.
The second step is weighted by the first: one hop of the recursion of FlashTrace (Pan et al., ICML
2026, arXiv 2602.01914, section 3), here over log-probabilities that were measured. Shares are an
estimate: hiding a sentence and hiding what it rests on are two measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.explanation import Explanation, FloatArray
from mmx_core.text.thoughts import sentences_of, thought_of
from mmx_core.text.words import pieces_of_name


@dataclass(frozen=True)
class ThoughtSentence:
    """A sentence of the thought, between an answer's word and what the sentence rests on.

    Attributes:
        tokens: Of the answer.
        text: What they spell.
        influence: Nats on the answer's word; of logs that measured word by word the sum.
        share: Of all that speaks for the answer's word, in ``[0, 1]``.
        words: ``(W,)`` nats, influence of each context word on the whole sentence; NaN where it
            does not come before it.
        image_gain: Nats of the whole sentence; None where it was not measured.
        heatmaps: ``(H, W)`` for each image, the mean of its tokens' maps.
    """

    tokens: range
    text: str
    influence: float
    share: float
    words: FloatArray
    image_gain: float | None
    heatmaps: tuple[FloatArray, ...]


@dataclass(frozen=True)
class ThroughThought:
    """A word of the answer, directly and through the thought; nats, and shares of one whole.

    Attributes:
        word: Its tokens of the answer.
        direct: ``(W,)`` nats of each context word on it, the thought's own words NaN.
        direct_share: ``(W,)`` of all that speaks for it, 0 for the thought's own words.
        through_share: ``(W,)`` by way of the thought.
        image_share: The picture's own, directly and through the thought; NaN where its gain was not
            measured. With both arrays it sums to 1, but for sentences that rest on nothing
            measured.
        sentences: Of the thought, in order.
    """

    word: range
    direct: FloatArray
    direct_share: FloatArray
    through_share: FloatArray
    image_share: tuple[float, float]
    sentences: tuple[ThoughtSentence, ...]


def through_thought(explanation: Explanation, word: str | int | range) -> ThroughThought:
    """The chain from a word of the answer over its thought's sentences to prompt and picture.

    Args:
        explanation: With :attr:`~mmx_core.Explanation.influence`.
        word: A word or phrase of the answer, a token's index, or a range of them.

    Raises:
        ValueError: Influence was not measured, the answer has no thought, or the word is not
            behind it.

    Example:
        >>> chain = mmx_core.through_thought(explanation, "red")
        >>> max(chain.sentences, key=lambda sentence: sentence.influence).text
        'The ball on the left is red.'
    """
    if explanation.influence is None:
        raise ValueError(
            "influence: expected it to be measured; explain with Explainer(influence=True)"
        )
    pieces, begins = _pieces(explanation)
    thought = thought_of(pieces)
    if thought is None:
        raise ValueError("answer: expected a thought between markers such as <think> and </think>")
    rows = _behind(word, pieces, begins, thought.stop)
    own = np.array([entry.first - explanation.prompt_length for entry in explanation.context_words])
    inside = (own >= begins[thought.start]) & (own < begins[thought.stop])
    direct = _summed(explanation.influence, rows)
    sentences = tuple(
        _sentence(explanation, explanation.influence, pieces, begins, part, direct, own)
        for part in (
            range(thought.start + found.start, thought.start + found.stop)
            for found in sentences_of(pieces[thought.start : thought.stop])
        )
    )
    speaks = np.where(inside, 0.0, _speaking(direct))
    seen = _gain(explanation, rows)
    weights = np.array([
        _speaking(direct[(own >= s.tokens.start) & (own < s.tokens.stop)]).sum() for s in sentences
    ])  # fmt: skip
    whole = speaks.sum() + weights.sum() + _speaking(seen) or 1.0
    through, by_image = np.zeros_like(speaks), 0.0
    for sentence, weight in zip(sentences, weights / whole, strict=True):
        words = np.where(inside, 0.0, _speaking(sentence.words))
        image = _speaking(np.nan if sentence.image_gain is None else sentence.image_gain)
        if rest := words.sum() + image:
            through += weight * words / rest
            by_image += float(weight * image / rest)
    known = explanation.image_gain is not None
    return ThroughThought(
        word=rows,
        direct=np.where(inside, np.nan, direct),
        direct_share=speaks / whole,
        through_share=through,
        image_share=(float(_speaking(seen) / whole), by_image) if known else (np.nan, np.nan),
        sentences=tuple(
            replace(sentence, share=float(weight))
            for sentence, weight in zip(sentences, weights / whole, strict=True)
        ),
    )


def _pieces(explanation: Explanation) -> tuple[list[str], list[int]]:
    """What spells the answer, and the token that each piece begins with; and where all ends."""
    begin, count = explanation.prompt_length, len(explanation.tokens)
    groups = [(word.first - begin, word.text) for word in explanation.words if word.first >= begin]
    groups = groups or [(index, token.text) for index, token in enumerate(explanation.tokens)]
    return [text for _, text in groups], [*(first for first, _ in groups), count]


def _behind(word: str | int | range, pieces: list[str], begins: list[int], stop: int) -> range:
    """Tokens of a word that stands behind the thought, which often has the same word, too."""
    if isinstance(word, str):
        touched = pieces_of_name(pieces[stop:], word)
        rows = range(begins[stop + touched[0]], begins[stop + touched[-1] + 1]) if touched else None
    else:
        rows = word if isinstance(word, range) else range(word, word + 1)
    if rows and begins[stop] <= rows.start and rows.stop <= begins[-1]:
        return rows
    raise ValueError(
        f"word: expected one of the answer behind its thought, {''.join(pieces[stop:])!r} (tokens "
        f"{begins[stop]} to {begins[-1] - 1}), got {word!r}"
    )


def _sentence(
    explanation: Explanation,
    influence: FloatArray,
    pieces: list[str],
    begins: list[int],
    part: range,
    direct: FloatArray,
    own: NDArray[np.int64],
) -> ThoughtSentence:
    """What is known of the pieces ``part``; its share is not yet."""
    tokens = range(begins[part.start], begins[part.stop])
    held = (own >= tokens.start) & (own < tokens.stop)
    return ThoughtSentence(
        tokens=tokens,
        text="".join(pieces[part.start : part.stop]).strip(),
        influence=float(np.nansum(direct[held])),
        share=0.0,
        words=_summed(influence, tokens),
        image_gain=None if explanation.image_gain is None else _gain(explanation, tokens),
        heatmaps=tuple(
            maps[tokens.start : tokens.stop].mean(axis=0) for maps in explanation.heatmaps
        ),
    )


def _summed(influence: FloatArray, rows: range) -> FloatArray:
    """``(W,)`` nats of several tokens together; NaN for a word that is none of them's context."""
    part = influence[rows.start : rows.stop]
    known = ~np.isnan(part)
    found: FloatArray = np.where(known.any(axis=0), np.where(known, part, 0.0).sum(axis=0), np.nan)
    return found


def _speaking(values: Any) -> Any:
    """What speaks for something; against it, or not measured, is nothing."""
    return np.maximum(np.nan_to_num(values), 0.0)


def _gain(explanation: Explanation, rows: Sequence[int]) -> float:
    if explanation.image_gain is None:
        return float("nan")
    return float(explanation.image_gain[list(rows)].sum())
