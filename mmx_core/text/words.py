"""Which tokens make which word."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any


def tokens_of_words(tokenizer: Any, answer: str, ids: list[int]) -> list[list[int]]:
    """For each word of ``answer.split()`` the indices of the answer tokens that touch it.

    Punctuation at a word's edges is no part of it, unless there is nothing else.

    Args:
        tokenizer: The model's.
        answer: The answer's text.
        ids: Its tokens.

    Raises:
        ValueError: The tokens do not spell the answer.
    """
    spans = _token_spans(tokenizer, answer, ids)
    words = [(match.span(), _letters(match)) for match in re.finditer(r"\S+", answer)]
    return [_touching(spans, letters) or _touching(spans, whole) for whole, letters in words]


def _letters(word: re.Match[str]) -> tuple[int, int]:
    """The span of a word without the punctuation around it."""
    found = re.search(r"\w(?:.*\w)?", word[0], re.DOTALL)
    if found is None:
        return word.start(), word.start()
    return word.start() + found.start(), word.start() + found.end()


def _touching(spans: list[tuple[int, int]], span: tuple[int, int]) -> list[int]:
    begin, end = span
    return [i for i, (start, stop) in enumerate(spans) if start < end and stop > begin]


def _token_spans(tokenizer: Any, answer: str, ids: list[int]) -> list[tuple[int, int]]:
    if getattr(tokenizer, "is_fast", False):
        encoded = tokenizer(answer, add_special_tokens=False, return_offsets_mapping=True)
        if encoded["input_ids"] == ids:
            return [tuple(span) for span in encoded["offset_mapping"]]
    # A generated answer need not re-tokenise to itself: measure how the text grows instead.
    texts = [
        tokenizer.decode(ids[:count], clean_up_tokenization_spaces=False)
        for count in range(len(ids) + 1)
    ]
    if texts[-1].strip() != answer.strip():
        raise ValueError(f"answer: expected tokens that spell {answer!r}, they spell {texts[-1]!r}")
    lead = len(texts[-1]) - len(texts[-1].lstrip())
    ends = [max(0, len(text) - lead) for text in texts]
    return list(pairwise(ends))
