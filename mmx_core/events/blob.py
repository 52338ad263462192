"""The blob envelope: bytes that say what they are and can be checked alone (wire_format.md).

Decoding treats its input as hostile: nothing is allocated before lengths, checksum and shape
have been checked.
"""

from __future__ import annotations

import json
import math
import reprlib
import struct
import zlib
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"MMXB"
VERSION = 1
MISSING_CODE = 255
TOP_CODE = 254
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
# A byte of JSON can become some fifty bytes of Python objects, so JSON has a limit of its own.
MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_DIMENSIONS = 4
# Measured on 25 tokens at five scales up to 56 x 56: level 1 takes 6.5 ms, level 4 takes 7.8 ms and
# saves 4 %, level 6 takes 14 ms and saves 6 %, level 9 takes 98 ms and saves 8 %.
COMPRESSION_LEVEL = 4

_FIXED = struct.Struct("<4sBBBBII")
_CRC_OFFSET = 8
_STORED, _ZLIB = 0, 1
_FLOAT16_MAX = float(np.finfo(np.float16).max)
# Keeps offset + scale * code within float32, where the decoder computes.
_LARGEST_CODED = np.float32(1e38)
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)

FloatArray = NDArray[np.floating[Any]]


MAX_JSON_DEPTH = 64


_LONGEST_QUOTE = 200
_clipping = reprlib.Repr()
_clipping.maxlevel, _clipping.maxstring, _clipping.maxother = 1, 128, 128


class DamagedBlob(ValueError):
    """Bytes that are not what the wire format says; the message names what and where."""


class UnsupportedVersion(ValueError):
    """A blob or header of a newer version than this reader knows."""


def quoted(value: Any) -> str:
    """What a log holds, for a message: cut where it is long, as a stranger's may be."""
    return _clipping.repr(value)[:_LONGEST_QUOTE]


class Dtype(IntEnum):
    """What a payload holds."""

    QUANTISED = 0
    FLOAT16 = 1
    FLOAT32 = 2
    JSON = 3
    RAW = 4


_ITEM_BYTES = {Dtype.QUANTISED: 1, Dtype.FLOAT16: 2, Dtype.FLOAT32: 4}


def encode_maps(maps: FloatArray) -> bytes:
    """Encodes maps as uint8 codes with one scale and offset per map.

    Args:
        maps: ``(n, ...)`` of 1 to 4 dimensions; NaN is kept.

    Returns:
        A blob whose values differ by at most 1/255 of their map's range. Maps that codes cannot
        carry (infinities, the extremes of float32) are stored as float32.
    """
    cells = math.prod(maps.shape[1:])
    flat = np.ascontiguousarray(maps, dtype=np.float32).reshape(len(maps), cells)
    if flat.size == 0:
        low = high = np.zeros(len(flat), np.float32)
    else:
        low = np.nan_to_num(np.fmin.reduce(flat, axis=1), nan=0.0, posinf=np.inf, neginf=-np.inf)
        high = np.nan_to_num(np.fmax.reduce(flat, axis=1), nan=0.0, posinf=np.inf, neginf=-np.inf)
    if (np.maximum(-low, high) > _LARGEST_CODED).any():
        return encode_array(maps, Dtype.FLOAT32)
    spread = high - low
    scale = (spread / np.float32(TOP_CODE)).astype(np.float32)
    if ((spread > 0) & (scale < _SMALLEST_NORMAL)).any():
        return encode_array(maps, Dtype.FLOAT32)
    divisor = np.where(scale > 0, scale, np.float32(1))
    codes = (flat - low[:, None]) / divisor[:, None]
    missing = np.isnan(codes)
    codes = np.rint(np.minimum(np.where(missing, np.float32(0), codes), TOP_CODE))
    coded = codes.astype(np.uint8)
    coded[missing] = MISSING_CODE
    payload = scale.astype("<f4").tobytes() + low.astype("<f4").tobytes() + coded.tobytes()
    return _seal(Dtype.QUANTISED, maps.shape, payload)


def encode_array(array: FloatArray, dtype: Dtype = Dtype.FLOAT16) -> bytes:
    """Encodes an array of 0 to 4 dimensions as IEEE floats.

    Args:
        array: Any float array; NaN is kept.
        dtype: ``FLOAT16`` or ``FLOAT32``. Values beyond float16's range widen the blob to
            float32, since an infinity would be a lie.
    """
    if dtype is Dtype.FLOAT16:
        with np.errstate(invalid="ignore"):
            if (np.isfinite(array) & (np.abs(array) > _FLOAT16_MAX)).any():
                dtype = Dtype.FLOAT32
    kind = {Dtype.FLOAT16: "<f2", Dtype.FLOAT32: "<f4"}.get(dtype)
    if kind is None:
        raise ValueError(f"dtype: expected FLOAT16 or FLOAT32, got {dtype!r}")
    return _seal(dtype, array.shape, np.ascontiguousarray(array).astype(kind).tobytes())


