"""TRL: probe samples out of its chat-form datasets.

Its trainers are transformers': :class:`mmx_core.integrations.transformers.ExplainCallback` runs in
them as it does there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from mmx_core.sample import Sample

_TURNS = (("messages",), ("prompt", "completion"), ("prompt", "chosen"), ("prompt",), ("chosen",))
"""Columns that make a conversation together, in the order in which they are looked for."""
_PICTURES = ("images", "image")


def probe_samples(
    dataset: Iterable[Mapping[str, Any]], count: int = 8, *, prefix: str = ""
) -> list[Sample]:
    """The first rows of a dataset in one of TRL's forms, as samples to explain.

    Taken are conversations (``messages``), prompts with completions, preferences (of which the
    chosen answer is explained) and prompts alone (which the model answers), in chat form or as
    text, with ``images`` or ``image`` beside them.

    Args:
        dataset: Of ``datasets``, or any rows.
        count: How many rows.
        prefix: Before the ids, which are the row's ``id`` or its number.

    Raises:
        ValueError: A row is in none of these forms, or shows no picture.

    Example:
        >>> ExplainCallback(samples=probe_samples(dataset["test"]))
    """
    rows = islice(dataset, count)
    return [_sample(row, index, prefix) for index, row in enumerate(rows)]


def _sample(row: Mapping[str, Any], index: int, prefix: str) -> Sample:
    name = f"{prefix}{row.get('id') or f'{index:04d}'}"
    given: Any = next((row[key] for key in _PICTURES if row.get(key) is not None), [])
    pictures = list(given) if isinstance(given, (list, tuple)) else [given]
    found = next((keys for keys in _TURNS if all(row.get(key) for key in keys)), None)
    if found is None:
        raise ValueError(
            f"row {index}: expected messages, or a prompt with a completion, a chosen answer or "
            f"neither, got {', '.join(row)}"
        )
    messages = [message for key in found for message in _turn(row[key], key)]
    places = sum(len(list(_places(message))) for message in messages)
    if not places and pictures:
        # As TRL does: the pictures go before what the user says first.
        messages = _shown(messages, len(pictures))
    return Sample(name, pictures, messages=messages)


def _turn(said: Any, key: str) -> list[dict[str, Any]]:
    if isinstance(said, str):
        said = [{"role": "user" if key == "prompt" else "assistant", "content": said}]
    return [_message(message) for message in said]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys of other parts: a table of Arrow's gives each part those of all."""
    content = message["content"]
    if not isinstance(content, str) and isinstance(content, Sequence):
        content = [{k: v for k, v in part.items() if v is not None} for part in content]
    return {**{k: v for k, v in message.items() if v is not None}, "content": content}


def _places(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message["content"]
    parts = () if isinstance(content, str) else content
    return (part for part in parts if part.get("type") in ("image", "video"))


def _shown(messages: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    first = next((i for i, m in enumerate(messages) if m["role"] == "user"), 0)
    content = messages[first]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    shown = {**messages[first], "content": [*[{"type": "image"}] * count, *parts]}
    return [*messages[:first], shown, *messages[first + 1 :]]
