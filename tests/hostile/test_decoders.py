"""Whatever bytes and JSON come: a decoded value that is what it says, or a refusal of ours."""

from __future__ import annotations

import json
import math
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmx_core.events import blob as b
from mmx_core.events.blob import DamagedBlob, Dtype, UnsupportedVersion
from mmx_core.events.header import HeaderReader
from mmx_core.events.index_record import decode_record
from mmx_core.events.wire import check_explanation, decode_explanation, encode_explanation
from tb_mmx_plugin.frame import StepBlobs, frame_steps
from tests.events.test_blob import sealed
from tests.faults.memory import peak_bytes
from tests.faults.panel import tiny
from tests.hostile import forge
from tests.plugin.test_data import unframe

REFUSALS = (DamagedBlob, UnsupportedVersion)
SIDES = st.integers(0, 3) | st.sampled_from([2**16, 2**31, 2**32 - 1])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def lengths(dtype: int, shape: list[int]) -> st.SearchStrategy[int]:
    """Often the right one, so that what comes after the check is reached."""
    item = {0: 1, 1: 2, 2: 4}.get(dtype, 1)
    right = math.prod(shape) * item + (8 * shape[0] if dtype == 0 and shape else 0)
    return st.sampled_from([right % 2**32, 0, 16, 2**28, 2**32 - 1])


@st.composite
def blobs(draw) -> bytes:
    dtype = draw(st.integers(0, 5))
    shape = draw(st.lists(SIDES, max_size=4))
    length = draw(lengths(dtype, shape))
    content = draw(st.binary(max_size=40)) if length > 200 else bytes(length)
    compression = draw(st.integers(0, 2))
    body = zlib.compress(content) if compression == 1 else content
    return sealed(
        version=draw(st.sampled_from([1, 1, 1, 0, 2, 255])),
        dtype=dtype,
        compression=compression,
        shape=tuple(shape),
        length=length,
        body=body + draw(st.sampled_from([b"", b"", b"x"])),
    )


@given(blobs())
@settings(max_examples=500)
def test_a_sealed_lie_is_refused_and_what_is_decoded_has_the_shape_that_was_checked(blob):
    for decode in (b.decode_array, b.decode_json, b.decode_bytes):
        try:
            value = decode(blob)
        except REFUSALS:
            continue
        if decode is b.decode_array:
            assert value.shape == b.array_shape(blob)
            assert value.dtype == np.float32
        assert b.payload_length(blob) <= b.MAX_PAYLOAD_BYTES


@given(st.binary(max_size=80))
def test_noise_has_no_shape_and_some_length(noise):
    for blob in (noise, b"MMXB\x01" + noise):
        with pytest.raises(REFUSALS):
            b.array_shape(blob)
        assert 0 <= b.payload_length(blob) < 2**32


@pytest.mark.parametrize("dtype", [Dtype.QUANTISED, Dtype.FLOAT16, Dtype.FLOAT32])
@pytest.mark.parametrize("shape", [(0, *(2**32 - 1,) * 3), (2**32 - 1, 2**32 - 1, 0)])
def test_an_empty_array_of_impossible_sides_is_damage(dtype, shape):
    length = 8 * shape[0] if dtype is Dtype.QUANTISED else 0
    with pytest.raises(DamagedBlob, match=r"byte 1[26]"):
        b.decode_array(sealed(dtype=dtype, shape=shape, length=length % 2**32))


PATHS = st.sampled_from(
    [
        ("tokens",),
        ("tokens", "id"),
        ("tokens", "text", 0),
        ("tokens", "turn"),
        ("prompt_length",),
        ("images",),
        ("images", 0, "hash"),
        ("images", 0, "picture"),
        ("scales",),
        ("scales", 0),
        ("scales", 0, "factor"),
        ("scales", 0, "grids"),
        ("scales", 0, "grids", 0),
        ("scales", 0, "probability"),
        ("scales", 0, "rank"),
        ("scales", 0, "top"),
        ("scales", 0, "top", 0),
        ("grids",),
        ("grids", 0, 0),
        ("grounding",),
        ("candidates", 1),
        ("vocabulary",),
        ("metrics",),
        ("model",),
        ("provenance",),
        ("blobs",),
        ("blobs", 0),
        ("blobs", 0, "scale"),
        ("turns",),
        ("logged",),
        ("alternatives",),
        ("image_grounding",),
        ("image_gain",),
        ("image_gains",),
        ("version",),
    ]
)
BLOBS = encode_explanation(tiny())


