"""The words of an answer as its tokens make them: a phrase's, and those that name nothing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from mmx_core.text.lexicon import is_function_word
from mmx_core.text.words import pieces_of_name


@dataclass(frozen=True)
class SaidWords:
    """An answer's words.

    Attributes:
        pieces: Each word's first token and its text, in order, from token 0 on.
        count: Of the answer's tokens.
    """

    pieces: Sequence[tuple[int, str]]
    count: int

    def find(self, phrase: str) -> range | None:
        """The tokens of a word or a phrase, whole, where the answer has it first."""
        touched = pieces_of_name([text for _, text in self.pieces], phrase)
        ends = [*(first for first, _ in self.pieces[1:]), self.count]
        return range(self.pieces[touched[0]][0], ends[touched[-1]]) if touched else None

    def without_function_words(self, tokens: list[int]) -> list[int]:
        """Some tokens without those of function words; all of them where there are no others."""
        starts = [first for first, _ in self.pieces]
        texts = [self.pieces[bisect_right(starts, token) - 1][1] for token in tokens]
        empty = {text: is_function_word(text) for text in set(texts)}
        return [t for t, text in zip(tokens, texts, strict=True) if not empty[text]] or tokens
