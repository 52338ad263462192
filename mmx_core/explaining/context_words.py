"""The words of a context: which count, and which come first where not all can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmx_core.explanation import Explanation
from mmx_core.parts import ContextWord


def context_words(explanation: Explanation) -> tuple[ContextWord, ...]:
    """The words that a person or the model wrote and that some explained token follows, in order.

    Signs are words, blanks are none; nor is what the template wrote, unless nothing else is there.
    """
    context = explanation.context
    ends = [*(word.first for word in explanation.words[1:]), len(context)]
    groups = [
        ContextWord(word.first, end - word.first, word.text)
        for word, end in zip(explanation.words, ends, strict=True)
        if end < len(context) and word.text.strip()
    ]
    written = [word for word in groups if not context[word.first].special]
    return tuple(written or groups)


def most_important(explanation: Explanation, words: Sequence[ContextWord], limit: int) -> list[int]:
    """Indices of the words to measure, the most important first; the rest is beyond the bound."""
    order = np.argsort(-importance(explanation, words), kind="stable")
    return [int(index) for index in order[:limit]]


def importance(explanation: Explanation, words: Sequence[ContextWord]) -> np.ndarray:
    """``(W,)``: how much a word is expected to matter to the answer; only the order counts.

    By the estimate of one pass, where the explanation has one; else by nearness to the answer.
    """
    if explanation.estimate is None:
        return np.array([word.first for word in words], dtype=np.float64)
    sizes = np.nan_to_num(np.abs(explanation.estimate)).sum(axis=0).tolist()
    return np.array([sum(sizes[word.first : word.first + word.count]) for word in words])
