"""Fuzzes the blob decoder, guided by coverage. Not among the tests: atheris is an extra install.

    pip install atheris && python -m tests.hostile.fuzz_decoder CORPUS -max_total_time=60

CORPUS is a directory for what it finds worth keeping.
The input is a blob's bytes; its magic, version and checksum are put right, so that what lies behind
the checks is reached. Anything but a value or a refusal of ours is a finding.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mmx_core.events"]):
    from mmx_core.events import blob as b
    from mmx_core.events.header import HeaderReader
    from mmx_core.events.index_record import decode_record, encode_record
    from mmx_core.events.wire import check_explanation, decode_explanation, encode_explanation

from tests.faults.panel import tiny

REFUSALS = (b.DamagedBlob, b.UnsupportedVersion)
MAX_INPUT_BYTES = 4096


def put_right(data: bytes) -> bytes:
    """The data as a blob whose magic, version and checksum nobody can object to.

    Of an odd first byte the length is right, too: that of the payload as it is.
    """
    chosen, rest = data[:1], data[1:MAX_INPUT_BYTES]
    blob = bytearray(b"MMXB\x01" + rest.ljust(11, b"\0"))
    if chosen and chosen[0] % 2:
        blob[6] = 0
        struct.pack_into("<I", blob, 12, max(0, len(blob) - 16 - 4 * blob[7]))
    struct.pack_into("<I", blob, 8, 0)
    struct.pack_into("<I", blob, 8, zlib.crc32(blob))
    return bytes(blob)


def fuzz(data: bytes) -> None:
    """One input through every decoder."""
    blob = put_right(data)
    for read in (b.array_shape, b.decode_bytes, decode_record):
        with suppress(*REFUSALS):
            read(blob)
    with suppress(*REFUSALS):
        assert b.decode_array(blob).shape == b.array_shape(blob)
    with suppress(*REFUSALS):
        HeaderReader(b.decode_json(blob))
    for read in (decode_explanation, check_explanation):
        with suppress(*REFUSALS):
            read([blob, *BLOBS[1:]])


BLOBS = encode_explanation(tiny())


def seeds(folder: Path) -> None:
    """What the fuzzer starts from: real blobs, and a header and a record as plain text."""
    texts = [json.dumps(b.decode_json(blob)) for blob in (BLOBS[0], encode_record(tiny(), 1))]
    plain = [b"\x01" + b"\x03" + bytes(10) + text.encode() for text in texts]
    for place, seed in enumerate([*plain, *(b"\0" + blob[5:] for blob in BLOBS)]):
        (folder / str(place)).write_bytes(seed)


if __name__ == "__main__":
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    seeds(corpus)
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
