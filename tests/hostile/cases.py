"""Records for both decoders to refuse or read: those of rules.json, and any number of mutations.

``frontend/tests/golden/rules.bin.gz`` holds rules.json's as bytes, since only one language can make
them. Written by ``python -m tests.hostile.cases``.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmx_core.events.blob import decode_json
from mmx_core.events.wire import encode_explanation
from tests.events.golden import FOLDER, several
from tests.events.test_blob import sealed

TAG, STEP = "mmx/val/7", 300
COMPILED = FOLDER / "rules.bin.gz"
RULES = json.loads(Path(__file__).with_name("rules.json").read_text(encoding="utf-8"))
_HOLE = "\x7f"


@dataclass(frozen=True)
class Case:
    """Blobs, and whether they are read (None: whatever both decoders say)."""

    name: str
    blobs: list[bytes]
    accepted: bool | None = None


@cache
def base() -> tuple[bytes, ...]:
    """The blobs that all cases change: three images, a video, turns, words beside the answer."""
    return tuple(encode_explanation(several(2), tag=TAG, step=STEP))


def json_blob(text: bytes) -> bytes:
    """A header of that text, whatever it is."""
    return sealed(dtype=3, length=len(text), body=text)


def resealed(blob: bytes) -> bytes:
    """The blob with the checksum that it should have."""
    changed = bytearray(blob)
    if len(changed) >= 12:
        struct.pack_into("<I", changed, 8, 0)
        struct.pack_into("<I", changed, 8, zlib.crc32(changed))
    return bytes(changed)


@cache
def _plain_header() -> str:
    return json.dumps(decode_json(base()[0]), ensure_ascii=False)


def header_text(path: Sequence[Any] = (), text: str | None = None, *, drop: bool = False) -> str:
    """The header's JSON with one value written as that text, or left out."""
    header = json.loads(_plain_header())
    if not path:
        return _plain_header() if text is None else text
    place = header
    for part in path[:-1]:
        place = place[part]
    if drop:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = _HOLE
    return json.dumps(header, ensure_ascii=False).replace(f'"{_HOLE}"', text or "")


def of_rule(rule: dict[str, Any]) -> Case:
    """The case that a rule of rules.json describes.

    ``set`` a path of the header ``to`` a value, ``write`` JSON text there, or ``drop`` it; put
    hexadecimal bytes ``text_before``, ``text_after`` or ``bytes_in_text``; change a ``blob``'s
    ``bytes`` from ``at`` on, ``cut`` it, ``keep`` its beginning, ``append`` to it (its checksum is
    mended unless ``unsealed``); give the first ``maps`` another scale and offset.
    """
    blobs = list(base())
    path = rule.get("set", rule.get("write", rule.get("drop")))
    if path is not None or any("text" in key for key in rule):
        written = json.dumps(rule["to"]) if "to" in rule else rule.get("text")
        text = header_text(path or (), written, drop="drop" in rule).encode()
        inner = bytes.fromhex(rule.get("bytes_in_text", ""))
        text = text.replace(b'"prompt": "', b'"prompt": "' + inner, 1)
        before, after = (
            bytes.fromhex(rule.get(f"text_{side}", "")) for side in ("before", "after")
        )
        blobs[0] = json_blob(before + text + after)
    elif "maps" in rule:
        numbers = (bytes.fromhex(rule["maps"][name]) * 3 for name in ("scale", "offset"))
        body = b"".join(numbers) + bytes([*range(0, 254, 15), 255])
        blobs[1] = sealed(dtype=0, shape=(3, 2, 3), length=42, body=body)
    elif "blob" in rule:
        blob = bytearray(blobs[rule["blob"]])
        new = bytes.fromhex(rule.get("bytes", ""))
        at = rule.get("at", 0) % len(blob)
        blob[at : at + len(new)] = new
        blob = blob[: rule.get("keep", len(blob) - rule.get("cut", 0))]
        blob += bytes.fromhex(rule.get("append", ""))
        blobs[rule["blob"]] = bytes(blob) if rule.get("unsealed") else resealed(bytes(blob))
    blobs = blobs[: rule.get("blobs", len(blobs))] + [b"?"] * rule.get("extra", 0)
    return Case(rule["rule"], blobs, rule["verdict"] == "accept")


