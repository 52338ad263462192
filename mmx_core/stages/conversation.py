"""From a sample to the conversation with its answer, and the pictures in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmx_core.images import resolved
from mmx_core.models.messages import (
    Message,
    checked_messages,
    other_keys,
    part_kind,
    said_content,
    tell_of_unread,
    text_of,
    user_turn,
)
from mmx_core.parts import is_whole
from mmx_core.sample import PICTURE_KEYS, ImageLike, Sample, Video


@dataclass(frozen=True)
class Conversation:
    """What was said up to the explained answer, which is its last message where it is given.

    Attributes:
        messages: In chat-template form; the last is the assistant's unless the model is to answer.
        pictures: One per image or video part of these messages, in order.
    """

    messages: list[Message]
    pictures: list[ImageLike | Video]


def conversation_of(sample: Sample) -> Conversation:
    """Resolves a sample's prompt, or its messages and turn.

    Raises:
        ValueError: No prompt, or an answer of blanks; a turn that is not the assistant's; other
            pictures than places for them; or settings that contradict each other.
    """
    given = [p if isinstance(p, Video) else resolved(p) for p in sample.image_list()]
    for name, text in (("prompt", sample.prompt or ""), ("answer", sample.answer or "")):
        if not isinstance(text, str):
            raise ValueError(f"{name}: expected text, got {type(text).__name__}")
    if not isinstance(sample.chat_template_kwargs, Mapping):
        raise ValueError(
            "chat_template_kwargs: expected a mapping of the template's variables, got "
            f"{type(sample.chat_template_kwargs).__name__}"
        )
    if sample.messages is None:
        if not (sample.prompt or "").strip():
            raise ValueError("prompt: expected text, got nothing")
        if sample.turn is not None:
            raise ValueError(f"turn: expected none without messages, got {sample.turn}")
        if not given:
            raise ValueError("images: expected at least one, got none")
        kinds: list[Literal["image", "video"]] = [
            "video" if isinstance(picture, Video) else "image" for picture in given
        ]
        return Conversation(_answered(user_turn(sample.prompt, kinds), sample), given)
    if sample.prompt:
        raise ValueError("prompt: expected none beside messages; write it as their last user turn")
    if not checked_messages(sample.messages):
        raise ValueError("messages: expected at least one, got none")
    pictures = _pictures(sample.messages, given)
    tell_of_unread(sample.messages)
    explained = _turn(sample)
    before = list(sample.messages[:explained])
    if not before:
        raise ValueError("messages: expected a user's turn before the explained one, got none")
    count = sum(len(_picture_parts(message)) for message in before)
    if not count:
        raise ValueError("messages: expected at least one image before the explained turn")
    if explained == len(sample.messages):
        return Conversation(_answered(before, sample), pictures[:count])
    answer = sample.messages[explained]
    if not text_of(answer).strip() and not answer.get("tool_calls"):
        raise ValueError(f"messages[{explained}]: expected an answer, got nothing but blanks")
    # What the answer shows itself is no part of what it was said about.
    said = {**answer, "content": said_content(answer)}
    return Conversation([*before, said], pictures[:count])


def _answered(messages: list[Message], sample: Sample) -> list[Message]:
    """The conversation, with the sample's answer where it has one."""
    if sample.answer is None:
        return messages
    if not sample.answer.strip():
        raise ValueError("answer: expected text or None (to generate one), got nothing")
    return [*messages, {"role": "assistant", "content": sample.answer}]


def _turn(sample: Sample) -> int:
    """Index of the explained message; one past the last where the model is to answer."""
    messages = sample.messages or ()
    roles = [message.get("role") for message in messages]
    if sample.turn is None:
        if roles[-1] != "assistant":
            return len(messages)
        turn = len(messages) - 1
    else:
        turns = [index for index, role in enumerate(roles) if role == "assistant"]
        named = {index - past: index for index in turns for past in (0, len(messages))}
        if not is_whole(sample.turn) or sample.turn not in named:
            raise ValueError(
                f"turn: expected the index of an assistant's message ({turns}), got {sample.turn!r}"
            )
        turn = named[sample.turn]
    if sample.answer is not None:
        raise ValueError(
            f"answer: expected none, since message {turn} is the assistant's; leave one of them out"
        )
    return turn


def _picture_parts(message: Message) -> list[Mapping[str, Any]]:
    content = message.get("content")
    parts = content if isinstance(content, (list, tuple)) else []
    return [part for part in parts if part_kind(part) in ("image", "video")]


def _pictures(
    messages: Sequence[Message], given: Sequence[ImageLike | Video]
) -> list[ImageLike | Video]:
    """Those that the parts carry themselves, the others from the sample in order."""
    waiting = list(given)
    found: list[ImageLike | Video] = []
    places = 0
    for part in (part for message in messages for part in _picture_parts(message)):
        own = _own(part)
        if own is None:
            places += 1
            if waiting:
                own = waiting.pop(0)
        if own is not None:
            if part_kind(part) == "video" and not isinstance(own, Video):
                raise ValueError(
                    f"messages: expected an mmx.Video for a video part, got {type(own).__name__}"
                )
            found.append(own)
    if places != len(given):
        others = other_keys(messages)
        keys = ", ".join(PICTURE_KEYS)
        raise ValueError(
            f"images: expected one per image part without a picture of its own: {places} such "
            f"part(s), {len(given)} image(s)"
            + (f"; a part's own is under one of {keys}, got {', '.join(others)}" if others else "")
        )
    return found


def _own(part: Mapping[str, Any]) -> ImageLike | Video | None:
    """The picture that a part carries itself."""
    own = next((part[key] for key in ("video", *PICTURE_KEYS) if part.get(key) is not None), None)
    if own is None or isinstance(own, Video) or part_kind(part) == "video":
        return own
    return resolved(part)
