"""A conversation under a chat template: which tokens the user wrote, and in which turn."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmx_core.images import Clip, Picture
from mmx_core.models.answered import (
    Tokens,
    find_answer,
    lead_of,
    prompt_and_answer,
    thought_before,
    tokenize,
)
from mmx_core.models.layout import Layout, View
from mmx_core.models.marks import REASONING
from mmx_core.models.messages import Message, checked_messages, thoughts_of
from mmx_core.models.template import ChatTemplate, Rendering


@dataclass(frozen=True)
class TextToken:
    """One text token of a prompt: vocabulary id, whether a person wrote it, index of its turn."""

    id: int
    written: bool
    turn: int


@dataclass(frozen=True)
class Expanded:
    """A prompt with its placeholders replaced by visual tokens.

    Attributes:
        ids: Vocabulary ids.
        text_positions: ``(P,)`` indices of the prompt's text tokens.
        views: ``(positions, view, index of its picture)`` for each view.
    """

    ids: list[int]
    text_positions: list[int]
    views: list[tuple[list[int], View, int]]

    @property
    def visual_count(self) -> int:
        """Visual tokens."""
        return sum(len(positions) for positions, _, _ in self.views)


@dataclass(frozen=True)
class RenderedPrompt:
    """A prompt under the model's chat template, placeholders not yet expanded.

    Attributes:
        ids: Vocabulary ids, one placeholder per picture.
        written: Per id, True where a person wrote it (False: the template did).
        turns: Per id, the index of the message it belongs to; what opens the answer belongs to the
            turn after the last.
        placeholders: Indices into ``ids``, one per picture.
        roles: Of each turn, the answer's included.
        answer: The given answer's text; None where the model is to answer.
        answer_ids: Its tokens, likewise.
        closers: Special tokens that the template closes an answer with.
        lead: Blanks that an answer's first word is said with, as behind ``Assistant:``.
        thought: What the generation prompt opens a thought with, where the answer stands in it.
        closed: The same, where a given answer stands behind that thought, closed.
    """

    ids: tuple[int, ...]
    written: tuple[bool, ...]
    turns: tuple[int, ...]
    placeholders: tuple[int, ...]
    roles: tuple[str, ...] = ("user", "assistant")
    answer: str | None = None
    answer_ids: tuple[int, ...] | None = None
    closers: frozenset[int] = frozenset()
    lead: str = ""
    thought: str = ""
    closed: str = ""

    @property
    def text(self) -> list[TextToken]:
        """The ``P`` text tokens, placeholders left out."""
        pictures = set(self.placeholders)
        rows = zip(self.ids, self.written, self.turns, strict=True)
        return [TextToken(*row) for index, row in enumerate(rows) if index not in pictures]

    def without(self, dropped: Collection[int]) -> RenderedPrompt:
        """The prompt without some of its ids, by index; placeholders stay."""
        kept = [index for index in range(len(self.ids)) if index not in dropped]
        return replace(
            self,
            ids=tuple(self.ids[index] for index in kept),
            written=tuple(self.written[index] for index in kept),
            turns=tuple(self.turns[index] for index in kept),
            placeholders=tuple(kept.index(index) for index in self.placeholders),
        )

    def expand(self, layouts: Sequence[Layout]) -> Expanded:
        """Puts each picture's tokens where its placeholder is.

        Raises:
            ValueError: Another number of pictures than placeholders.
        """
        if len(layouts) != len(self.placeholders):
            raise ValueError(
                f"expected one picture per placeholder: {len(self.placeholders)} placeholders, "
                f"{len(layouts)} pictures"
            )
        ids: list[int] = []
        text: list[int] = []
        views: list[tuple[list[int], View, int]] = []

        def append(first: int, last: int) -> None:
            text.extend(range(len(ids), len(ids) + last - first))
            ids.extend(self.ids[first:last])

        done = 0
        for index, (at, layout) in enumerate(zip(self.placeholders, layouts, strict=True)):
            append(done, at)
            for view in layout.views:
                offsets = [len(ids) + o for raster in view.rasters for o in raster.offsets]
                views.append((offsets, view, index))
            ids.extend(layout.ids)
            done = at + 1
        append(done, len(self.ids))
        return Expanded(ids, text, views)


def render_chat(
    tokenizer: Any,
    messages: Sequence[Message],
    *,
    pictures: Sequence[Picture],
    image_id: int,
    video_id: int | None = None,
    chat_template: str | None = None,
    variables: Mapping[str, Any] | None = None,
    exchanged: tuple[str, Sequence[str]] | None = None,
) -> RenderedPrompt:
    """Renders a conversation, ready for the answer or with it.

    Args:
        tokenizer: Carries the chat template, unless ``chat_template`` gives one.
        messages: The conversation up to the answer; where the last is the assistant's, it is the
            answer.
        pictures: In the order of the conversation's image and video parts.
        image_id: Vocabulary id of the image placeholder.
        video_id: Of the video placeholder, where the family has one.
        chat_template: Jinja source.
        variables: What else the template reads, by name.
        exchanged: See :class:`ChatTemplate`.

    Raises:
        ValueError: No template; or the template refuses the conversation, or yields other
            placeholders than there are pictures.
    """
    kinds = {"image": image_id} if video_id is None else {"image": image_id, "video": video_id}
    names = {kind: str(tokenizer.convert_ids_to_tokens(token)) for kind, token in kinds.items()}
    template = ChatTemplate(tokenizer, chat_template, variables or {}, names, exchanged)
    asked = checked_messages(messages)
    given = asked.pop() if asked and asked[-1]["role"] == "assistant" else None
    form = template.form_for([*asked, given] if given and thoughts_of(given) else asked)
    opened = template.rendering(asked, form, opened=True)
    template.tell_of_unwritten(asked, given, form)
    around = template.around(asked, form)
    answer, answer_ids = None, None
    thought, closed = thought_before(opened), ""
    if given is None:
        rendering, tokens = opened, tokenize(tokenizer, opened.text)
    else:
        found = find_answer(template, asked, given, form, opened)
        rendering, answer = found.rendering, found.text
        tokens, answer_ids = prompt_and_answer(tokenizer, found)
        if thought and not found.goes_on_thought(opened):
            # A thought of its own, within it or beside it, says itself what is closed.
            own = answer.startswith(thought.strip()) or given.keys() & REASONING
            thought, closed = "", "" if own or thoughts_of(given) else thought
    return RenderedPrompt(
        ids=tuple(tokens.ids),
        **_shares(tokenizer, tokens, rendering),
        placeholders=_placeholders(tokenizer, tokens.ids, kinds, pictures),
        roles=(*(str(message["role"]) for message in asked), "assistant"),
        answer=answer,
        answer_ids=None if answer_ids is None else tuple(answer_ids),
        closers=_closers(tokenizer, around[1] if around is not None else ""),
        lead=lead_of(opened, around[0] if around is not None else ""),
        thought=thought,
        closed=closed,
    )


def _shares(tokenizer: Any, tokens: Tokens, rendering: Rendering) -> dict[str, tuple[Any, ...]]:
    """Of each token whether a person wrote it, and whose turn it is of."""
    special = special_ids(tokenizer)
    if tokens.offsets is None:
        return {
            "written": tuple(token not in special for token in tokens.ids),
            "turns": (0,) * len(tokens.ids),
        }
    return {
        "written": tuple(
            token not in special and rendering.is_written(*span)
            for token, span in zip(tokens.ids, tokens.offsets, strict=True)
        ),
        "turns": tuple(rendering.turn_of(*span) for span in tokens.offsets),
    }


def _placeholders(
    tokenizer: Any, ids: Sequence[int], kinds: Mapping[str, int], pictures: Sequence[Picture]
) -> tuple[int, ...]:
    """Where the pictures go."""
    expected = [kinds.get("video" if isinstance(p, Clip) else "image") for p in pictures]
    if None in expected:
        raise ValueError("video: this model's chat template has no place for videos")
    places = tuple(index for index, token in enumerate(ids) if token in kinds.values())
    found = [ids[index] for index in places]
    if found != expected:
        texts = {token: tokenizer.decode([token]) for token in kinds.values()}
        raise ValueError(
            f"prompt: expected {len(expected)} placeholder(s) "
            f"{' '.join(texts[t] for t in expected if t is not None)!r} under the chat template, "
            f"got {len(found)} {' '.join(texts[t] for t in found)!r}; do not write the placeholder "
            "yourself, and give one image part per image"
        )
    return places


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Tokens that are no text, the tokenizer's named ones and those that it was given later."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return frozenset(
        [*tokenizer.all_special_ids, *(id for id, token in added.items() if token.special)]
    )


def _closers(tokenizer: Any, closing: str) -> frozenset[int]:
    """The special token that the template closes an answer with, where it writes any."""
    ids = tokenizer(closing, add_special_tokens=False)["input_ids"] if closing.strip() else []
    written = [token for token in ids if tokenizer.decode([token]).strip()]
    return frozenset(written[:1]) & special_ids(tokenizer)
