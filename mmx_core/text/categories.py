"""Masks by category, matched with the words of an answer once it is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    _matcher: _Matcher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.labels.ndim != 2:
            raise ValueError(
                f"labels: expected (height, width), got {self.labels.shape}; a picture of category "
                "ids has one channel"
            )
        shown = set(np.unique(self.labels).tolist())
        # Frozen: the field derived from the others is set once, here.
        object.__setattr__(self, "_matcher", _Matcher(self.categories, shown))

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def word_masks(self, answer: str) -> list[WordMask]:
        """The masks against the words of an answer; that of a category not in the picture is empty.

        Adjacent words of one category are one.
        """
        by_number = {number: name for name, number in self.categories.items()}
        return [
            WordMask(words, self.labels == number, by_number[number])
            for number, words in self._matcher.runs(answer)
        ]


@dataclass(frozen=True)
class NamedMasks:
    """Masks by what they show, matched with words as :class:`CategoryMasks` are; they may overlap.

    "People" are persons here, which the published evaluation does not say.

    Attributes:
        shape: ``(height, width)`` of the masks: the image's own size.
        masks: ``(height, width)`` bool by name; a name that the picture does not show may be left
            out.
        names: All that words are matched with, if there are more than the masks'.
    """

    shape: tuple[int, int]
    masks: Mapping[str, NDArray[np.bool_]]
    names: Sequence[str] = ()
    _known: list[str] = field(init=False, repr=False, compare=False)
    _matcher: _Matcher = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, mask in self.masks.items():
            if mask.shape != self.shape:
                raise ValueError(f"mask {name!r}: expected shape {self.shape}, got {mask.shape}")
        known = list(dict.fromkeys([*self.masks, *self.names]))
        shown = {place for place, name in enumerate(known) if name in self.masks}
        # As above.
        object.__setattr__(self, "_known", known)
        numbers = {name: place for place, name in enumerate(known)}
        if "person" in numbers:
            numbers.setdefault("people", numbers["person"])
        object.__setattr__(self, "_matcher", _Matcher(numbers, shown))

    def word_masks(self, answer: str) -> list[WordMask]:
        """The masks against the words of an answer; that of a thing not in the picture is empty."""
        nothing = np.zeros(self.shape, dtype=bool)
        return [
            WordMask(words, self.masks.get(name, nothing), name)
            for number, words in self._matcher.runs(answer)
            for name in [self._known[number]]
        ]


@dataclass(frozen=True)
class WholeMask:
    """What a whole answer is about, such as the evidence of a question's answer.

    Attributes:
        mask: ``(height, width)`` bool, of the image's own size.
        name: What a table calls it.
    """

    mask: NDArray[np.bool_]
    name: str = "answer"

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return int(self.mask.shape[0]), int(self.mask.shape[1])

    def word_masks(self, answer: str) -> list[WordMask]:
        """One mask, of all words of an answer; none of an answer without words."""
        words = tuple(range(len(split_words(answer))))
        return [WordMask(words, self.mask, self.name, whole=True)] if words else []


class _Matcher:
    """Which words of an answer name which category.

    Args:
        categories: Number by name.
        shown: Those in the picture: of names with one head they come first.
    """

    def __init__(self, categories: Mapping[str, int], shown: Collection[int]) -> None:
        self._names = {_spelling(name): number for name, number in categories.items()}
        self._heads: dict[str, list[int]] = {}
        for name, number in self._names.items():
            # Without blanks nobody says where a name's last word begins: 熊猫 is no kind of 猫.
            if len(name) > 1 and name not in _NO_KINDS and name[-1].isascii():
                self._heads.setdefault(name[-1], []).append(number)
        for numbers in self._heads.values():
            numbers.sort(key=lambda number: number not in shown)

    def runs(self, answer: str) -> list[tuple[int, tuple[int, ...]]]:
        """A category's number with the words that name it; adjacent words of one are one."""
        words = split_words(answer)
        parted = [pause_between(answer, *pair) for pair in pairwise(words)]
        runs: list[tuple[int, list[int]]] = []
        for index, number in enumerate(self._matched(words, parted)):
            if number is None:
                continue
            follows = index > 0 and not parted[index - 1]
            if follows and runs and runs[-1][0] == number and runs[-1][1][-1] == index - 1:
                runs[-1][1].append(index)
            else:
                runs.append((number, [index]))
        return [(number, tuple(run)) for number, run in runs]

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
        # Of other languages than English a word is what it says; and so is "building", which may
        # be a form of a verb, where it is a category.
        named = [
            name or (word if not word.isascii() or self._is_in_ing(word) else None)
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

    def _is_in_ing(self, word: str) -> bool:
        return word.endswith("ing") and (word,) in self._names


def _spelling(name: str) -> tuple[str, ...]:
    """A category's words, the last in the singular, as answers are compared with it."""
    words = [normalised(word.text) for word in split_words(name)]
    return (*words[:-1], noun_lemma(words[-1], or_adjective=True) or words[-1])
