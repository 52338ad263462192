"""The index record: what a table needs of an explanation without opening maps (wire_format.md)."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any

import numpy as np

from mmx_core.events.blob import (
    DamagedBlob,
    UnsupportedVersion,
    decode_json,
    encode_json,
    quoted,
)
from mmx_core.events.checks import expect
from mmx_core.events.header import VERSION, check_place
from mmx_core.events.header_writer import logged_at, number
from mmx_core.explanation import Explanation

MAX_RECORD_BYTES = 1024 * 1024
MAX_INDEXED_CHARACTERS = 4000
"""Of an answer or a prompt: the index is read for all samples and steps at once."""

_FIGURE = (int, float, NoneType)


def _indexed(text: str) -> str:
    """The text, or its beginning with a mark that there is more."""
    whole = len(text) <= MAX_INDEXED_CHARACTERS
    return text if whole else text[: MAX_INDEXED_CHARACTERS - 1] + "…"


def _figure(values: Any, summary: Callable[[Any], Any]) -> float | None:
    known = np.asarray(values)[~np.isnan(values)]
    return number(summary(known)) if known.size else None


def _said(explanation: Explanation) -> Any:
    """Probabilities of the tokens that are no markup."""
    return explanation.base.probability[[not token.special for token in explanation.tokens]]


def _ranks(explanation: Explanation) -> Any:
    return np.concatenate([scale.rank for scale in explanation.scales])


_FIELDS: dict[str, tuple[tuple[type, ...], Callable[[Explanation], Any]]] = {
    "answer": ((str,), lambda e: _indexed(e.answer)),
    "prompt": ((str,), lambda e: _indexed(e.prompt)),
    "tokens": ((int,), lambda e: len(e.tokens)),
    "image": ((str, NoneType), lambda e: e.image.hash if e.image else None),
    "images": ((int,), lambda e: len(e.heatmaps)),
    "grounding": (_FIGURE, lambda e: _figure(e.grounding, np.mean)),
    "lowest_grounding": (_FIGURE, lambda e: _figure(e.grounding, np.min)),
    "lowest_probability": (_FIGURE, lambda e: _figure(_said(e), np.min)),
    "agreement": (_FIGURE, lambda e: number((_ranks(e) == 0).mean())),
    "metrics": ((dict,), lambda e: {str(name): number(v) for name, v in e.metrics.items()}),
}
"""What a record holds of an explanation: the types a reader takes, and where it comes from."""
_KINDS = {"version": (int,), **{name: kinds for name, (kinds, _) in _FIELDS.items()}}
_KINDS["bytes"] = (int,)


def encode_record(
    explanation: Explanation, byte_count: int, *, tag: str = "", step: int | None = None
) -> bytes:
    """Encodes the index record.

    Args:
        explanation: The explanation that was encoded.
        byte_count: Size of its blobs.
        tag: Where the explanation is logged, as for
            :func:`~mmx_core.events.wire.encode_explanation`.
        step: At which.
    """
    return encode_json(
        {
            "version": VERSION,
            **{name: tell(explanation) for name, (_, tell) in _FIELDS.items()},
            "bytes": byte_count,
            **logged_at(tag, step),
        }
    )


def decode_record(blob: bytes, *, tag: str = "", step: int | None = None) -> dict[str, Any]:
    """Decodes an index record; raises as :func:`~mmx_core.events.wire.decode_explanation` does.

    Args:
        blob: As it was logged.
        tag: The explanation's where it was found: elsewhere than it was logged it is damaged.
        step: At which it was found.
    """
    found = expect(decode_json(blob, limit=MAX_RECORD_BYTES), dict, "index record")
    version = expect(found.get("version"), int, "version")
    if version > VERSION:
        raise UnsupportedVersion(f"index version {version}; this reader knows up to {VERSION}")
    check_place(found, tag, step)
    record = {name: found[name] for name in _KINDS if name in found}
    for name, value in record.items():
        _check_kind(value, _KINDS[name], name)
    for name, value in record.get("metrics", {}).items():
        _check_kind(value, _FIGURE, f"metrics[{quoted(name)}]")
    return record


def _check_kind(value: Any, kinds: tuple[type, ...], where: str) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise DamagedBlob(f"{where}: expected {names}, got {type(value).__name__}")
