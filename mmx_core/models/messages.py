"""The messages of a conversation: what form they have, and in which forms a template takes them."""

from __future__ import annotations

import re
import reprlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from mmx_core.sample import PICTURE_KEYS

Message = Mapping[str, Any]
"""``{"role": "user", "content": TEXT or [{"type": "image"}, {"type": "text", "text": TEXT}]}``."""

Form = Callable[[Message], Message]
"""From a message whose content is a list of parts to one as a chat template takes it."""


def user_turn(prompt: str, kinds: Sequence[Literal["image", "video"]]) -> list[Message]:
    """A conversation of one turn: pictures of these kinds, then the text."""
    parts = [{"type": kind} for kind in kinds]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": prompt}]}]


def part_kind(part: Any) -> str | None:
    """``image``, ``video`` or ``text``; another type as it is called; None for no part."""
    if not isinstance(part, Mapping):
        return None
    kind = part.get("type")
    if kind is None:
        named = ("text", "video", *PICTURE_KEYS)
        kind = next((name for name in named if part.get(name) is not None), None)
        return "image" if kind in PICTURE_KEYS else kind
    return "image" if kind == "image_url" else kind


def text_of(message: Message) -> str:
    """All that is written in a message's content."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part["text"]) for part in content if part_kind(part) == "text")


def said_content(message: Message) -> str | list[Mapping[str, Any]]:
    """What is written in an answer's content: its text, behind its thoughts where it has any."""
    thoughts, text = thoughts_of(message), text_of(message)
    return [*thoughts, {"type": "text", "text": text}] if thoughts else text


def thoughts_of(message: Message) -> list[Mapping[str, Any]]:
    """The parts of a message's content that are thoughts."""
    content = message.get("content")
    parts = content if isinstance(content, (list, tuple)) else []
    return [part for part in parts if part_kind(part) == "thinking"]


def other_keys(messages: Sequence[Message]) -> list[str]:
    """Under which the pictures' parts hold what nothing reads."""
    found: dict[str, None] = {}
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, (list, tuple)) else ():
            if part_kind(part) in ("image", "video"):
                # What OpenAI's form says of a picture stands beside its address.
                beside = part.get("image_url")
                said = {**(beside if isinstance(beside, Mapping) else {}), **part}
                named = (key for key, value in said.items() if value is not None)
                found |= dict.fromkeys(str(key) for key in named if key not in _READ)
    return list(found)


def tell_of_unread(messages: Sequence[Message]) -> None:
    """Warns of what the parts say of their pictures and nothing reads."""
    unread = [key for key in other_keys(messages) if key not in _LABELS]
    if unread:
        warnings.warn(
            f"messages: nothing reads {', '.join(unread)} of a picture's part, so that the model "
            "is shown what it is shown without; how large a picture is, its image processor says "
            "(min_pixels, max_pixels or size there), and a video's frames mmx.Video",
            stacklevel=1,  # the same place for all that ask: it is said once
        )


def checked_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation, each content a list of parts, pictures without their pixels.

    What else a message holds (``tool_calls``, ``reasoning_content``) is the template's to read.

    Raises:
        ValueError: Something in it is not of the chat-template form.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise ValueError(f"messages: expected a list of them, got {type(messages).__name__}")
    return [_checked(index, message) for index, message in enumerate(messages)]


