"""Index records as the panel's table gets them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion, payload_length
from mmx_core.events.tags import INDEX_PREFIX, PREFIX, natural_key
from mmx_core.events.wire import decode_record
from tb_mmx_plugin.frame import finite

MAX_BYTES = 64 * 1024 * 1024
_LEFT_OUT = {"error": "left out: the run's records are too large; ask for single tags"}

Datum = Any


def decoded_records(found: Mapping[str, Sequence[Datum]]) -> list[dict[str, Any]]:
    """Decoded index records, as many of them as fit into an answer once unpacked."""
    records: list[dict[str, Any]] = []
    room = MAX_BYTES
    for index_tag, series in sorted(found.items(), key=lambda item: natural_key(item[0])):
        tag = PREFIX + index_tag.removeprefix(INDEX_PREFIX)
        for datum in series:
            record, size = _record(datum, tag) if room > 0 else (_LEFT_OUT, 0)
            room -= size
            place = {"step": datum.step, "wall_time": finite(datum.wall_time)}
            records.append({**record, "tag": tag, **place})
    return records


def _record(datum: Datum, tag: str) -> tuple[dict[str, Any], int]:
    """The record, or why it cannot be read; and how large it is."""
    try:
        values = datum.numpy.ravel().tolist()
        if len(values) != 1 or not isinstance(values[0], bytes):
            raise DamagedBlob(f"index record: expected 1 blob, got {len(values)} values")
        return decode_record(values[0], tag=tag, step=datum.step), payload_length(values[0])
    except DamagedBlob as error:
        text = f"damaged: {error}"
    except UnsupportedVersion as error:
        text = str(error)
    return {"error": text}, len(text)