def encode_json(value: Any) -> bytes:
    """Encodes a JSON value; raises ValueError where it holds NaN or an infinity."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate (half an emoji in one token) has no UTF-8 form and becomes "?".
    return _seal(Dtype.JSON, (), text.encode("utf-8", "replace"))


def encode_bytes(data: bytes) -> bytes:
    """Encodes raw bytes as they are; image files are compressed already."""
    return _seal(Dtype.RAW, (), data, compress=False)


def decode_array(blob: bytes) -> FloatArray:
    """Decodes an array blob to float32 with its shape.

    Raises:
        DamagedBlob: The blob is not a sound array blob.
        UnsupportedVersion: It was written by a newer version.
    """
    dtype, shape, payload = _open(blob)
    if dtype not in _ITEM_BYTES:
        raise DamagedBlob(f"expected an array, got {dtype.name}")
    if dtype is not Dtype.QUANTISED:
        kind = "<f2" if dtype is Dtype.FLOAT16 else "<f4"
        return np.frombuffer(payload, kind).astype(np.float32).reshape(shape)
    count = shape[0]
    scale = np.frombuffer(payload, "<f4", count)
    offset = np.frombuffer(payload, "<f4", count, offset=4 * count)
    if not (np.isfinite(scale).all() and np.isfinite(offset).all() and (scale >= 0).all()):
        raise DamagedBlob("scale or offset of a map is negative or not finite")
    codes = np.frombuffer(payload, np.uint8, offset=8 * count)
    if codes.size == 0:
        return np.zeros(shape, np.float32)
    codes = codes.reshape(count, -1)
    values = codes.astype(np.float32)
    with np.errstate(over="ignore"):
        values *= scale[:, None]
        values += offset[:, None]
    values[codes == MISSING_CODE] = np.nan
    return values.reshape(shape)


def decode_json(blob: bytes, *, limit: int = MAX_JSON_BYTES) -> Any:
    """Decodes a JSON blob of at most ``limit`` bytes; raises as :func:`decode_array` does."""
    dtype, _, payload = _open(blob, limit)
    if dtype is not Dtype.JSON:
        raise DamagedBlob(f"expected JSON, got {dtype.name}")
    try:
        text = payload.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:  # Only an escape can stand for half a character.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise DamagedBlob("JSON is nested too deeply") from None
    except ValueError as error:
        raise DamagedBlob(f"not JSON: {error}") from None
    _check_json(value)
    return value


def _check_json(value: Any) -> None:
    """Refuses what the parser took but other readers would not: infinities and deep nesting."""
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        if any(isinstance(item, (int, float)) and not _has_float(item) for item in level):
            raise DamagedBlob("not JSON: a number is beyond what a float can hold")
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise DamagedBlob(f"JSON is nested more than {MAX_JSON_DEPTH} deep")


def _has_float(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def decode_bytes(blob: bytes) -> bytes:
    """Decodes a raw blob; raises as :func:`decode_array` does."""
    dtype, _, payload = _open(blob)
    if dtype is not Dtype.RAW:
        raise DamagedBlob(f"expected raw bytes, got {dtype.name}")
    return payload


def array_shape(blob: bytes) -> tuple[int, ...]:
    """The shape of an array blob whose checksum and lengths are right; unpacks nothing.

    Raises as :func:`decode_array` does.
    """
    dtype, shape, *_ = _check_envelope(blob)
    if dtype not in _ITEM_BYTES:
        raise DamagedBlob(f"expected an array, got {dtype.name}")
    return shape


def payload_length(blob: bytes) -> int:
    """The bytes that a blob says it unpacks to, unchecked; 0 where it has no room to say so."""
    return int(_FIXED.unpack_from(blob)[-1]) if len(blob) >= _FIXED.size else 0


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _seal(dtype: Dtype, shape: tuple[int, ...], payload: bytes, *, compress: bool = True) -> bytes:
    if len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"shape: expected at most {MAX_DIMENSIONS} dimensions, got {shape}")
    limit = MAX_JSON_BYTES if dtype is Dtype.JSON else MAX_PAYLOAD_BYTES
    if len(payload) > limit:
        raise ValueError(f"payload: expected at most {limit} bytes, got {len(payload)}")
    compression, body = _STORED, payload
    if compress:
        packed = zlib.compress(payload, COMPRESSION_LEVEL)
        if len(packed) < len(payload):
            compression, body = _ZLIB, packed
    head = _FIXED.pack(MAGIC, VERSION, dtype, compression, len(shape), 0, len(payload))
    blob = bytearray(head + struct.pack(f"<{len(shape)}I", *shape) + body)
    struct.pack_into("<I", blob, _CRC_OFFSET, zlib.crc32(blob))
    return bytes(blob)


def _open(blob: bytes, limit: int = MAX_PAYLOAD_BYTES) -> tuple[Dtype, tuple[int, ...], bytes]:
    """Checks a blob, in the order of wire_format.md; returns dtype, shape and payload."""
    dtype, shape, compression, length = _check_envelope(blob)
    if length > limit:
        raise DamagedBlob(f"byte 12: expected at most {limit} bytes, {length} declared")
    unpack = _inflate if compression == _ZLIB else _stored
    return dtype, shape, unpack(blob, _FIXED.size + 4 * len(shape), length)


def _check_envelope(blob: bytes) -> tuple[Dtype, tuple[int, ...], int, int]:
    """Checks all but the payload's content; returns dtype, shape, compression and length."""
    if len(blob) < _FIXED.size:
        raise DamagedBlob(f"expected at least {_FIXED.size} bytes, got {len(blob)}")
    magic, version, code, compression, dimensions, checksum, length = _FIXED.unpack_from(blob)
    if magic != MAGIC:
        raise DamagedBlob(f"byte 0: expected the magic {MAGIC!r}, got {magic!r}")
    if version > VERSION:
        raise UnsupportedVersion(f"blob version {version}; this reader knows up to {VERSION}")
    if version != VERSION or dimensions > MAX_DIMENSIONS or compression > _ZLIB:
        raise DamagedBlob(
            f"byte 4: version {version}, compression {compression}, {dimensions} dimensions"
        )
    body = _FIXED.size + 4 * dimensions
    if len(blob) < body:
        raise DamagedBlob(f"byte {_FIXED.size}: the shape is cut short")
    cleared = zlib.crc32(b"\0\0\0\0", zlib.crc32(memoryview(blob)[:_CRC_OFFSET]))
    if zlib.crc32(memoryview(blob)[_CRC_OFFSET + 4 :], cleared) != checksum:
        raise DamagedBlob("byte 8: the checksum does not match")
    try:
        dtype = Dtype(code)
    except ValueError:
        raise DamagedBlob(f"byte 5: unknown dtype {code}") from None
    shape = struct.unpack_from(f"<{dimensions}I", blob, _FIXED.size)
    _check_size(dtype, shape, length)
    return dtype, shape, compression, length


