"""Where an answer thinks before it answers, and the sentences of its thought.

Reasoning models write their thought into the answer, between markers of their own; many templates
open it in the prompt, so that only its end is in the answer.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

_MARKERS = (
    (r"<think>", r"</think>"),
    (r"<thinking>", r"</thinking>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|channel\|?>(?:thought|analysis)", r"<channel\|>|<\|end\|>"),
)
"""Of Qwen, GLM, InternVL and most; of Mistral; of Kimi; of Gemma 4 and gpt-oss."""

_OPENING = re.compile("|".join(opening for opening, _ in _MARKERS))
_CLOSING = re.compile("|".join(closing for _, closing in _MARKERS))
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]+[”’」』）]*|\n+")
_NUMBERED = re.compile(r"\s*\(?(?:\d{1,3}|[a-zA-Z])[.)]\s*")
"""What stands before an entry of a list, and is no sentence."""


def thought_of(texts: Sequence[str]) -> range | None:
    """The pieces between an answer's markers of a thought.

    Args:
        texts: Pieces of the answer that spell it together; a marker may lie over several.

    Returns:
        Indices of pieces, those that have a part of a marker left out; to the end where the thought
        was cut off. None where there is no thought, or nothing in it.

    Example:
        >>> thought_of(["<think>", "Red", ".", "</think>", "red"])
        range(1, 3)
    """
    whole = "".join(texts)
    opened = _OPENING.search(whole)
    closed = _CLOSING.search(whole, opened.end() if opened else 0)
    if not (opened or closed):
        return None
    found = _between(texts, opened.end() if opened else 0, closed.start() if closed else len(whole))
    return found if "".join(texts[found.start : found.stop]).strip() else None


def opened_thought(text: str) -> str:
    """The end of a text from where it opens a thought that it does not close; empty if it does not.

    Generation prompts may end so.

    Example:
        >>> opened_thought("<|im_start|>assistant <think>")
        '<think>'
    """
    opened = [*_OPENING.finditer(text)][-1:]
    if not opened or _CLOSING.search(text, opened[0].end()):
        return ""
    return text[opened[0].start() :]


def closes_thought(text: str) -> bool:
    """Whether a text ends a thought that it has not opened itself."""
    closed = _CLOSING.search(text)
    return bool(closed and not _OPENING.search(text, 0, closed.start()))


def sentences_of(texts: Sequence[str]) -> list[range]:
    r"""The sentences that pieces of a text spell; blanks go with the sentence before.

    A line is a sentence, too. A piece in which one ends and another begins belongs to the first.

    Example:
        >>> sentences_of(["It is", " red", ".", " So", ":", "\n", "Yes"])
        [range(0, 3), range(3, 6), range(6, 7)]
    """
    whole, starts = "".join(texts), [0, *accumulate(map(len, texts))]
    begins = set()
    for end in _END.finditer(whole):
        piece = bisect_right(starts, end.end() - 1) - 1
        before, behind = whole[starts[piece] : end.start()], whole[end.end() : starts[piece + 1]]
        begins.add(piece if behind.strip() and not before.strip() else piece + 1)
    firsts, said = [0], ""
    for index, text in enumerate(texts):
        # Blanks behind an end are still the sentence's.
        if index in begins and not text.strip():
            begins.add(index + 1)
        elif index in begins and said.strip() and not _NUMBERED.fullmatch(said):
            firsts.append(index)
            said = ""
        said += text
    return [range(*pair) for pair in pairwise([*firsts, len(texts)])] if texts else []


def _between(texts: Sequence[str], start: int, end: int) -> range:
    """Pieces wholly within some characters of the text."""
    starts = [0, *accumulate(map(len, texts))]
    inside = [
        index
        for index, (first, last) in enumerate(pairwise(starts))
        if start <= first < last <= end
    ]
    return range(inside[0], inside[-1] + 1) if inside else range(0)
