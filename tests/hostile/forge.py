"""Event files that lie: whatever a test wants in them, with right checksums around it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from mmx_core.events import records
from mmx_core.events.blob import encode_json
from mmx_core.events.index_record import encode_record
from mmx_core.events.sinks import EventFile
from mmx_core.events.wire import encode_explanation
from tests.events.test_blob import sealed
from tests.faults.panel import tiny

STEP = 3
MEBIBYTE = 1024 * 1024


def log(
    folder: Path,
    change: Callable[[Any], None] = lambda event: None,
    *,
    tag: str = "val/1",
    steps: Sequence[int] = (STEP,),
) -> None:
    """Logs an explanation per step, each event changed; value 0 holds its blobs, 1 its record."""
    file = EventFile(folder)
    for step in steps:
        event = records.explanation_event(tag, tiny(), step=step, wall_time=1.0)
        change(event)
        file.write(event)
    file.close()


def with_shape(value: int, *sides: int) -> Callable[[Any], None]:
    """Changes the shape that one of the event's tensors says it has."""

    def change(event: Any) -> None:
        shape = event.summary.value[value].tensor.tensor_shape
        del shape.dim[:]
        for side in sides:
            shape.dim.add().size = side

    return change


def with_floats(value: int) -> Callable[[Any], None]:
    """Puts numbers where strings belong."""

    def change(event: Any) -> None:
        event.summary.value[value].tensor.CopyFrom(TensorProto(dtype=DT_FLOAT, float_val=[1.5]))

    return change


def with_content(value: int) -> Callable[[Any], None]:
    """Gives a tensor of strings the raw content that only numbers have."""

    def change(event: Any) -> None:
        event.summary.value[value].tensor.tensor_content = b"pointers" * 4

    return change


def with_blobs(blobs: Sequence[bytes], value: int = 0) -> Callable[[Any], None]:
    """Replaces the blobs, the shape with them."""

    def change(event: Any) -> None:
        tensor = event.summary.value[value].tensor
        del tensor.string_val[:]
        tensor.string_val.extend(blobs)
        with_shape(value, len(blobs))(event)

    return change


def json_blob(text: str) -> bytes:
    """A blob of any text that claims to be JSON."""
    body = text.encode()
    return sealed(dtype=3, compression=1, length=len(body), body=zlib.compress(body))


def header() -> dict[str, Any]:
    """The header of the smallest explanation, to be changed."""
    return json.loads(json.dumps(_header()))


@cache
def _header() -> dict[str, Any]:
    from mmx_core.events.blob import decode_json

    return decode_json(encode_explanation(tiny())[0])


def with_header(**changes: Any) -> Callable[[Any], None]:
    """Changes keys of the header."""
    blob = encode_json({**header(), **changes})

    def change(event: Any) -> None:
        event.summary.value[0].tensor.string_val[0] = blob

    return change


@cache
def bomb(mebibytes: int = 32) -> bytes:
    """Maps of one token that unpack to that much, from a thousandth of it."""
    cells = mebibytes * MEBIBYTE
    inflated = zlib.compressobj(9)
    piece = bytes(MEBIBYTE)
    body = inflated.compress(bytes(8))
    body += b"".join(inflated.compress(piece) for _ in range(mebibytes)) + inflated.flush()
    return sealed(
        dtype=0, compression=1, shape=(1, mebibytes, MEBIBYTE), length=cells + 8, body=body
    )


def bomb_blobs(count: int, mebibytes: int = 32) -> list[bytes]:
    """An explanation of that many images, whose header agrees with its bombs."""
    grids = [[mebibytes, MEBIBYTE]] * count
    changed = header()
    changed["grids"] = changed["scales"][0]["grids"] = grids
    changed["images"] = []
    changed["blobs"] = [
        {"name": name, **scale, "image": image}
        for name, scale in (("maps", {"scale": 0}), ("heatmaps", {}))
        for image in range(count)
    ] + [{"name": "matrix"}]
    matrix = encode_explanation(tiny())[-1]
    return [encode_json(changed), *[bomb(mebibytes)] * (2 * count), matrix]


def record_of(size: int) -> bytes:
    """An index record whose answer has that many characters."""
    from mmx_core.events.blob import decode_json

    record = decode_json(encode_record(tiny(), 1))
    return encode_json({**record, "answer": "x" * size})
