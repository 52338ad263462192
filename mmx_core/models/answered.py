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
* A text that closes what the generation prompt opens, or that writes itself what the template
  writes before answers (``<think>``, ``<|channel|>final<|message|>``), goes on from the generation
  prompt, also where the template would write that a second time.
* Where a template opens answers without being asked to, and not before those that it writes
  (``Answer:`` at the end of all), the answer stands behind it.
* A text that the template would change (it drops thoughts, or writes no answers at all) stands as
  it was given, behind the generation prompt; likewise where the template shows an answered
  conversation without something that it shows before the answer (a system's text, thoughts).
* Blanks and line breaks at a given answer's edges are its own. But a blank that the template writes
  before every answer is said with the first word, whether it was given or not; and an answer that
  begins with others is said from the prompt's end on, as by the model, where a template would put
  its blank before them or leave them out.
* Where the prompt has other tokens with the answer behind it, both are tokenised apart, as when the
  model answers itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmx_core.models.marks import MARKUP
from mmx_core.models.messages import Form, Message, text_of, thoughts_of
from mmx_core.models.template import ChatTemplate, Rendering
from mmx_core.text.thoughts import closes_thought, opened_thought
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
        prompt: How many characters the model goes on from, so that they have tokens of their own.
    """

    rendering: Rendering
    begin: int
    start: int
    end: int
    prompt: int

    @property
    def text(self) -> str:
        """The answer."""
        return self.rendering.text[self.start : self.end]

    def goes_on_thought(self, opened: Rendering) -> bool:
        """Whether it stands in the thought that a generation prompt opens."""
        first = len(opened.text) - len(_tail(opened))
        return bool(opened_thought(self.rendering.text[first : self.begin]))


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
    calls = bool(answer.get("tool_calls"))
    text = text_of(answer)
    core = text.strip()
    cut = None if calls else _begun(opened, core)
    if cut is not None:
        return _behind(opened, opened.text[:cut], "", text.lstrip())
    beside = {name: value for name, value in answer.items() if name != "tool_calls"}
    around = template.around(messages, form, beside)
    head = around[0] if around is not None else ""
    written = _written(opened, head)
    lead = _lead(opened, written)
    said = core if calls else without_lead(text, lead)
    goes_on = not calls and _goes_on(opened, written, core)
    if not (goes_on or calls or head.startswith(opened.text)):
        # A template may end so whatever there is, also behind an answer.
        goes_on = template.rendering(messages, form, opened=False).text == opened.text
    if around is not None and not goes_on:
        whole = _answered(template, messages, answer, form, said)
        begun = opened.text.removeprefix(head) if opened.text.startswith(head) else ""
        if begun.strip() and whole is not None and not calls:
            again = _answered(template, messages, answer, form, f"{begun}{said}")
            if again is not None and again.text == whole.text:
                whole = None  # the template drops what it has begun the answer with
        if whole is not None and whole.text.endswith(around[1]) and _shows(whole, opened):
            end = len(whole.text) - len(around[1])
            if calls or not whole.text[:end].endswith(said):
                end = len(whole.text[:end].rstrip())
            start = _start(whole, opened, said, end, head=head if calls else None)
            if start is None and said != core and whole.text[:end].endswith(core):
                warnings.warn(
                    "answer: the chat template leaves out blanks and line breaks at the edges of "
                    "answers; those given are explained, as those that the model says are",
                    stacklevel=1,  # the same place for all that ask: it is said once
                )
            # A template that puts its own blank before others writes what the model does not say.
            others = said[:1].isspace() and (lead or (start or 0) < len(head))
            if start is not None and not others:
                before = len(opened.text)
                behind = whole.text.startswith(opened.text) and before <= start
                blank = behind and not whole.text[before:start].strip()
                prompt = before if whole.text.startswith(opened.text) else 0
                return Answered(whole, before if blank else start, start, end, prompt)
    if calls:
        raise ValueError(
            "messages: expected tool calls that the chat template writes behind what opens the "
            "answer, got others; write them into the answer's text as the model would"
        )
    if written.strip() and not goes_on:
        return _behind(opened, f"{opened.text}{written}", "", said)
    # Blanks that the template writes before an answer, the model would say, too.
    return _behind(opened, opened.text, "" if said[:1].isspace() else lead, said)


def without_lead(text: str, lead: str) -> str:
    """An answer without the blanks that its first word is said with, where it has no others."""
    rest = text.removeprefix(lead)
    return text if rest[:1].isspace() else rest


def thought_before(opened: Rendering) -> str:
    """What the generation prompt opens a thought with; empty where it opens none."""
    return opened_thought(_tail(opened))


def lead_of(opened: Rendering, head: str) -> str:
    """The blanks that an answer's first word is said with.

    Args:
        opened: The conversation up to the answer.
        head: What the template writes before one.
    """
    return _lead(opened, _written(opened, head))


def _lead(opened: Rendering, written: str) -> str:
    blanks = written[: len(written) - len(written.lstrip())]
    return "" if opened.text[-1:].isspace() else blanks


def _behind(opened: Rendering, prompt: str, lead: str, said: str) -> Answered:
    """An answer behind a prompt, whether the template would write it there or not."""
    text = f"{prompt}{lead}{said}"
    whole = Rendering(text, opened.spans, opened.starts, opened.turns)
    own = len(prompt) if prompt.startswith(opened.text) else 0
    return Answered(whole, len(prompt), len(prompt) + len(lead), len(text), own)


def _tail(opened: Rendering) -> str:
    """What the template writes behind the last text, to open the answer."""
    return opened.text[max((end for _, end in opened.spans), default=0) :]


def _written(opened: Rendering, head: str) -> str:
    """What the template writes before an answer (``head``) behind the generation prompt."""
    if head.startswith(opened.text):
        return head[len(opened.text) :]
    tail = _tail(opened)
    return head.rpartition(tail)[2] if tail.strip() and tail in head else ""


def _begun(opened: Rendering, said: str) -> int | None:
    """Where an answer begins that has some of what opens it: its first markup is there, too."""
    first = MARKUP.match(said)
    at = _tail(opened).rfind(first[0]) if first else -1
    return None if at < 0 else len(opened.text) - len(_tail(opened)) + at


def _goes_on(opened: Rendering, written: str, said: str) -> bool:
    """Whether an answer is said from the generation prompt on, and not as the template goes on."""
    marks = MARKUP.findall(written)
    own = bool(marks) and (marks[-1] in said or said.startswith(tuple(marks)))
    return own or (bool(thought_before(opened)) and closes_thought(said))


def _shows(whole: Rendering, opened: Rendering) -> bool:
    """Whether an answered conversation has all texts that the model is shown before the answer."""
    before, after = ([r.text[first:end] for first, end in r.spans] for r in (opened, whole))
    return after[: len(before)] == before


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


def prompt_and_answer(tokenizer: Any, found: Answered) -> tuple[Tokens, list[int]]:
    """The tokens before an answer, and the answer's.

    Args:
        tokenizer: The model's.
        found: Where the answer is.
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
    if first < last and found.prompt and found.prompt <= found.begin:
        begins, ends = tokens.offsets[first][0], tokens.offsets[last - 1][1]
        prompt = text[: found.prompt if begins < found.prompt else found.begin]
        alone = tokenize(tokenizer, prompt)
        # A token is shared with the prompt, with its blanks, or with what closes the answer.
        shared = begins < (found.begin if text[found.begin].isspace() else found.prompt)
        parted = begins >= found.begin and _spelling(alone) != _spelling(tokens, first)
        if shared or parted or ends > found.end:
            # A break keeps a tokenizer from taking it for its input's, or a word's, beginning.
            behind = text[len(prompt) : found.end]
            mark = "a" if behind[:1].isspace() else "\n"
            rest = _placed(tokenizer, f"{mark}{behind}", add_special_tokens=False)
            rows = zip(rest.ids, rest.offsets or (), strict=True)
            return alone, [token for token, (b, _) in rows if b >= 1]
    return Tokens(tokens.ids[:first], tokens.offsets[:first]), tokens.ids[first:last]


def _spelling(tokens: Tokens, count: int | None = None) -> list[int]:
    """The tokens that are of the text, the first of them: without what a tokenizer adds."""
    rows = zip(tokens.ids[:count], (tokens.offsets or [])[:count], strict=True)
    return [token for token, (begin, end) in rows if begin < end]


def _by_length(tokenizer: Any, found: Answered) -> tuple[Tokens, list[int]]:
    """The same, where it is not known what token came from where."""
    text = found.rendering.text
    before = tokenize(tokenizer, text[: found.begin])
    whole = tokenize(tokenizer, text[: found.end]).ids
    if whole[: len(before.ids)] == before.ids:
        return before, whole[len(before.ids) :]
    ids = tokenizer(text[found.begin : found.end], add_special_tokens=False)["input_ids"]
    return before, list(ids)
