"""What is explained beside the answer: words that were not said, and the prompt's."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mmx_core.models.chat import RenderedPrompt
from mmx_core.sample import Sample
from mmx_core.text.words import tokens_of_words

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
    for place, words in sample.why_not.items():
        if not isinstance(place, str) and operator.index(place) < 0:
            raise ValueError(f"why_not: expected a token's index from 0 on, got {place}")
        for word in [words] if isinstance(words, str) else words:
            _first_token(tokenizer, word, begins=False)


def asked_targets(
    tokenizer: Any,
    sample: Sample,
    rendered: RenderedPrompt,
    answer_ids: list[int],
    answer: str | None,
) -> tuple[Target, ...]:
    """What a sample asks for beside its answer.

    A word of several tokens is explained by its first: the others follow from it.

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
    said = answer if answer is not None else tokenizer.decode(answer_ids).strip()
    for place, words in sample.why_not.items():
        for word in [words] if isinstance(words, str) else words:
            try:
                index = _place(tokenizer, place, said, answer_ids)
                token = _first_token(tokenizer, word, begins=index == 0)
                if token == answer_ids[index]:
                    raise ValueError(f"why_not: {word!r} is what was said at token {index}")
            except ValueError as error:
                if answer is not None:
                    raise
                # What the model would say nobody could know: the explanation goes on without.
                warnings.warn(
                    f"sample {sample.id!r}: no map of {word!r} in the place of {place!r}: "
                    f"{str(error).removeprefix('why_not: ')}; the model's answer is "
                    f"{_clipped(said)!r}",
                    stacklevel=2,
                )
            else:
                yield index, token


def _place(tokenizer: Any, place: int | str, answer: str, answer_ids: list[int]) -> int:
    if not isinstance(place, str):
        return _index(operator.index(place), answer_ids)
    words = [word.strip(".,;:!?\"'").lower() for word in answer.split()]
    found = [index for index, word in enumerate(words) if word == place.strip().lower()]
    if not found and place.strip().isdecimal():
        return _index(int(place), answer_ids)
    if len(found) != 1:
        raise ValueError(
            f"why_not: expected a word that the answer has once, {place!r} is there {len(found)} "
            "times; name the token by its index"
        )
    return tokens_of_words(tokenizer, answer, answer_ids)[found[0]][0]


def _index(place: int, answer_ids: list[int]) -> int:
    if not 0 <= place < len(answer_ids):
        raise ValueError(
            f"why_not: expected a token's index from 0 to {len(answer_ids) - 1}, got {place}"
        )
    return place


def _clipped(answer: str) -> str:
    return answer if len(answer) <= _SHOWN_LETTERS else f"{answer[:_SHOWN_LETTERS]}…"


def _first_token(tokenizer: Any, word: str, *, begins: bool) -> int:
    # Inside an answer a word follows a space, which many vocabularies write into its token.
    text = word if begins or word.startswith(" ") else f" {word}"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    # Some vocabularies write the blank before a word as a token of its own.
    while len(ids) > 1 and not tokenizer.decode([ids[0]]).strip():
        ids = ids[1:]
    special = set(tokenizer.all_special_ids)
    if not ids or ids[0] in special:
        raise ValueError(f"why_not: {word!r} is no word of the model's vocabulary")
    return int(ids[0])
