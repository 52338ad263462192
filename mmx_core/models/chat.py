"""A conversation under a chat template: which tokens the user wrote, and in which turn."""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from mmx_core.images import Clip, Picture
from mmx_core.models.layout import Layout, View

Message = Mapping[str, Any]
"""``{"role": "user", "content": TEXT or [{"type": "image"}, {"type": "text", "text": TEXT}]}``."""

_SENTINEL = "MMX0WHERE0THE0TEXT{}WAS"


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
    """

    ids: tuple[int, ...]
    written: tuple[bool, ...]
    turns: tuple[int, ...]
    placeholders: tuple[int, ...]
    roles: tuple[str, ...] = ("user", "assistant")

    @property
    def text(self) -> list[TextToken]:
        """The ``P`` text tokens, placeholders left out."""
        pictures = set(self.placeholders)
        rows = zip(self.ids, self.written, self.turns, strict=True)
        return [TextToken(*row) for index, row in enumerate(rows) if index not in pictures]

    def without(self, dropped: Collection[int]) -> RenderedPrompt:
        """The prompt without some of its ids, by index; placeholders stay."""
        kept = [index for index in range(len(self.ids)) if index not in dropped]
        return RenderedPrompt(
            ids=tuple(self.ids[index] for index in kept),
            written=tuple(self.written[index] for index in kept),
            turns=tuple(self.turns[index] for index in kept),
            placeholders=tuple(kept.index(index) for index in self.placeholders),
            roles=self.roles,
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


def user_turn(prompt: str, kinds: Sequence[Literal["image", "video"]]) -> list[Message]:
    """A conversation of one turn: pictures of these kinds, then the text."""
    parts = [{"type": kind} for kind in kinds]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": prompt}]}]


def render_chat(
    tokenizer: Any,
    messages: Sequence[Message],
    *,
    pictures: Sequence[Picture],
    image_id: int,
    video_id: int | None = None,
    chat_template: str | None = None,
) -> RenderedPrompt:
    """Renders a conversation, ready for the answer.

    Args:
        tokenizer: Carries the chat template, unless ``chat_template`` gives one.
        messages: The conversation up to the answer.
        pictures: In the order of the conversation's image and video parts.
        image_id: Vocabulary id of the image placeholder.
        video_id: Of the video placeholder, where the family has one.
        chat_template: Jinja source.

    Raises:
        ValueError: No template; or the template refuses the conversation, or yields other
            placeholders than there are pictures.
    """
    if chat_template is None and getattr(tokenizer, "chat_template", None) is None:
        raise ValueError(
            "tokenizer: expected one with a chat template; give Explainer a processor, or "
            "chat_template=..."
        )
    plain = checked_messages(messages)

    def render(some: Sequence[Message], *, answer: bool) -> str:
        from jinja2 import TemplateError

        try:
            text = tokenizer.apply_chat_template(
                list(some),
                chat_template=chat_template,
                tokenize=False,
                add_generation_prompt=answer,
            )
        except TemplateError as error:
            raise ValueError(
                f"messages: expected a conversation that the model's chat template takes: {error}"
            ) from error
        return str(text)

    rendered = render(plain, answer=True)
    encoded = _tokenize(tokenizer, rendered)
    ids = encoded["input_ids"]
    expected = [video_id if isinstance(picture, Clip) else image_id for picture in pictures]
    if None in expected:
        raise ValueError("video: this model's chat template has no place for videos")
    kinds = {image_id} if video_id is None else {image_id, video_id}
    placeholders = tuple(index for index, token in enumerate(ids) if token in kinds)
    found = [ids[index] for index in placeholders]
    if found != expected:
        texts = {token: tokenizer.decode([token]) for token in kinds}
        raise ValueError(
            f"prompt: expected {len(expected)} placeholder(s) "
            f"{' '.join(texts[t] for t in expected if t is not None)!r} under the chat template, "
            f"got {len(found)} {' '.join(texts[t] for t in found)!r}; do not write the placeholder "
            "yourself, and give one image part per image"
        )
    special = set(tokenizer.all_special_ids)
    roles = (*(str(message["role"]) for message in plain), "assistant")
    offsets = encoded.get("offset_mapping")
    if offsets is None:  # a tokenizer in Python cannot tell what came from where
        written = tuple(token not in special for token in ids)
        return RenderedPrompt(tuple(ids), written, (0,) * len(ids), placeholders, roles)
    spans = _written_spans(plain, rendered, lambda some: render(some, answer=True))
    written = tuple(
        token not in special and any(begin < end and stop > start for start, end in spans)
        for token, (begin, stop) in zip(ids, offsets, strict=True)
    )
    ends = _turn_ends(plain, render)
    turns = tuple(bisect_right(ends, begin) for begin, _ in offsets)
    return RenderedPrompt(tuple(ids), written, turns, placeholders, roles)


def checked_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation, each content a list of parts, pictures without their pixels.

    Raises:
        ValueError: Something in it is not of the chat-template form.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise ValueError(f"messages: expected a list of them, got {type(messages).__name__}")
    return [_checked(index, message) for index, message in enumerate(messages)]


def _checked(index: int, message: Any) -> dict[str, Any]:
    role = message.get("role") if isinstance(message, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or not isinstance(content, (str, list, tuple)):
        raise ValueError(
            f"messages[{index}]: expected {{'role': ..., 'content': text or a list of parts}}, got "
            f"{reprlib.repr(message)}"
        )
    if isinstance(content, str):
        return {"role": role, "content": [{"type": "text", "text": content}]}
    parts = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in ("image", "video", "text"):
            raise ValueError(
                f"messages[{index}]: expected parts of type image, video or text, got "
                f"{reprlib.repr(part)}"
            )
        if kind == "text" and not isinstance(part.get("text"), str):
            raise ValueError(
                f"messages[{index}]: expected {{'type': 'text', 'text': ...}}, got "
                f"{reprlib.repr(part)}"
            )
        parts.append({"type": "text", "text": part["text"]} if kind == "text" else {"type": kind})
    return {"role": role, "content": parts}


def _turn_ends(messages: Sequence[Message], render: Callable[..., str]) -> list[int]:
    """Where each turn ends in the rendered conversation, in characters."""
    ends: list[int] = []
    for count in range(1, len(messages) + 1):
        try:
            ends.append(len(render(messages[:count], answer=False)))
        except ValueError:  # a template may refuse a conversation that stops here
            ends.append(ends[-1] if ends else 0)
    return ends


def _tokenize(tokenizer: Any, rendered: str) -> dict[str, Any]:
    # A template that writes the opening token itself must not get a second one.
    opening = getattr(tokenizer, "bos_token", None)
    add = not (opening and rendered.startswith(opening))
    fast = bool(getattr(tokenizer, "is_fast", False))
    found = tokenizer(rendered, add_special_tokens=add, return_offsets_mapping=fast)
    return dict(found)


def _written_spans(
    messages: Sequence[dict[str, Any]], rendered: str, render: Callable[[list[Message]], str]
) -> list[tuple[int, int]]:
    """Where each text part is in the rendered conversation.

    The template is rendered with a sentinel for each text: what stands between sentinels is the
    template's, so that a text is looked for behind it, even where the template strips it or
    writes the same words.
    """
    texts = [part["text"] for m in messages for part in m["content"] if part["type"] == "text"]
    marks = iter(_SENTINEL.format(index) for index in range(len(texts)))
    marked = render(
        [
            {
                "role": message["role"],
                "content": [
                    {"type": "text", "text": next(marks)} if part["type"] == "text" else part
                    for part in message["content"]
                ],
            }
            for message in messages
        ]
    )
    found = [marked.find(_SENTINEL.format(index)) for index in range(len(texts))]
    lengths = [len(_SENTINEL.format(index)) for index in range(len(texts))]
    # Some templates move the system's text behind the user's header, or leave it out.
    shown = sorted((i for i, at in enumerate(found) if at >= 0), key=found.__getitem__)
    spans: list[tuple[int, int]] = []
    cursor = found[shown[0]] if shown else 0
    for index, following in pairwise([*shown, -1]):
        words = texts[index].strip()
        start = rendered.find(words, max(0, cursor)) if words else -1
        end = start + len(words) if start >= 0 else cursor
        if start >= 0:
            spans.append((start, end))
        if following >= 0:
            between = marked[found[index] + lengths[index] : found[following]]
            # Blanks at the text's end may be there still; a text begins behind what follows them.
            at = rendered.find(between, end)
            cursor = (at if at >= 0 else end) + len(between)
    return spans
