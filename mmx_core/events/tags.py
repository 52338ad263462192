"""Names in the event file, shared by writer, reader and plugin; imports nothing heavy."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

PLUGIN = "mmx"
INDEX_PLUGIN = "mmx_index"
PLUGIN_CONTENT = b'{"version": 1}'
PREFIX = "mmx/"
INDEX_PREFIX = "mmx_index/"
IMAGE_PREFIX = "mmx/images/"
DEFAULT_SET = "default"
RESERVED_SET = "images"


class SampleTags(NamedTuple):
    """The tags of one sample: its explanations' and its index records'."""

    explanation: str
    record: str


def sample_tags(tag: str) -> SampleTags:
    """Tags of a sample as its user names it.

    Args:
        tag: ``SET/SAMPLE``; a name without a slash goes to the set ``default``. The full
            ``mmx/SET/SAMPLE`` is taken, too.

    Raises:
        ValueError: A part is empty, a character is not printable, or the set is ``images``.
    """
    name = tag.removeprefix(PREFIX)
    if "/" not in name:
        name = f"{DEFAULT_SET}/{name}"
    if not all(name.split("/")) or not name.isprintable():
        raise ValueError(f"tag: expected SET/SAMPLE without empty parts, got {tag!r}")
    if name.startswith(f"{RESERVED_SET}/"):
        raise ValueError(f"tag: the set {RESERVED_SET!r} is reserved for images, got {tag!r}")
    return SampleTags(PREFIX + name, INDEX_PREFIX + name)


def image_hash(tag: str) -> str | None:
    """The hash of an image's tag, or None for any other tag."""
    return tag.removeprefix(IMAGE_PREFIX) if tag.startswith(IMAGE_PREFIX) else None


def shown_name(name: str) -> str:
    """A name with its percent-escapes decoded, for people; what is no escape stays as it is."""

    def decoded(escapes: re.Match[str]) -> str:
        try:
            return unquote_to_bytes(escapes[0]).decode()
        except UnicodeDecodeError:
            return escapes[0]

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", decoded, name)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts numbers within names by value, so that ``2`` comes before ``10``.

    Never through ``int``: it refuses thousands of digits, and names come from strangers.
    """
    parts = re.split(r"([0-9]+)", name)
    numbers = (part.lstrip("0") if part[0] in "0123456789" else None for part in parts if part)
    texts = (part for part in parts if part)
    return [
        (1, 0, text) if number is None else (0, len(number), number)
        for number, text in zip(numbers, texts, strict=True)
    ]
