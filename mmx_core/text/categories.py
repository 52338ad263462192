"""Masks by category, matched with the words of an answer once it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.sample import WordMask
from mmx_core.text.lexicon import noun_lemma
from mmx_core.text.words import Word, normalised, pause_between, split_words

_NO_KINDS = {("hot", "dog"), ("teddy", "bear")}
"""Names of what is not a kind of what their last word names."""


@dataclass(frozen=True)
class CategoryMasks:
    """A picture's category per pixel.

    Nouns are matched with categories as the published evaluation does (arXiv 2506.23270), without
    its known defect of filing ``dog`` under *hot dog*: words that spell a whole name win;
    then a name of one word; then the last word of a longer name ("table" for *dining table*), of
    several such names one that the picture shows.

    Attributes:
        labels: ``(H, W)`` uint8 of the image's size; a pixel holds its category's id.
        categories: Id by name.

    Example:
        >>> masks = CategoryMasks(labels, {"dog": 18, "hot dog": 58})
        >>> [entry.name for entry in masks.word_masks("two dogs eat a hot dog .")]
        ['dog', 'hot dog']
    """

    labels: NDArray[Any]
    categories: Mapping[str, int]
    _names: dict[tuple[str, ...], int] = field(init=False, repr=False, compare=False)
    _heads: dict[str, list[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.labels.ndim != 2:
            raise ValueError(
                f"labels: expected (height, width), got {self.labels.shape}; a picture of category "
                "ids has one channel"
            )
        names = {_spelling(name): number for name, number in self.categories.items()}
        heads: dict[str, list[int]] = {}
        for name, number in names.items():
            # Without blanks nobody says where a name's last word begins: 熊猫 is no kind of 猫.
            if len(name) > 1 and name not in _NO_KINDS and name[-1].isascii():
                heads.setdefault(name[-1], []).append(number)
        shown = set(np.unique(self.labels).tolist())
        for numbers in heads.values():
            numbers.sort(key=lambda number: number not in shown)
        # Frozen: the fields derived from the others are set once, here.
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_heads", heads)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def word_masks(self, answer: str) -> list[WordMask]:
        """The masks against the words of an answer; that of a category not in the picture is empty.

        Adjacent words of one category are one.
        """
        words = split_words(answer)
        parted = [pause_between(answer, *pair) for pair in pairwise(words)]
        found = self._matched(words, parted)
        runs: list[tuple[int, list[int]]] = []
        for index, number in enumerate(found):
            if number is None:
                continue
            follows = index > 0 and not parted[index - 1]
            if follows and runs and runs[-1][0] == number and runs[-1][1][-1] == index - 1:
                runs[-1][1].append(index)
            else:
                runs.append((number, [index]))
        by_number = {number: name for name, number in self.categories.items()}
        return [
            WordMask(tuple(run), self.labels == number, by_number[number]) for number, run in runs
        ]

    def _matched(self, words: list[Word], parted: list[bool]) -> list[int | None]:
        """Each word's category, given after which of them is a pause."""
        plain = [normalised(word.text) for word in words]
        lemmas = [noun_lemma(word.text) for word in words]
        # "orange" is a fruit where nothing follows that it could be the colour of.
        either = [noun_lemma(word.text, or_adjective=True) for word in words]
        named = [
            lemma or (one if after is None or pause else None)
            for lemma, one, after, pause in zip(
                lemmas, either, [*either[1:], None], [*parted, True], strict=True
            )
        ]
        # Of other languages than English a word is what it says.
        named = [
            name or (None if word.isascii() else word)
            for name, word in zip(named, plain, strict=True)
        ]
        longest = max((len(name) for name in self._names), default=0)
        found: list[int | None] = [None] * len(words)
        taken = [False] * len(words)
        for size in range(longest, 1, -1):
            for start in range(len(words) - size + 1):
                run = slice(start, start + size)
                # The last word may be plural: "hot dogs".
                if any(parted[start : start + size - 1]):
                    continue
                spelled = (*plain[run][:-1], either[start + size - 1] or plain[start + size - 1])
                number = self._names.get(spelled)
                if number is not None and not any(taken[run]):
                    found[run] = [number] * size
                    taken[run] = [True] * size
        for index, name in enumerate(named):
            if name is not None and not taken[index]:
                heads = self._heads.get(lemmas[index] or "", [None])
                found[index] = self._names.get((name,), heads[0])
        return found


def _spelling(name: str) -> tuple[str, ...]:
    """A category's words, the last in the singular, as answers are compared with it."""
    words = [normalised(word.text) for word in split_words(name)]
    return (*words[:-1], noun_lemma(words[-1], or_adjective=True) or words[-1])