def _check_size(dtype: Dtype, shape: tuple[int, ...], length: int) -> None:
    if dtype in _ITEM_BYTES:
        expected = math.prod(shape) * _ITEM_BYTES[dtype]
        if dtype is Dtype.QUANTISED:
            if not shape:
                raise DamagedBlob("byte 7: quantised maps need a dimension")
            expected += 8 * shape[0]
        if expected != length:
            raise DamagedBlob(f"byte 12: shape {shape} needs {expected} bytes, {length} declared")
        # An empty array may have sides that no array can have.
        if math.prod(side for side in shape if side) > MAX_PAYLOAD_BYTES:
            raise DamagedBlob(f"byte 16: shape {shape} is no array's")
    elif shape:
        raise DamagedBlob(f"byte 7: {dtype.name} has no dimensions, got {len(shape)}")
    limit = MAX_JSON_BYTES if dtype is Dtype.JSON else MAX_PAYLOAD_BYTES
    if length > limit:
        raise DamagedBlob(f"byte 12: expected at most {limit} bytes, {length} declared")


def _stored(blob: bytes, body: int, length: int) -> bytes:
    if len(blob) - body != length:
        raise DamagedBlob(f"byte {body}: expected {length} bytes, got {len(blob) - body}")
    return bytes(blob[body:])


def _inflate(blob: bytes, body: int, length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        # One byte more than declared is enough to see that there is too much.
        payload = inflater.decompress(memoryview(blob)[body:], length + 1)
    except zlib.error as error:
        raise DamagedBlob(f"byte {body}: {error}") from None
    if len(payload) != length or not inflater.eof or inflater.unused_data:
        raise DamagedBlob(f"byte {body}: decompression does not end at {length} bytes")
    return payload
