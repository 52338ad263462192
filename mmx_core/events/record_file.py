"""The file format below the events: length, checksum, data, checksum (TFRecord).

TensorBoard's own reader and writer compute CRC-32C in pure Python, 2 to 8 MB/s; here it is in C.
The reader also goes on after a damaged record, where TensorBoard's gives up the rest of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

from google_crc32c import value as crc32c
from tensorboard.compat import tf

from mmx_core.events.tags import MAX_TAG_BYTES

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_FRAME_BYTES = _LENGTH.size + 2 * _CHECKSUM.size
# Where an event's step and its first tag are: a tag's longest, and what stands before it.
_GLANCE_BYTES = MAX_TAG_BYTES + 128


# What a file begins with that holds no records as they are, and what to say of it.
_COMPRESSED = "the file is compressed with {}; unpack it: {}"
_NO_EVENTS = {
    b"\x1f\x8b\x08": _COMPRESSED.format("gzip", "gunzip"),
    b"\x28\xb5\x2f\xfd": _COMPRESSED.format("Zstandard", "zstd -d"),
    b"\xfd7zXZ\x00": _COMPRESSED.format("xz", "unxz"),
    b"BZh": _COMPRESSED.format("bzip2", "bunzip2"),
    b"PK\x03\x04": _COMPRESSED.format("zip", "unzip"),
    b"\x04\x22\x4d\x18": _COMPRESSED.format("LZ4", "lz4 -d"),
    b"version http": "the file is a pointer of Git LFS, not what it stands for: git lfs pull",
}


def frame_record(data: bytes) -> bytes:
    """A record's bytes as they stand in the file."""
    length = _LENGTH.pack(len(data))
    checksums = (_CHECKSUM.pack(_masked(part)) for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def read_records(
    path: str,
    report: Callable[[str], None],
    report_cut: Callable[[str], None] = lambda reason: None,
) -> Iterator[bytes]:
    """Yields a file's records, tolerant of a tail that is cut short or still being written.

    Args:
        path: A file or a URL that TensorBoard can read.
        report: Called with what is wrong at which byte, for each damaged record.
        report_cut: Called where the file ends within a record.
    """
    size = tf.io.gfile.stat(path).length
    position = 0
    with tf.io.gfile.GFile(path, "rb") as file:
        while size - position >= _FRAME_BYTES:
            head = file.read(_LENGTH.size + _CHECKSUM.size)
            if len(head) < _LENGTH.size + _CHECKSUM.size:
                break  # the file has shrunk
            (length,) = _LENGTH.unpack_from(head)
            if _CHECKSUM.unpack_from(head, _LENGTH.size)[0] != _masked(head[: _LENGTH.size]):
                other = (told for first, told in _NO_EVENTS.items() if head.startswith(first))
                told = f"byte {position}: a record's length is damaged; the rest is unreadable"
                report(told if position else next(other, told))
                return
            if length > size - position - _FRAME_BYTES:
                break
            data, checksum = file.read(length), file.read(_CHECKSUM.size)
            if len(checksum) < _CHECKSUM.size:
                break
            if _CHECKSUM.unpack(checksum)[0] == _masked(data):
                yield data
            else:
                report(f"byte {position}: a record's checksum does not match")
            position += _FRAME_BYTES + length
    if position < size:
        report_cut(f"byte {position}: the file ends within a record")


def _masked(data: bytes) -> int:
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_heads(file: BinaryIO, size: int) -> Iterator[tuple[int, str, int]]:
    """What an event file of ours holds, without reading what its records carry.

    Args:
        file: Open for reading, at its beginning.
        size: Its bytes.

    Yields:
        Per record where it ends, the tag of its first value (empty for none) and its step. Stops
        before a record that is cut short or whose length is damaged.
    """
    position = 0
    while size - position >= _FRAME_BYTES:
        file.seek(position)
        head = file.read(_LENGTH.size + _CHECKSUM.size + _GLANCE_BYTES)
        (length,) = _LENGTH.unpack_from(head)
        if _CHECKSUM.unpack_from(head, _LENGTH.size)[0] != _masked(head[: _LENGTH.size]):
            return
        position += _FRAME_BYTES + length
        if position > size:
            return
        yield position, *_tag_and_step(head[_LENGTH.size + _CHECKSUM.size :][:length])


def _tag_and_step(event: bytes) -> tuple[str, int]:
    """Of an event's first bytes: protocol buffers write fields in their order, the tag early."""
    step, place = 0, 0
    with suppress(IndexError):
        while place < len(event):
            key, place = _varint(event, place)
            if key == 9:  # wall_time, a double
                place += 8
            elif key == 16:  # step
                step, place = _varint(event, place)
                step -= (step >> 63) << 64
            elif key == 42:  # summary: its first value, whose first field is the tag
                for expected in (None, 10, None, 10):
                    found, place = _varint(event, place)
                    if expected not in (None, found):
                        return "", step
                length, place = _varint(event, place)
                return event[place : place + length].decode("utf-8", "replace"), step
            else:
                break
    return "", step


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
        shift += 7
