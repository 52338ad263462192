"""What is explained beside the answer: words that were not said, and the prompt's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from mmx_core.models.chat import RenderedPrompt, special_ids
from mmx_core.parts import is_whole
from mmx_core.sample import Sample
from mmx_core.text.tokens import Spans, characters_of_tokens, spelled
from mmx_core.text.words import find_name, split_words, tokens_within

_SHOWN_LETTERS = 200


@dataclass(frozen=True)
class Target:
    """A class to explain in the place of one context token.

    Attributes:
        context_index: Of the token, among the ``C`` context tokens.
        token_id: The class: another word's than the token's, or the token's own in the prompt.
    """

    context_index: int
    token_id: int


def check_unsaid_words(tokenizer: Any, sample: Sample) -> None:
    """Refuses what is wrong whatever the answer will be, before it is generated.

    Raises:
        ValueError: A word that is not in the vocabulary, or an index below 0.
    """
    for place, word in _asked(sample):
        if not isinstance(place, str) and place < 0:
            raise ValueError(f"why_not: expected a token's index from 0 on, got {place}")
        _check_known(tokenizer, word)


def asked_targets(
    tokenizer: Any,
    sample: Sample,
    rendered: RenderedPrompt,
    answer_ids: list[int],
    answer: str | None,
) -> tuple[Target, ...]:
    """What a sample asks for beside its answer.

    A word of several tokens is explained by the first that was not said: the others follow from it.

    Raises:
        ValueError: A place that the given answer lacks, or a word that is there. In a generated
            answer, which nobody could know, it costs that target, with a warning.
    """
    text = rendered.text
    prompt = len(text)
    targets = [
        Target(prompt + place, token)
        for place, token in _unsaid(tokenizer, sample, answer_ids, answer)
    ]
    if sample.prompt_words:
        targets += [Target(index, token.id) for index, token in enumerate(text) if token.written]
    return tuple(targets)


def _unsaid(
    tokenizer: Any, sample: Sample, answer_ids: list[int], answer: str | None
) -> Iterator[tuple[int, int]]:
    said, spans = spelled(tokenizer, answer_ids)
    for place, word in _asked(sample):
        try:
            index, begin = _place(said, spans, place)
            index, token = _first_other(tokenizer, word, said[:begin], index, answer_ids, spans)
        except ValueError as error:
            if answer is not None:
                raise
            # What the model would say nobody could know: the explanation goes on without.
            warnings.warn(
                f"sample {sample.id!r}: no map of {word!r} in the place of {place!r}: "
                f"{str(error).removeprefix('why_not: ')}; the model's answer is "
                f"{_clipped(said.strip())!r}",
                stacklevel=2,
            )
        else:
            yield index, token


def _asked(sample: Sample) -> list[tuple[int | str, str]]:
    """Each place with each word that is asked about there.

    Raises:
        ValueError: They are given in another form.
    """
    asked: Any = sample.why_not
    if not isinstance(asked, Mapping):
        raise ValueError(
            "why_not: expected a mapping from a word of the answer to another, such as "
            f"{{'dog': 'cat'}}, got {asked!r}"
        )
    found: list[tuple[int | str, str]] = []
    for place, given in asked.items():
        if not isinstance(place, str) and not is_whole(place):
            raise ValueError(
                f"why_not: expected a word of the answer or a token's index, got {place!r}"
            )
        several = isinstance(given, (list, tuple, set, frozenset, np.ndarray))
        words = list(given) if several else [given]
        if not all(isinstance(word, str) for word in words):
            raise ValueError(
                f"why_not: expected a word, or a list of words, in the place of {place!r}, got "
                f"{given!r}"
            )
        found += [(place if isinstance(place, str) else int(place), word) for word in words]
    return found


def _place(said: str, spans: Spans, place: int | str) -> tuple[int, int]:
    """The token in whose place another word is asked about, and the character where it begins."""
    if isinstance(place, str):
        found = find_name(split_words(said), place)
        if len(found) == 1:
            return tokens_within(spans, found[0].start, found[0].end)[0], found[0].start
        if found or not place.strip().isdecimal():
            raise ValueError(
                f"why_not: expected a word that the answer has once, {place!r} is there "
                f"{len(found)} times; name the token by its index"
            )
    index = _index(int(place), len(spans))
    start, end = spans[index]
    return index, end - len(said[start:end].lstrip())


def _first_other(
    tokenizer: Any, word: str, before: str, index: int, answer_ids: list[int], said: Spans
) -> tuple[int, int]:
    """Where the answer with another word parts from what was said, and the token that parts it."""
    text = before + word.strip()
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    spans = characters_of_tokens(tokenizer, text, ids)
    first = next(iter(tokens_within(spans, len(before), len(text))), len(ids))
    if not ids[first:] or ids[first] in special_ids(tokenizer):
        raise ValueError(_unknown(word))
    place = index
    if first < len(ids):
        # The token may begin with a blank that was a token of its own.
        start = spans[first][0]
        place = next(iter(tokens_within(said, start, start + 1)), index)
    # Words may have their first bytes in common: 🐕 and 🐈.
    pairs = zip(ids[first:], answer_ids[place:], strict=False)
    shared = sum(takewhile(bool, (a == b for a, b in pairs)))
    if first + shared >= len(ids) or place + shared >= len(answer_ids):
        raise ValueError(f"why_not: {word!r} is what was said at token {index}, or how that begins")
    return place + shared, ids[first + shared]


def _index(place: int, count: int) -> int:
    if not 0 <= place < count:
        raise ValueError(f"why_not: expected a token's index from 0 to {count - 1}, got {place}")
    return place


def _clipped(answer: str) -> str:
    return answer if len(answer) <= _SHOWN_LETTERS else f"{answer[:_SHOWN_LETTERS]}…"


def _check_known(tokenizer: Any, word: str) -> None:
    ids = tokenizer(f" {word.strip()}", add_special_tokens=False)["input_ids"]
    # Some vocabularies write the blank before a word as a token of its own.
    while ids and not tokenizer.decode([ids[0]]).strip():
        ids = ids[1:]
    if not ids or ids[0] in special_ids(tokenizer):
        raise ValueError(_unknown(word))


def _unknown(word: str) -> str:
    if not word.strip():
        return f"why_not: expected a word, got {word!r}"
    return f"why_not: {word!r} is no word of the model's vocabulary"
