"""Names in the event file, shared by writer, reader and plugin; imports nothing of ours.

TensorBoard's data server cannot parse its own key of a blob where JSON escapes a character of the
tag: what is not printable, quotes and backslashes are percent-encoded in tags, and shown decoded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

PLUGIN = "mmx"
INDEX_PLUGIN = "mmx_index"
PLUGIN_CONTENT = b'{"version": 1}'
PREFIX = "mmx/"
INDEX_PREFIX = "mmx_index/"
IMAGE_PREFIX = "mmx/images/"
# Where no sample's tag can be: of a set's means, and of single samples.
MEANS_PREFIX = "mmx_metrics/"
SAMPLE_METRICS_PREFIX = "mmx_sample_metrics/"
DEFAULT_SET = "default"
RESERVED_SETS = {
    "images": "the set 'images' is reserved for images",
    "mmx": "a set 'mmx' could not be told from the prefix of every tag",
}
MAX_TAG_BYTES = 16_384
_UNSAFE = '%"\\'
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


class SampleTags(NamedTuple):
    """The tags of one sample: its explanations', its index records', and before its metrics."""

    explanation: str
    record: str
    metrics: str


def sample_tags(tag: str) -> SampleTags:
    """Tags of a sample as its user names it.

    Args:
        tag: ``SET/SAMPLE``; a name without a slash goes to the set ``default``. The full
            ``mmx/SET/SAMPLE``, as it is stored, is taken, too. A sample's name may hold anything.

    Raises:
        TypeError: It is no string.
        ValueError: Set or sample is empty, the set is reserved, or the name is too long.
    """
    if not isinstance(tag, str):
        raise TypeError(f"tag: expected SET/SAMPLE, a string, got {type(tag).__name__}")
    full = tag.startswith(PREFIX) and "/" in tag[len(PREFIX) :]
    name = shown_name(tag) if full else tag
    set_name, slash, sample = name.partition("/")
    if not slash:
        set_name, sample = DEFAULT_SET, name
    if not set_name or not sample:
        raise ValueError(f"tag: expected SET/SAMPLE, neither of them empty, got {_clipped(tag)}")
    if set_name in RESERVED_SETS:
        raise ValueError(
            f"tag: {RESERVED_SETS[set_name]}, got {_clipped(tag)}; name the set otherwise"
        )
    stored = f"{encoded(set_name)}/{encoded(sample)}"
    if len(stored.encode()) > MAX_TAG_BYTES:
        raise ValueError(
            f"tag: expected at most {MAX_TAG_BYTES} bytes, got {len(stored.encode())} of "
            f"{_clipped(tag)}; give the sample a shorter id"
        )
    return SampleTags(PREFIX + stored, INDEX_PREFIX + stored, f"{SAMPLE_METRICS_PREFIX}{stored}/")


def means_prefix(set_name: str) -> str:
    """What stands before the name of a metric that is a mean over a set.

    Raises:
        TypeError: It is no string.
        ValueError: The name cannot be a set's.
    """
    if not isinstance(set_name, str):
        raise TypeError(f"set: expected a set's name, a string, got {type(set_name).__name__}")
    first = set_name.partition("/")[0]
    if first in RESERVED_SETS:
        raise ValueError(
            f"set: {RESERVED_SETS[first]}, got {_clipped(set_name)}; name it otherwise"
        )
    return MEANS_PREFIX + sample_tags(f"{set_name}/-").explanation[len(PREFIX) : -1]


def check_names(set_name: str, samples: Iterable[str]) -> None:
    """Refuses at once what could not be logged as ``SET/SAMPLE``.

    Raises:
        ValueError: A set's or a sample's name that cannot be stored.
    """
    means_prefix(set_name)
    for sample in samples:
        sample_tags(f"{set_name}/{sample}")


def check_run(logdir: str) -> None:
    """Refuses a directory whose name TensorBoard could not read blobs of.

    Args:
        logdir: As the user gives it: what stands above it may be called whatever it likes.

    Raises:
        ValueError: A part of the path holds a quote, a backslash or what is not printable.
    """
    path = logdir if os.sep == "/" else logdir.replace(os.sep, "/")
    for part in path.split("/"):
        if not part.isprintable() or '"' in part or "\\" in part:
            raise ValueError(
                f"logdir: expected names without quotes, backslashes and control characters, which "
                f"TensorBoard's data server cannot read, got {_clipped(part)}; rename the directory"
            )


def metric_tag(prefix: str, metric: str) -> str:
    """The scalar's tag below a prefix; the last slash is always the one before the metric."""
    return prefix + encoded(metric).replace("/", "%2F")


def encoded(name: str) -> str:
    """A name as it stands in a tag; :func:`shown_name` is its inverse."""
    return "".join(
        char if char.isprintable() and char not in _UNSAFE
        # As UTF-8; half a surrogate pair (a file's name in another encoding) stays what it is.
        else quote(char.encode("utf-8", "surrogatepass"), safe="")
        for char in name
    )  # fmt: skip


def shown_name(tag: str) -> str:
    """``SET/SAMPLE`` of a sample's tag, or any encoded name, as a person wrote it.

    What is no encoding, in logs of earlier versions, stays as it is.
    """

    def decoded(match: re.Match[str]) -> str:
        data = bytes.fromhex(match[0].replace("%", ""))
        try:
            text = data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return match[0]
        needless = any(
            char.isascii() and char.isprintable() and char not in _UNSAFE for char in text
        )
        return match[0] if needless else text

    return _ESCAPED.sub(decoded, tag.removeprefix(PREFIX))


def image_hash(tag: str) -> str | None:
    """The hash of an image's tag, or None for any other tag."""
    return tag.removeprefix(IMAGE_PREFIX) if tag.startswith(IMAGE_PREFIX) else None


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


def _clipped(name: str) -> str:
    return repr(name if len(name) <= 120 else f"{name[:80]}…{name[-30:]}")
