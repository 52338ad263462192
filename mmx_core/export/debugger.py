"""What a debugger asks of a paused program: explanations as one string of plain letters."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mmx_core.events.tags import PREFIX
from mmx_core.explanation import Explanation
from mmx_core.export.standalone import PageEntry, page_data, placed_entries

LARGEST = 32_000_000
"""Bytes of explanations in one look."""
LONGEST = 5.0
"""Seconds: the paused thread waits for as long, and its debugger with it."""
DEEPEST = 3
"""Of lists in lists: a container may contain itself."""


def look(
    value: object, *, step: int = 0, most_bytes: int = LARGEST, seconds: float = LONGEST
) -> str:
    """What a viewer shows of a variable.

    Called by a debugger while the program stands still: it starts no thread, takes no lock, prints
    nothing, changes nothing, and neither imports torch nor calls the value's ``repr``.

    Args:
        value: An explanation, or a list, tuple, set or mapping that has some, also three deep.
        step: The program's stop: what is looked at again is a step of the same sample.
        most_bytes: Of explanations as logged; what comes after is left out.
        seconds: After which no further explanation is encoded.

    Returns:
        Base64 of a JSON object in ASCII, since a debugger answers with a ``repr``: ``data`` is what
        a standalone page carries (standalone.md), ``note`` a sentence on what was left out, or
        empty. Where there is nothing to show, ``trouble`` alone: a sentence that says why.
    """
    try:
        answer = _answer(value, step, most_bytes, seconds)
    except Exception as error:  # A viewer shows the reason; the program goes on as if never asked.
        answer = {"trouble": f"This value cannot be shown: {type(error).__name__}: {error}"}
    return b64encode(json.dumps(answer).encode("ascii")).decode("ascii")


def _answer(value: object, step: int, most_bytes: int, seconds: float) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    found = list(_explanations(value, "", DEEPEST))
    if not found:
        return {"trouble": _nothing_in(value)}
    entries: list[PageEntry] = []
    size = 0
    reason = ""
    for at, (name, explanation) in enumerate(found):
        if time.monotonic() > deadline and entries:
            reason = f"{seconds:g} seconds were up"
            break
        # Its pictures are packed already; refused before arrays are, which takes longest.
        size += sum(len(shown.image.data) for shown in explanation.images if shown.image)
        if size <= most_bytes:
            tag = f"{PREFIX}look/{name or 'value'}"
            entries += placed_entries([replace(explanation, run="", tag=tag, step=step)])
            size += sum(map(len, entries[-1].blobs))
        if size > most_bytes:
            reason = f"a look takes at most {most_bytes / 1e6:g} MB"
            del entries[at:]
            break
    if not entries:
        return {"trouble": f"It is too large: {reason}. Log it, and open the log."}
    left_out = f"{len(entries)} of {len(found)} explanations are shown: {reason}."
    return {"data": page_data(entries), "note": left_out if reason else ""}


def _explanations(value: object, name: str, depth: int) -> Iterator[tuple[str, Explanation]]:
    """Those in a value, each with where it stands there: ``[3]``."""
    if isinstance(value, Explanation):
        yield name, value
    elif depth and isinstance(value, Mapping):
        for key, entry in value.items():
            # A key of the user's own class is not asked for its repr.
            told = repr(key) if isinstance(key, str | int) else type(key).__name__
            yield from _explanations(entry, f"{name}[{told}]", depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for index, entry in enumerate(value):
            yield from _explanations(entry, f"{name}[{index}]", depth - 1)


def _nothing_in(value: object) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if kind == f"{Explanation.__module__}.{Explanation.__qualname__}":
        return "It is of another copy of mmx_core than the one imported now: was it reloaded?"
    return f"Expected an Explanation, or a list, tuple or dict of them, got {kind}."
