"""The words of a context: which count, and which come first where not all can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmx_core.explanation import Explanation
from mmx_core.parts import ContextWord
from mmx_core.text.thoughts import sentences_of, thought_of


def context_words(explanation: Explanation) -> tuple[ContextWord, ...]:
    """The words that a person or the model wrote and that some explained token follows, in order.

    Signs are words, blanks are none; nor is what the template wrote, unless nothing else is there.
    Within the thought of an answer a sentence counts as one: what it says is said in it more than
    once, and thoughts have a thousand words.
    """
    context = explanation.context
    groups = [group for group in _with_sentences(explanation) if group.text.strip()]
    groups = [group for group in groups if group.first + group.count < len(context)]
    written = [word for word in groups if not context[word.first].special]
    return tuple(written or groups)


def _with_sentences(explanation: Explanation) -> list[ContextWord]:
    words, begin = explanation.words, explanation.prompt_length
    firsts = [*(word.first for word in words), len(explanation.context)]
    answer = next((k for k, word in enumerate(words) if word.first >= begin), len(words))
    texts = [word.text for word in words[answer:]]
    thought = thought_of(texts) or range(0)
    units = [range(k, k + 1) for k in range(answer + thought.start)]
    start = answer + thought.start
    for sentence in sentences_of(texts[thought.start : thought.stop]):
        units.append(range(start + sentence.start, start + sentence.stop))
    units += [range(k, k + 1) for k in range(answer + thought.stop, len(words))]
    return [
        ContextWord(
            firsts[unit.start],
            firsts[unit.stop] - firsts[unit.start],
            "".join(word.text for word in words[unit.start : unit.stop]),
        )
        for unit in units
    ]


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
