"""Words that stand for the texts of a conversation while its template is looked at.

Two renderings, one of the texts and one of words in their place, tell what the template writes and
where each text is.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmx_core.models.messages import Message

_THOUGHT = re.compile(r"(</?think>|\[/?THINK\])")
MARKUP = re.compile(r"(</?[^\s<>]+>|\[/?[A-Z_]+\])")
"""What a template may look for in a text, such as ``</think>``."""
REASONING = ("reasoning_content", "reasoning", "thinking")
"""Where templates look for the thought of a message."""


class Marks:
    """Words that stand for the texts of a conversation, and that none of them has.

    Markup and the blanks at a text's edges are kept, so that the template does with the words what
    it does with the texts.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        said, stem = repr(messages), "MMXTEXT"
        while stem in said:
            stem = f"Q{stem}"
        self._stem = stem
        self.pattern = re.compile(rf"{stem}(\d+)END")
        self.texts: list[str] = []
        self.turns: list[int] = []
        # Markup and blanks of the same text, up to the word before, and behind its last.
        self.befores: list[str] = []
        self.afters: list[str] = []

    def exchanged(self, turn: int, message: Message) -> dict[str, Any]:
        """The message with each text exchanged."""
        written = ("tool_calls", *REASONING)
        parts = [
            {**part, part["type"]: self._word(turn, part[part["type"]])}
            if part["type"] in ("text", "thinking")
            else part
            for part in message["content"]
        ]
        rest = {name: self._all(turn, message[name]) for name in written if name in message}
        return {**message, "content": parts, **rest}

    def _all(self, turn: int, value: Any) -> Any:
        if isinstance(value, str):
            return self._word(turn, value)
        if isinstance(value, Mapping):
            kept = ("id", "type")
            return {k: v if k in kept else self._all(turn, v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._all(turn, entry) for entry in value]
        return value

    def _word(self, turn: int, text: str) -> str:
        made, behind, first = "", "", len(self.texts)
        for piece, kept in _pieces(text):
            core = piece.strip()
            if kept or not core:
                made, behind = made + piece, behind + piece
                continue
            before, after = piece.split(core, 1)
            self.texts.append(core)
            self.turns.append(turn)
            self.befores.append(behind + before)
            self.afters.append("")
            made += f"{before}{self._stem}{len(self.texts) - 1}END{after}"
            behind = after
        if len(self.texts) > first:
            self.afters[-1] = behind
        return made


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in parts, and whether each is markup that the template is to see.

    Nothing but markup is a text, too, as of boxes; but for an empty thought, which is left out.
    """
    for index, part in enumerate(_THOUGHT.split(text)):
        pieces = MARKUP.split(part)
        if index % 2 or not any(piece.strip() for piece in pieces[::2]):
            yield part, index % 2 == 1
        else:
            yield from ((piece, at % 2 == 1) for at, piece in enumerate(pieces))


def aligned(
    marked: str, rendered: str, marks: Marks
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where each text is, and where each stretch between marks begins, in both.

    What stands between marks is the template's, so that a text is looked for behind it, even where
    the template changes it or writes the same words.
    """
    found = list(marks.pattern.finditer(marked))
    cursor = found[0].start() if found else 0
    spans: list[tuple[int, int]] = []
    places = [(0, 0)]
    stops = [match.start() for match in found[1:]]
    for match, stop in zip(found, [*stops, len(marked)], strict=False):
        literal = marked[match.end() : stop]
        number = int(match[1])
        text = marks.texts[number]
        # What a tool is called with is written as JSON.
        forms_of = (text, json.dumps(text, ensure_ascii=False)[1:-1])
        exact = [form for form in forms_of if rendered.startswith(form + literal, cursor)]
        # A text that the template has changed may be left out: not to be found in a later one.
        limit = rendered.find(literal, cursor) if literal and not exact else -1
        limit = limit if limit >= 0 else len(rendered)
        near = [(rendered.find(form, cursor, limit), form) for form in exact or forms_of]
        at, form = next(((at, form) for at, form in near if at >= 0), (cursor, ""))
        end = at + len(form)
        if form:
            before, after = marks.befores[number].lstrip(), marks.afters[number].rstrip()
            first = at - len(before)
            first = first if first >= 0 and rendered.startswith(before, first) else at
            spans.append((first, end + len(after) if rendered.startswith(after, end) else end))
        following = rendered.find(literal, end)
        place = following if following >= 0 else end
        places.append((match.end(), place))
        cursor = place + (len(literal) if following >= 0 else 0)
    return spans, places


def moved(at: int, places: Sequence[tuple[int, int]]) -> int:
    """A place in the marked text, in the other."""
    index = bisect_right([marked for marked, _ in places], at) - 1
    marked, rendered = places[index]
    return rendered + at - marked