@given(PATHS, ANY_JSON)
@settings(max_examples=400)
def test_any_json_anywhere_in_a_header_is_refused_or_read_alike_with_and_without_the_maps(
    path, junk
):
    header = forge.header()
    place = header
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = junk
    text = json.dumps(header)  # NaN and infinities among it, as nobody may write them
    changed = [forge.json_blob(text), *BLOBS[1:]]
    outcomes = []
    for read in (decode_explanation, check_explanation):
        try:
            read(changed, tag="mmx/val/1", step=3)
            outcomes.append(None)
        except REFUSALS as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    if "NaN" in text or "Infinity" in text:
        assert outcomes[0]


@given(ANY_JSON)
def test_any_json_as_a_whole_header_or_record_is_refused_or_read(value):
    with suppress(*REFUSALS):
        HeaderReader(value)
    with suppress(*REFUSALS):
        record = decode_record(forge.json_blob(json.dumps(value)))
        assert set(record) <= {"version"}


@given(
    st.sampled_from(["answer", "prompt", "tokens", "image", "grounding", "metrics", "bytes"]),
    ANY_JSON,
)
def test_a_record_has_values_of_their_kinds_or_is_refused(name, junk):
    text = json.dumps({"version": 1, "error": "unknown keys are left out", name: junk})
    try:
        record = decode_record(forge.json_blob(text))
    except REFUSALS:
        return
    kinds = {"answer": str, "prompt": str, "tokens": int, "metrics": dict, "bytes": int}
    assert set(record) == {"version", name}
    assert isinstance(record[name], kinds.get(name, (int, float, str, type(None))))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 10_000 + "]" * 10_000, "nested"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "nested"),
        ('{"version": NaN}', "NaN is not JSON"),
        ('{"version": 1, "grounding": Infinity}', "Infinity is not JSON"),
        ('{"version": 1, "grounding": -Infinity}', "-Infinity is not JSON"),
        ('{"version": 1, "grounding": 1e999}', "beyond what a float can hold"),
        ('{"version": 1, "metrics": {"a": [-1e400]}}', "beyond what a float can hold"),
        ('{"version": 1' + "0" * 5000 + "}", "not JSON"),
        ('{"version": 1, "answer": "\udfff"', None),
    ],
)
def test_json_that_other_readers_would_choke_on_is_damage(text, reason):
    blob = forge.json_blob(text.encode("utf-8", "replace").decode())
    for read in (b.decode_json, decode_record, lambda blob: check_explanation([blob])):
        with pytest.raises(DamagedBlob, match=reason):
            read(blob)


STEP_BLOBS = st.builds(
    StepBlobs,
    step=st.integers(-(2**63), 2**63 - 1),
    wall_time=st.none() | st.floats(),
    blobs=st.lists(st.binary(max_size=20), max_size=4),
    error=st.none() | st.text(max_size=20),
)


@given(st.lists(STEP_BLOBS, max_size=6))
def test_a_frame_gives_back_every_step_its_blobs_or_its_error(steps):
    framed = frame_steps(steps)
    (length,) = struct.unpack_from("<I", framed)
    json.loads(framed[4 : 4 + length], parse_constant=pytest.fail)
    for entry, step in zip(unframe(framed), steps, strict=True):
        assert entry["step"] == step.step
        assert entry.get("error") == step.error
        assert entry.get("blobs", []) == ([] if step.error is not None else list(step.blobs))


def test_an_explanation_of_many_bombs_is_refused_before_any_is_unpacked(monkeypatch):
    limit = 100 * forge.MEBIBYTE
    monkeypatch.setattr("mmx_core.events.wire.MAX_EXPLANATION_BYTES", limit)
    bombs = forge.bomb_blobs(2)

    def work() -> None:
        with pytest.raises(DamagedBlob, match=f"at most {limit} bytes in all"):
            decode_explanation(bombs)

    assert peak_bytes(work) < 10 * forge.MEBIBYTE


def test_a_bomb_is_checked_without_being_unpacked():
    bombs = forge.bomb_blobs(1)
    assert peak_bytes(lambda: check_explanation(bombs)) < 10 * forge.MEBIBYTE


def test_a_bomb_that_declares_less_than_it_holds_is_unpacked_no_further_than_that():
    small = sealed(dtype=0, compression=1, shape=(1, 100), length=108, body=forge.bomb()[28:])

    def work() -> None:
        with pytest.raises(DamagedBlob, match="does not end at 108"):
            b.decode_array(small)

    assert peak_bytes(work) < forge.MEBIBYTE


def test_an_explanation_that_no_reader_would_take_is_refused_when_written(monkeypatch):
    monkeypatch.setattr("mmx_core.events.wire.MAX_EXPLANATION_BYTES", 100)
    with pytest.raises(ValueError, match="expected at most 100 bytes in all"):
        encode_explanation(tiny())