def _checked(index: int, message: Any) -> dict[str, Any]:
    given = message if isinstance(message, Mapping) else {}
    # A table's row has every column, most of them empty.
    rest = {k: v for k, v in given.items() if k not in ("role", "content") and v is not None}
    role, content = given.get("role"), given.get("content")
    if content is None and rest.get("tool_calls"):
        content = []
    if not isinstance(role, str) or not isinstance(content, (str, list, tuple)):
        raise ValueError(
            f"messages[{index}]: expected {{'role': ..., 'content': text or a list of parts}}, got "
            f"{reprlib.repr(message)}"
        )
    wanted = _ROLES.get(role.lower(), role)
    if role != wanted:
        raise ValueError(
            f"messages[{index}]: expected the role {wanted!r}, got {role!r}; the model's own name "
            "for it is the chat template's to write"
        )
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    parts = []
    for part in content:
        kind = part_kind(part)
        if kind == "thinking":
            parts.append(_thought(index, part))
            continue
        if kind not in ("image", "video", "text"):
            raise ValueError(
                f"messages[{index}]: expected parts of type image, video, text or thinking, got "
                f"{reprlib.repr(part)}{_INSTEAD.get(str(kind), '')}"
            )
        if kind == "text" and not isinstance(part.get("text"), str):
            raise ValueError(
                f"messages[{index}]: expected {{'type': 'text', 'text': ...}}, got "
                f"{reprlib.repr(part)}"
            )
        if kind == "text" and re.search("[\ud800-\udfff]", part["text"]):
            raise ValueError(
                f"messages[{index}]: expected text, got half a character (a lone surrogate) in "
                f"{reprlib.repr(part['text'])}"
            )
        parts.append({"type": "text", "text": part["text"]} if kind == "text" else {"type": kind})
    return {"role": role, "content": parts, **rest}


_ROLES = {
    **{role: role for role in ("user", "assistant", "system", "tool")},
    **dict.fromkeys(("model", "gpt", "bot", "chatbot", "ai"), "assistant"),
    "human": "user",
}
"""What roles are called elsewhere, in small letters, and how messages have them."""


def _thought(index: int, part: Mapping[str, Any]) -> dict[str, Any]:
    """A thought as the templates take it: its text as one."""
    thought = part.get("thinking")
    if isinstance(thought, (list, tuple)) and all(part_kind(p) == "text" for p in thought):
        thought = text_of({"content": thought})
    if not isinstance(thought, str):
        raise ValueError(
            f"messages[{index}]: expected {{'type': 'thinking', 'thinking': text}}, got "
            f"{reprlib.repr(part)}"
        )
    return {**part, "thinking": thought}


_READ = ("type", "text", "video", *PICTURE_KEYS)
"""What is read of a picture's part."""

_LABELS = ("id", "uuid", "name", "file_name", "title", "alt", "mime_type", "cache_control")
"""What else may be said of a picture that would not be shown otherwise for it."""

_INSTEAD = {"audio": "; sound is not explained, leave it out"}


def forms(placeholders: Mapping[str, str], *, thoughts: bool = False) -> tuple[Form, ...]:
    """In which a template may want its messages, the most usual first.

    Lists of parts; lists where there are pictures, else strings; strings alone, a picture written
    as its placeholder. A thought stands among the parts, or is the message's reasoning.

    Args:
        placeholders: The text of each kind of picture.
        thoughts: Whether there are any among the parts.
    """

    def in_parts(message: Message) -> Message:
        return message

    def as_written(message: Message) -> Message:
        kinds = {part["type"] for part in message["content"]}
        return message if kinds - {"text"} else in_strings(message)

    def in_strings(message: Message) -> Message:
        texts = [
            part["text"] if part["type"] == "text" else f"{placeholders.get(part['type'], '')}\n"
            for part in message["content"]
        ]
        return {**message, "content": "".join(texts)}

    if not thoughts:
        return in_parts, as_written, in_strings

    def behind(form: Form) -> Form:
        return lambda message: form(_reasoned(message))

    return in_parts, behind(in_parts), behind(as_written), behind(in_strings)


def _reasoned(message: Message) -> Message:
    """The message with the thoughts among its parts as its reasoning instead."""
    thoughts = "".join(part["thinking"] for part in thoughts_of(message))
    rest = [part for part in message["content"] if part["type"] != "thinking"]
    return {**message, "content": rest, "reasoning_content": thoughts} if thoughts else message