ODD = [
    *(
        "null true false 0 -0 0.0 1 1.0 1e0 -1 2 3 0.5 1.5 4096 1e15 1e308 1e400 NaN Infinity "
        "9007199254740991 9007199254740992 -9007199254740992 -Infinity -1e999 01 1. .5 +1 1,2"
    ).split(),
    *('"" "a" "10" "\\ud800" "\\ud83d\\ude00" "\\x" "\ufeff" \ufeff1 "').split(),
    *('[] [0] [1,2] [[]] [10,0.5] [10,null] [null] {} {"id":1} {"toString":1}').split(),
    *('{"name":"matrix"}', "1" * 310, "9" * 5000, '"a\nb"', ""),
    *("[" * 63 + "]" * 63, "[" * 200 + "]" * 200),
]


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a header."""
    yield here
    if isinstance(value, (dict, list)):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(inner, (*here, part))


def mutations(count: int, seed: int = 0) -> Iterator[Case]:
    """That many changed records, the same for the same seed."""
    dice = random.Random(seed)
    header = json.loads(_plain_header())
    everywhere = list(paths(header))
    # Few values lie near the top, where most rules are.
    shallow = [path for path in everywhere if len(path) < 3]
    wholes = [json.loads(text) for text in ODD if _is_json(text)]
    for number in range(count):
        blobs = list(base())
        kind = dice.choice(
            ("value", "value", "value", "drop", "structure", "text", "bytes", "bytes")
        )
        which = dice.randrange(len(blobs))
        path = dice.choice(dice.choice((everywhere, shallow)))
        if kind == "value":
            blobs[0] = json_blob(header_text(path, dice.choice(ODD)).encode())
        elif kind == "drop":
            blobs[0] = json_blob(
                header_text(path, drop=bool(path) and isinstance(path[-1], str)).encode()
            )
        elif kind == "structure":
            blobs[0] = json_blob(json.dumps(_restructured(dice, everywhere[1:], wholes)).encode())
        elif kind == "text":
            text = bytearray(header_text().encode())
            for _ in range(dice.randint(1, 2)):
                _scratch(text, dice)
            blobs[0] = json_blob(bytes(text))
        elif dice.random() < 0.1:
            blobs = dice.choice((blobs[:-1], blobs[::-1], [*blobs, blobs[0]]))
        else:
            blob = bytearray(blobs[which])
            for _ in range(dice.randint(1, 3)):
                _scratch(blob, dice, near=dice.choice((28, len(blob))))
            blobs[which] = bytes(blob) if dice.random() < 0.1 else resealed(bytes(blob))
        yield Case(f"{number} {kind} {path} blob {which}", blobs)


def _is_json(text: str) -> bool:
    try:
        json.dumps(json.loads(text), allow_nan=False)
    except ValueError:
        return False
    return True


def _restructured(dice: random.Random, everywhere: list[Any], wholes: list[Any]) -> Any:
    """The header with a list shortened, extended or turned, or two values of an object swapped."""
    changed = place = json.loads(_plain_header())
    for part in dice.choice(everywhere)[:-1]:
        place = place[part]
    if isinstance(place, list):
        added = [*place, dice.choice([*place, *wholes])]
        place[:] = dice.choice((place[:-1], place[::-1], added))
    else:
        first, second = dice.choice(list(place)), dice.choice(list(place))
        place[first], place[second] = place[second], place[first]
    return changed


def _scratch(data: bytearray, dice: random.Random, near: int | None = None) -> None:
    """Flips, removes, repeats or inserts some bytes; sometimes of what is dangerous."""
    at = dice.randrange(min(len(data), near or len(data))) if data else 0
    action = dice.randrange(6)
    if action < 2 and data:
        data[at] ^= 1 << dice.randrange(8)
    elif action == 2:
        del data[at : at + dice.randint(1, 4)]
    elif action == 3:
        del data[dice.randrange(len(data) + 1) :]
    elif action == 4:
        data[at:at] = data[at : at + dice.randint(1, 8)]
    else:
        new = dice.choice(
            (b"\xff", b"\0", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"e400", b"\\ud800", b"-")
        )
        data[at : at + dice.choice((0, len(new)))] = new


def packed(cases: Sequence[Case]) -> bytes:
    """All cases as one file: length, JSON, bytes; of blobs that are the base's only their index."""
    first = list(base())
    pieces, listed = list(first), []
    for case in cases:
        sizes: list[Any] = []
        for place, blob in enumerate(case.blobs):
            same = place < len(first) and blob == first[place]
            sizes.append(place if same else [len(blob)])
            if not same:
                pieces.append(blob)
        listed.append({"name": case.name, "accepted": case.accepted, "blobs": sizes})
    head = {"tag": TAG, "step": STEP, "base": [len(blob) for blob in first], "cases": listed}
    text = json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + b"".join(pieces)


if __name__ == "__main__":
    COMPILED.write_bytes(gzip.compress(packed([of_rule(rule) for rule in RULES]), mtime=0))
