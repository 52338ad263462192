"""What a chat template makes of a conversation: the text, who wrote what in it, and where.

Found in the one rendering that the model is given. A prefix of a conversation may be rendered
otherwise than the whole: templates drop the thoughts of earlier turns, move the system's text into
the user's, or refuse to stop early.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mmx_core.models.messages import Form, Message, forms

_MARKUP = re.compile(r"(</?[^\s<>]+>|\[/?[A-Z_]+\])")
"""What a template may look for in a text, such as ``</think>``."""

_REPRESENTED = re.compile(r"""['"]text['"]: ['"]$""")
"""Before a text: the template has written a list of parts as Python shows it."""

_REPLY = {"role": "assistant", "content": [{"type": "text", "text": "answer"}]}

_RESERVED = (
    "conversation",
    "messages",
    "chat_template",
    "add_generation_prompt",
    "continue_final_message",
    "tokenize",
)


@dataclass(frozen=True)
class Rendering:
    """A rendered conversation.

    Attributes:
        text: What the tokenizer is given.
        spans: ``(first, end)`` in characters of what people and the model wrote.
        starts: Where stretches of one turn begin, ascending.
        turns: The turn of each.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    starts: tuple[int, ...]
    turns: tuple[int, ...]

    def turn_at(self, character: int) -> int:
        """Index of the message that a character belongs to."""
        return self.turns[bisect_right(self.starts, character) - 1]


class ChatTemplate:
    """A tokenizer's chat template with its variables.

    Args:
        tokenizer: Renders, and carries the template unless ``source`` gives one.
        source: Jinja source.
        variables: What else the template reads, such as ``enable_thinking``.
        placeholders: The text of each kind of picture.

    Raises:
        ValueError: A variable that is no template's, or no template.
    """

    def __init__(
        self,
        tokenizer: Any,
        source: str | None,
        variables: Mapping[str, Any],
        placeholders: Mapping[str, str],
    ) -> None:
        if source is None and getattr(tokenizer, "chat_template", None) is None:
            raise ValueError(
                "tokenizer: expected one with a chat template; give Explainer a processor, or "
                "chat_template=..."
            )
        wrong = [name for name in variables if name in _RESERVED or name.startswith("return_")]
        if wrong:
            raise ValueError(
                f"chat_template_kwargs: expected variables of the template, got {', '.join(wrong)}"
            )
        self._tokenizer = tokenizer
        self._source = source
        self._variables = variables
        self._placeholders = placeholders

    def form_for(self, messages: Sequence[Message]) -> Form:
        """The form in which the template writes most of what the messages, and an answer, say.

        Raises:
            ValueError: It takes them in none.
        """
        refused: ValueError | None = None
        for conversation in ([*messages, _REPLY], messages):
            best: tuple[int, Form] | None = None
            for form in forms(self._placeholders):
                try:
                    shown, count = self._shown(conversation, form)
                except ValueError as error:
                    refused = refused or error
                    continue
                if best is None or shown > best[0]:
                    best = (shown, form)
                if shown == count:
                    break
            if best is not None:
                return best[1]
        raise refused or ValueError("messages: expected at least one, got none")

    def _shown(self, messages: Sequence[Message], form: Form) -> tuple[int, int]:
        """How many texts the template writes as such, of how many."""
        marks = _Marks(messages)
        marked = [marks.exchanged(turn, message) for turn, message in enumerate(messages)]
        text = self._render(marked, form, opened=False)
        found = {
            match[1]
            for match in marks.pattern.finditer(text)
            if not _REPRESENTED.search(text, max(0, match.start() - 10), match.start())
        }
        return len(found), len(marks.texts)

    def rendering(self, messages: Sequence[Message], form: Form, *, opened: bool) -> Rendering:
        """Renders a conversation.

        Args:
            messages: As of ``checked_messages``.
            form: In which the template takes them.
            opened: Whether the answer's turn is opened behind them.

        Raises:
            ValueError: The template refuses it.
        """
        text = self._render(messages, form, opened=opened)
        marks = _Marks(messages)
        marked = [marks.exchanged(turn, message) for turn, message in enumerate(messages)]
        pattern = self._render(marked, form, opened=opened)
        tails = self._tails(marked, form, marks)
        spans, places = _aligned(pattern, text, marks)
        stones = self._stones(pattern, marked, marks)
        starts = [(0, stones[0].turn if stones else 0)]
        # Behind the last stands what opens the answer.
        stones.append(_Stone(len(pattern), len(pattern), len(messages)))
        for before, after in pairwise(stones):
            if before.turn != after.turn:
                between = pattern[before.end : after.start]
                closed = _alike(between, tails.get(before.turn, ""))
                starts.append((before.end + closed, after.turn))
        return Rendering(
            text,
            tuple(spans),
            tuple(_moved(at, places) for at, _ in starts),
            tuple(turn for _, turn in starts),
        )

    def around(self, messages: Sequence[Message], form: Form) -> tuple[str, str] | None:
        """What stands before and behind an answer to these messages; None where nothing can."""
        marks = _Marks(messages)
        reply = marks.exchanged(len(messages), _REPLY)
        try:
            text = self._render([*messages, reply], form, opened=False)
        except ValueError:
            return None
        found = list(marks.pattern.finditer(text))
        return (text[: found[-1].start()], text[found[-1].end() :]) if found else None

    def _render(self, messages: Sequence[Message], form: Form, *, opened: bool) -> str:
        from jinja2 import TemplateError

        try:
            text = self._tokenizer.apply_chat_template(
                [form(message) for message in messages],
                chat_template=self._source,
                tokenize=False,
                add_generation_prompt=opened,
                **self._variables,
            )
        except (TemplateError, TypeError, AttributeError, KeyError, ValueError) as error:
            raise ValueError(
                f"messages: expected a conversation that the model's chat template takes: {error}"
            ) from error
        return str(text)

    def _tails(self, marked: Sequence[Message], form: Form, marks: _Marks) -> dict[int, str]:
        """What closes each turn: that which follows its last text where the conversation ends."""
        found: dict[int, str] = {}
        for turn in range(len(marked)):
            try:
                text = self._render(marked[: turn + 1], form, opened=False)
            except ValueError:  # a template may refuse a conversation that stops here
                continue
            for last in self._stones(text, marked, marks)[-1:]:
                if last.turn == turn:
                    found[turn] = text[last.end :]
        # Turns of one role are closed alike, and most often those of all.
        by_role = {marked[turn]["role"]: tail for turn, tail in reversed(found.items())}
        other = next(iter(by_role.values()), "")
        return {
            turn: found.get(turn, by_role.get(message["role"], other))
            for turn, message in enumerate(marked)
        }

    def _stones(self, text: str, marked: Sequence[Message], marks: _Marks) -> list[_Stone]:
        """The places whose turn is known: texts and pictures."""
        pictures = iter(
            [
                turn
                for turn, message in enumerate(marked)
                for part in message["content"]
                if part["type"] != "text"
            ]
        )
        names = "|".join(map(re.escape, filter(None, self._placeholders.values())))
        either = re.compile(f"{marks.pattern.pattern}|{names}" if names else marks.pattern.pattern)
        found = []
        for match in either.finditer(text):
            turn = next(pictures, None) if match[1] is None else marks.turns[int(match[1])]
            if turn is not None:
                found.append(_Stone(match.start(), match.end(), turn))
        return found


