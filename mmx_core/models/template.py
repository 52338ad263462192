"""What a chat template makes of a conversation: the text, who wrote what in it, and where.

Found in the one rendering that the model is given. A prefix of a conversation may be rendered
otherwise than the whole: templates drop the thoughts of earlier turns, move the system's text into
the user's, or refuse to stop early.
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mmx_core.models.marks import REASONING, Marks, aligned, moved
from mmx_core.models.messages import Form, Message, forms, thoughts_of

_REPRESENTED = re.compile(r"""['"](text|thinking)['"]: ['"]$""")
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


_INSTEAD = {
    "continue_final_message": "; an answer that is begun cannot be left to the model: give all of "
    "it, with its beginning",
}


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

    def turn_of(self, begin: int, end: int) -> int:
        """Index of the message that a token belongs to, by its first letter."""
        token = self.text[begin:end]
        letter = begin + len(token) - len(token.lstrip()) if token.strip() else begin
        return self.turns[bisect_right(self.starts, letter) - 1]

    def is_written(self, begin: int, end: int) -> bool:
        """Whether people or the model wrote some of a token."""
        return any(begin < stop and end > start for start, stop in self.spans)


class ChatTemplate:
    """A tokenizer's chat template with its variables.

    Args:
        tokenizer: Renders, and carries the template unless ``source`` gives one.
        source: Jinja source, or several by name; or the name of one of the tokenizer's.
        variables: What else the template reads, such as ``enable_thinking``.
        placeholders: The text of each kind of picture.
        exchanged: A text that the template writes, and what stands for it instead, one after
            another, as often as it is there.

    Raises:
        ValueError: A variable that is no template's, or no template.
    """

    def __init__(
        self,
        tokenizer: Any,
        source: str | Mapping[str, str] | None,
        variables: Mapping[str, Any],
        placeholders: Mapping[str, str],
        exchanged: tuple[str, Sequence[str]] | None = None,
    ) -> None:
        source = _chosen(tokenizer, source, with_tools=bool(variables.get("tools")))
        if source is None and getattr(tokenizer, "chat_template", None) is None:
            raise ValueError(
                "tokenizer: expected one with a chat template; give Explainer a processor, or "
                "chat_template=..."
            )
        wrong = [name for name in variables if name in _RESERVED or name.startswith("return_")]
        if wrong:
            raise ValueError(
                f"chat_template_kwargs: expected variables of the template, got {', '.join(wrong)}"
                + _INSTEAD.get(wrong[0], "")
            )
        self._read = str(getattr(tokenizer, "chat_template", None) if source is None else source)
        unread = [name for name in variables if not self._reads(name)]
        if unread:
            warnings.warn(
                f"chat_template_kwargs: the chat template does not read {', '.join(unread)}, which "
                "changes nothing therefore; see how it spells what you mean",
                stacklevel=1,  # the same place for all that ask: it is said once
            )
        self._tokenizer = tokenizer
        self._source = source
        self._variables = variables
        self._placeholders = placeholders
        self._exchanged = exchanged

    def _reads(self, name: str) -> bool:
        return bool(re.search(rf"\b{re.escape(name)}\b", self._read))

    def form_for(self, messages: Sequence[Message]) -> Form:
        """The form in which the template writes most of what the messages, and an answer, say.

        Raises:
            ValueError: It takes them in none.
        """
        refused: ValueError | None = None
        thoughts = any(thoughts_of(message) for message in messages)
        for conversation in ([*messages, _REPLY], messages):
            best: tuple[int, Form] | None = None
            for form in forms(self._placeholders, thoughts=thoughts):
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
        marks = Marks(messages)
        marked = [marks.exchanged(turn, message) for turn, message in enumerate(messages)]
        text = self._render(marked, form, opened=False)
        found = {
            match[1]
            for match in marks.pattern.finditer(text)
            if not _REPRESENTED.search(text, max(0, match.start() - 14), match.start())
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
        marks = Marks(messages)
        marked = [marks.exchanged(turn, message) for turn, message in enumerate(messages)]
        pattern = self._render(marked, form, opened=opened)
        tails = self._tails(marked, form, marks)
        spans, places = aligned(pattern, text, marks)
        # Behind the last text stands what opens the answer.
        end = _Stone(len(pattern), len(pattern), len(messages) - (not opened))
        stones = [*self._stones(pattern, marked, marks), end]
        starts = _starts(pattern, stones, tails)
        return Rendering(
            text,
            tuple(spans),
            tuple(moved(at, places) for at, _ in starts),
            tuple(turn for _, turn in starts),
        )

    def tell_of_unwritten(
        self, messages: Sequence[Message], answer: Message | None, form: Form
    ) -> None:
        """Warns of what messages say and the template writes nowhere: the model is not shown it."""
        said = [*messages, *([] if answer is None else [answer])]
        lost = {
            turn: f"does not read {name!r}"
            for turn, message in enumerate(said)
            for name in ("tool_calls", *REASONING)
            if message.get(name) and not self._reads(name)
        }
        marks = Marks(messages)
        marked = [marks.exchanged(turn, message) for turn, message in enumerate(messages)]
        text = self._render(marked, form, opened=True)
        written = {marks.turns[int(found[1])] for found in marks.pattern.finditer(text)}
        for turn in set(marks.turns) - written:
            lost.setdefault(turn, f"does not write what the {messages[turn]['role']} says there")
        for turn, told in sorted(lost.items()):
            warnings.warn(
                f"messages[{turn}]: the chat template {told}, so that the model is not shown it",
                stacklevel=1,  # the same place for all that ask: it is said once
            )

    def around(
        self, messages: Sequence[Message], form: Form, beside: Mapping[str, Any] | None = None
    ) -> tuple[str, str] | None:
        """What stands before and behind an answer to these messages; None where nothing can.

        Args:
            messages: Before the answer.
            form: In which the template takes them.
            beside: What the answer's message holds beside its text, such as a thought.
        """
        marks = Marks([*messages, beside or {}])
        thoughts = thoughts_of(beside or {})
        reply = {**(beside or {}), **marks.exchanged(len(messages), _REPLY)}
        reply["content"] = [*thoughts, *reply["content"]]
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
        if self._exchanged is None:
            return str(text)
        mark, instead = self._exchanged
        pieces = str(text).split(mark, len(instead))
        return pieces[0] + "".join(f"{t}{p}" for t, p in zip(instead, pieces[1:], strict=False))

    def _tails(self, marked: Sequence[Message], form: Form, marks: Marks) -> dict[int, str]:
        """What closes each turn: that which follows its last text where the conversation ends."""
        alike: dict[tuple[Any, ...], list[int]] = {}
        for turn, message in enumerate(marked):
            shown = [p["type"] for p in message["content"] if p.get("text", "picture").strip()]
            # Turns of one role are closed alike, but for what follows the text in some.
            apart = turn if message.keys() - {"role", "content"} else None
            alike.setdefault((message["role"], *shown[-1:], apart), []).append(turn)
        found: dict[int, str] = {}
        for turns in alike.values():
            tails = (self._tail(marked[: turn + 1], form, marks) for turn in reversed(turns))
            tail = next((tail for tail in tails if tail is not None), None)
            if tail is not None:
                found |= dict.fromkeys(turns, tail)
        # A turn may say nothing, or a template refuse to stop at it: most are closed as others are.
        roles = {marked[turn]["role"]: tail for turn, tail in found.items()}
        other = next(iter(found.values()), "")
        return {
            turn: found.get(turn, roles.get(message["role"], other))
            for turn, message in enumerate(marked)
        }

    def _tail(self, marked: Sequence[Message], form: Form, marks: Marks) -> str | None:
        try:
            text = self._render(marked, form, opened=False)
        except ValueError:
            return None
        stones = self._stones(text, marked, marks)[-1:]
        return next((text[s.end :] for s in stones if s.turn == len(marked) - 1), None)

    def _stones(self, text: str, marked: Sequence[Message], marks: Marks) -> list[_Stone]:
        """The places whose turn is known: texts and pictures."""
        pictures = iter(
            [
                turn
                for turn, message in enumerate(marked)
                for part in message["content"]
                if part["type"] in ("image", "video")
            ]
        )
        names = "|".join(map(re.escape, filter(None, self._placeholders.values())))
        either = re.compile(f"{marks.pattern.pattern}|{names}" if names else marks.pattern.pattern)
        found = []
        for match in either.finditer(text):
            if match[1] is None:
                turn, after = next(pictures, None), ""
            else:
                turn, after = marks.turns[int(match[1])], marks.afters[int(match[1])]
            if turn is not None:
                # A template may strip the text.
                kept = [t for t in (after, after.rstrip()) if text.startswith(t, match.end())]
                end = match.end() + len("".join(kept[:1]))
                found.append(_Stone(match.start(), end, turn))
        return found


def _chosen(
    tokenizer: Any, source: str | Mapping[str, str] | None, *, with_tools: bool
) -> str | None:
    """The source of a template, where several are given or the tokenizer has several by name."""
    own = getattr(tokenizer, "chat_template", None)
    if isinstance(source, str):
        named = own.get(source) if isinstance(own, Mapping) else None
        if named is None and "{" not in source:
            raise ValueError(
                "chat_template: expected Jinja source, or the name of a template of the "
                f"tokenizer's, got {source!r}; of a file give what it holds"
            )
        return named or source
    found = own if source is None else source
    if not isinstance(found, Mapping):
        return None
    # As transformers chooses.
    name = "tool_use" if with_tools and "tool_use" in found else "default"
    if name not in found:
        raise ValueError(
            "chat_template: expected one that is named 'default', there are "
            f"{', '.join(map(repr, found))}; give Explainer chat_template=... of the one you mean"
        )
    return str(found[name])


@dataclass(frozen=True)
class _Stone:
    start: int
    end: int
    turn: int


def _starts(
    pattern: str, stones: Sequence[_Stone], tails: Mapping[int, str]
) -> list[tuple[int, int]]:
    """Where each stretch of one turn begins, and which."""
    starts: list[tuple[int, int]] = []
    for before, after in pairwise([_Stone(0, 0, -1), *stones]):
        if before.turn == after.turn:
            continue
        tail = tails.get(before.turn, "")
        closed = pattern.find(tail, before.end, after.start)
        if closed < 0:  # the template closes this turn otherwise, if not altogether
            tail, closed = tail[: _alike(pattern[before.end : after.start], tail)], before.end
        at = closed + len(tail)
        # Turns that say nothing have no place of their own, but an end.
        for silent in range(before.turn + 1, after.turn):
            tail = tails.get(silent, "")
            closed = pattern.find(tail, at, after.start) if tail else -1
            if closed >= 0:
                starts.append((at, silent))
                at = closed + len(tail)
        starts.append((at, after.turn))
    return starts


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin alike with."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
