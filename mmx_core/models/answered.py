"""A given answer in its conversation: the tokens that the chat template makes of it.

A tokenizer makes other tokens of a text alone than of the same text in its place, behind a colon,
say. So the answered conversation is rendered and tokenised as a whole, as in training, and the
answer is a stretch of it. Where the template closes a thought before an answer, it does so in the
prompt, and the answer begins behind. The rules where rendering and generation prompt disagree:

* What the template writes of the answered conversation goes before the generation prompt: a model
  whose answers are opened by ``<think>`` is shown a closed thought before a text without one.
* Where the generation prompt closes an empty thought that the template drops of an answer (Gemma
  4), the answer stands behind it, as when the model answers itself.
* What a given answer has of the generation prompt (``<think>``) is explained with it, as it was
  given, so that its words can be counted.
* A text that the template would change (it drops thoughts, or writes no answers at all) stands as
  it was given, behind the generation prompt.
* Where one token would hold both the generation prompt's end and the answer's beginning, both
  are tokenised apart, as when the model answers itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmx_core.models.messages import Form, Message, text_of, thoughts_of
from mmx_core.models.template import ChatTemplate, Rendering
from mmx_core.text.tokens import characters_of_tokens


@dataclass(frozen=True)
class Tokens:
    """A text's tokens.

    Attributes:
        ids: Of the vocabulary.
        offsets: ``(first, end)`` of each in characters; None where nothing tells them: of a
            tokenizer in Python whose tokens spell another text.
    """

    ids: list[int]
    offsets: list[tuple[int, int]] | None


@dataclass(frozen=True)
class Answered:
    """Where an answer is in a rendered conversation.

    Attributes:
        rendering: Of the conversation with it.
        begin: Where its first token may begin: blanks before its first letter are said, too.
        start: Where its first letter is.
        end: Where it ends.
    """

    rendering: Rendering
    begin: int
    start: int
    end: int

    @property
    def text(self) -> str:
        """The answer."""
        return self.rendering.text[self.start : self.end]


def tokenize(tokenizer: Any, text: str) -> Tokens:
    """The tokens of a rendered conversation."""
    # A template that writes the opening token itself must not get a second one.
    opening = getattr(tokenizer, "bos_token", None)
    return _placed(tokenizer, text, add_special_tokens=not (opening and text.startswith(opening)))


def _placed(tokenizer: Any, text: str, *, add_special_tokens: bool) -> Tokens:
    named = {"add_special_tokens": add_special_tokens}
    if getattr(tokenizer, "is_fast", False):
        found = tokenizer(text, return_offsets_mapping=True, **named)
        return Tokens(list(found["input_ids"]), list(found["offset_mapping"]))
    ids = list(tokenizer(text, **named)["input_ids"])
    try:
        return Tokens(ids, characters_of_tokens(tokenizer, text, ids))
    except ValueError:
        return Tokens(ids, None)


def find_answer(
    template: ChatTemplate,
    messages: Sequence[Message],
    answer: Message,
    form: Form,
    opened: Rendering,
) -> Answered:
    """Finds an answer where the template writes it.

    Args:
        template: Renders.
        messages: Before the answer.
        answer: The assistant's message.
        form: In which the template takes messages.
        opened: The conversation up to the answer.

    Raises:
        ValueError: Tool calls are the answer, and the template does not write them behind what
            opens the answer.
    """
    said = text_of(answer).strip()
    calls = bool(answer.get("tool_calls"))
    beside = {name: value for name, value in answer.items() if name != "tool_calls"}
    around = template.around(messages, form, beside)
    if around is not None:
        # Blanks at its edges are of a text alone; a template that adds its own has both.
        whole = _answered(template, messages, answer, form, said)
        begun = opened.text.removeprefix(around[0]) if opened.text.startswith(around[0]) else ""
        if begun.strip() and whole is not None and not calls:
            again = _answered(template, messages, answer, form, f"{begun}{said}")
            if again is not None and again.text == whole.text:
                whole = None  # the template drops what it has begun the answer with
        if whole is not None and whole.text.endswith(around[1]):
            end = len(whole.text[: len(whole.text) - len(around[1])].rstrip())
            start = _start(whole, opened, said, end, head=around[0] if calls else None)
            if start is not None:
                before = len(opened.text)
                behind = whole.text.startswith(opened.text) and before <= start
                blank = behind and not whole.text[before:start].strip()
                return Answered(whole, before if blank else start, start, end)
    if calls:
        raise ValueError(
            "messages: expected tool calls that the chat template writes behind what opens the "
            "answer, got others; write them into the answer's text as the model would"
        )
    # Blanks that the template writes before an answer, the model would say, too.
    head = around[0] if around is not None else ""
    lead = ""
    if head.startswith(opened.text) and not opened.text[-1:].isspace():
        rest = head[len(opened.text) :]
        lead = rest[: len(rest) - len(rest.lstrip())]
    begin = len(opened.text)
    text = f"{opened.text}{lead}{said}"
    whole = Rendering(text, opened.spans, opened.starts, opened.turns)
    return Answered(whole, begin, begin + len(lead), len(text))


def _answered(
    template: ChatTemplate, messages: Sequence[Message], answer: Message, form: Form, text: str
) -> Rendering | None:
    """The conversation with another text for its answer; None where the template refuses it."""
    parts = [*thoughts_of(answer), *([{"type": "text", "text": text}] if text else [])]
    try:
        return template.rendering([*messages, {**answer, "content": parts}], form, opened=False)
    except ValueError:
        return None


def _start(
    whole: Rendering, opened: Rendering, said: str, end: int, *, head: str | None
) -> int | None:
    """Where the answer's first letter is, or None where the template has changed it.

    With tool calls behind it, it begins where answers do (``head``), or where the model goes on, or
    with what it has of the generation prompt.
    """
    if head is None:
        return end - len(said) if whole.text[:end].endswith(said) else None
    prompt = opened.text
    shared = next(count for count in range(len(said), -1, -1) if prompt.endswith(said[:count]))
    for before in (head, prompt, prompt[: len(prompt) - shared]):
        rest = whole.text[len(before) : end]
        blanks = len(rest) - len(rest.lstrip())
        if whole.text.startswith(before) and rest and rest[blanks:].startswith(said):
            return len(before) + blanks
    return None


def prompt_and_answer(
    tokenizer: Any, found: Answered, opened: Rendering
) -> tuple[Tokens, list[int]]:
    """The tokens before an answer, and the answer's.

    Args:
        tokenizer: The model's.
        found: Where the answer is.
        opened: The conversation up to it, as when the model answers itself.
    """
    text = found.rendering.text
    tokens = tokenize(tokenizer, text)
    if tokens.offsets is None:
        return _by_length(tokenizer, found)
    places = list(enumerate(tokens.offsets))
    count = len(places)
    first = next((i for i, (b, e) in places if b >= found.begin or e > found.start), count)
    # What a tokenizer adds at its input's end is nowhere in the text, and no part of the answer.
    last = next((i for i, (b, e) in places[first:] if b >= found.end or e <= found.begin), count)
    shared = first < count and tokens.offsets[first][0] < len(opened.text)
    if shared and found.start >= len(opened.text) and text.startswith(opened.text):
        # A break keeps a tokenizer from taking the text for its input's, or a word's, beginning.
        behind = text[len(opened.text) : found.end]
        rest = _placed(tokenizer, f"\n{behind}", add_special_tokens=False)
        rows = zip(rest.ids, rest.offsets or (), strict=True)
        return tokenize(tokenizer, opened.text), [token for token, (b, _) in rows if b >= 1]
    return Tokens(tokens.ids[:first], tokens.offsets[:first]), tokens.ids[first:last]


def _by_length(tokenizer: Any, found: Answered) -> tuple[Tokens, list[int]]:
    """The same, where it is not known what token came from where."""
    text = found.rendering.text
    before = tokenize(tokenizer, text[: found.begin])
    whole = tokenize(tokenizer, text[: found.end]).ids
    if whole[: len(before.ids)] == before.ids:
        return before, whole[len(before.ids) :]
    ids = tokenizer(text[found.begin : found.end], add_special_tokens=False)["input_ids"]
    return before, list(ids)