@dataclass(frozen=True)
class _Stone:
    start: int
    end: int
    turn: int


class _Marks:
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

    def exchanged(self, turn: int, message: Message) -> dict[str, Any]:
        """The message with each text exchanged."""
        written = ("tool_calls", "reasoning_content", "reasoning", "thinking")
        parts = [
            {**part, "text": self._word(turn, part["text"])} if part["type"] == "text" else part
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
        return "".join(
            piece if index % 2 else self._exchanged(turn, piece)
            for index, piece in enumerate(_MARKUP.split(text))
        )

    def _exchanged(self, turn: int, piece: str) -> str:
        text = piece.strip()
        if not text:
            return piece
        self.texts.append(text)
        self.turns.append(turn)
        return piece.replace(text, f"{self._stem}{len(self.texts) - 1}END", 1)


def _aligned(
    marked: str, rendered: str, marks: _Marks
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where each text is, and where each stretch between marks begins, in both.

    What stands between marks is the template's, so that a text is looked for behind it, even where
    the template changes it or writes the same words.
    """
    found = list(marks.pattern.finditer(marked))
    cursor = found[0].start() if found else 0
    spans: list[tuple[int, int]] = []
    places = [(0, 0)]
    for match, stop in zip(found, [*(m.start() for m in found[1:]), len(marked)], strict=True):
        literal = marked[match.end() : stop]
        text = marks.texts[int(match[1])]
        # What a tool is called with is written as JSON.
        forms_of = (text, json.dumps(text, ensure_ascii=False)[1:-1])
        exact = [form for form in forms_of if rendered.startswith(form + literal, cursor)]
        near = [(rendered.find(form, cursor), form) for form in exact or forms_of]
        at, form = next(((at, form) for at, form in near if at >= 0), (cursor, ""))
        if form:
            spans.append((at, at + len(form)))
        following = rendered.find(literal, at + len(form))
        place = following if following >= 0 else at + len(form)
        places.append((match.end(), place))
        cursor = place + (len(literal) if following >= 0 else 0)
    return spans, places


def _moved(at: int, places: Sequence[tuple[int, int]]) -> int:
    """A place in the marked text, in the other."""
    index = bisect_right([marked for marked, _ in places], at) - 1
    marked, rendered = places[index]
    return rendered + at - marked


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin alike with."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
