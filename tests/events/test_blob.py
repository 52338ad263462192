"""The blob envelope: what goes in comes out, and nothing damaged gets through."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mmx_core.events import blob as b
from mmx_core.events.blob import DamagedBlob, Dtype, UnsupportedVersion, quoted

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=False)
SHAPES = arrays.array_shapes(min_dims=2, max_dims=4, max_side=6)


def sealed(
    *, version: int = 1, dtype: int = 0, compression: int = 0, shape=(), length: int = 0, body=b""
) -> bytes:
    """A blob with a valid checksum and whatever else a test wants in it."""
    head = struct.pack("<4sBBBBII", b"MMXB", version, dtype, compression, len(shape), 0, length)
    blob = bytearray(head + struct.pack(f"<{len(shape)}I", *shape) + body)
    struct.pack_into("<I", blob, 8, zlib.crc32(blob))
    return bytes(blob)


@given(arrays.arrays(np.float32, SHAPES, elements=FLOATS))
def test_codes_stay_within_a_255th_of_each_maps_range_and_keep_nan(maps):
    decoded = b.decode_array(b.encode_maps(maps))
    assert decoded.shape == maps.shape
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(decoded), np.isnan(maps))
    for before, after in zip(maps, decoded, strict=True):
        known = before[~np.isnan(before)].astype(np.float64)
        if known.size:
            error = np.abs(after[~np.isnan(before)].astype(np.float64) - known).max()
            assert error <= (known.max() - known.min()) / 255


@given(arrays.arrays(np.float32, SHAPES, elements=st.floats(0, 50, width=32)))
def test_usual_maps_are_stored_as_codes(maps):
    spread = maps.reshape(len(maps), -1).max(1) - maps.reshape(len(maps), -1).min(1)
    tiny = ((spread > 0) & (spread / np.float32(254) < np.finfo(np.float32).tiny)).any()
    assert b.encode_maps(maps)[5] == (Dtype.FLOAT32 if tiny else Dtype.QUANTISED)


@pytest.mark.parametrize("value", [0.0, -3.25, 1e-45, 1e30, np.float32(0.1), np.nan])
def test_a_constant_map_comes_back_exactly(value):
    maps = np.full((2, 3, 4), value, np.float32)
    np.testing.assert_array_equal(b.decode_array(b.encode_maps(maps)), maps)


@pytest.mark.parametrize(
    "pair", [(-3.4e38, 3.4e38), (0, 1e-44), (0, np.inf), (-np.inf, 1), (-np.inf, np.inf)]
)
def test_maps_that_codes_cannot_carry_come_back_exactly(pair):
    maps = np.array([[pair]], np.float32)
    np.testing.assert_array_equal(b.decode_array(b.encode_maps(maps)), maps)


def test_the_largest_code_is_254_and_255_is_nan():
    encoded = b.encode_maps(np.array([[[0.0, 127.0, 254.0, np.nan]]], np.float32))
    assert encoded[-4:] == bytes([0, 127, 254, 255])
    assert struct.unpack_from("<ff", encoded, len(encoded) - 12) == (1.0, 0.0)


def test_empty_arrays_round_trip():
    for shape in [(0, 3, 4), (2, 0, 4)]:
        assert b.decode_array(b.encode_maps(np.zeros(shape, np.float32))).shape == shape


@given(
    arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=0, max_dims=4, max_side=4),
        elements=st.floats(width=32),
    )
)
def test_float32_arrays_round_trip_exactly(array):
    np.testing.assert_array_equal(b.decode_array(b.encode_array(array, Dtype.FLOAT32)), array)


@given(arrays.arrays(np.float32, (3, 2, 4), elements=st.floats(width=32)))
def test_float16_arrays_keep_11_bits_and_widen_beyond_their_range(array):
    decoded = b.decode_array(b.encode_array(array))
    np.testing.assert_allclose(decoded, array, rtol=2**-11, atol=2**-24)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_round_trips(value):
    assert b.decode_json(b.encode_json(value)) == value


def test_json_refuses_nan_and_mends_half_characters():
    with pytest.raises(ValueError, match="JSON compliant"):
        b.encode_json([float("nan")])
    assert b.decode_json(b.encode_json(["\ud83d"])) == ["?"]


@given(st.binary(max_size=200))
def test_raw_bytes_round_trip(data):
    assert b.decode_bytes(b.encode_bytes(data)) == data


def samples() -> list[tuple[bytes, object]]:
    maps = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    return [
        (b.encode_maps(maps), b.decode_array),
        (b.encode_maps(np.zeros((4, 9, 9), np.float32)), b.decode_array),
        (b.encode_array(maps), b.decode_array),
        (b.encode_json({"a": [1, None, "é"] * 9}), b.decode_json),
        (b.encode_bytes(b"image"), b.decode_bytes),
    ]


@pytest.mark.parametrize(("blob", "decode"), samples())
def test_every_truncation_is_detected(blob, decode):
    for end in range(len(blob)):
        with pytest.raises(DamagedBlob):
            decode(blob[:end])


@pytest.mark.parametrize(("blob", "decode"), samples())
def test_every_changed_byte_is_detected(blob, decode):
    for position in range(len(blob)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(blob)
            damaged[position] ^= flip
            with pytest.raises((DamagedBlob, UnsupportedVersion)):
                decode(bytes(damaged))


@given(st.binary(max_size=64))
def test_noise_is_never_data(noise):
    for decode in (b.decode_array, b.decode_json, b.decode_bytes):
        for blob in (noise, b"MMXB\x01" + noise):
            with pytest.raises((DamagedBlob, UnsupportedVersion)):
                decode(blob)


@given(
    dtype=st.integers(0, 6),
    compression=st.integers(0, 2),
    shape=st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 4), max_size=4),
    length=st.integers(0, 2**32 - 1) | st.integers(0, 64),
    body=st.binary(max_size=64),
)
@settings(max_examples=300)
def test_a_forged_header_with_a_valid_checksum_decodes_or_is_refused(
    dtype, compression, shape, length, body
):
    blob = sealed(
        dtype=dtype, compression=compression, shape=tuple(shape), length=length, body=body
    )
    for decode in (b.decode_array, b.decode_json, b.decode_bytes):
        try:
            decode(blob)
        except DamagedBlob:
            continue


BOMB = zlib.compress(bytes(64 * 1024 * 1024))


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (sealed(dtype=4, compression=1, length=10, body=BOMB), "does not end at 10"),
        (sealed(dtype=4, compression=1, length=2**29, body=BOMB), "at most 268435456"),
        (sealed(dtype=3, compression=1, length=2**25, body=BOMB), "at most 16777216"),
        (sealed(dtype=2, shape=(2**32 - 1,) * 4, length=16, body=bytes(16)), "needs"),
        (sealed(dtype=0, shape=(2**32 - 1, 0), length=0), "needs"),
        (sealed(dtype=0, length=1, body=b"1"), "need a dimension"),
        (sealed(dtype=3, shape=(1,), length=1, body=b"1"), "no dimensions"),
        (sealed(dtype=9), "unknown dtype 9"),
        (sealed(version=0), "version 0"),
        (sealed(dtype=4, compression=1, length=1, body=zlib.compress(b"1") + b"x"), "end at 1"),
        (sealed(dtype=4, compression=1, length=1, body=b"junk"), "byte 16"),
        (sealed(dtype=4, length=1, body=b"12"), "expected 1 bytes, got 2"),
        (sealed(dtype=0, shape=(1, 1), length=9, body=struct.pack("<ffB", -1, 0, 0)), "scale"),
        (sealed(dtype=0, shape=(1, 1), length=9, body=struct.pack("<ffB", 1, np.inf, 0)), "scale"),
    ],
)
def test_what_is_wrong_is_named(blob, message):
    with pytest.raises(DamagedBlob, match=message):
        (b.decode_bytes if blob[5] == 4 else b.decode_array)(blob)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[1" + b"1" * 5000 + b"]", "not JSON"),
        (b"\xff", "not JSON"),
        (b"{", "not JSON"),
    ],
)
def test_hostile_json_is_damage(text, message):
    with pytest.raises(DamagedBlob, match=message):
        b.decode_json(sealed(dtype=3, length=len(text), body=text))


def test_a_newer_version_is_told_apart_from_damage():
    with pytest.raises(UnsupportedVersion, match="version 2"):
        b.decode_array(sealed(version=2))


def test_what_no_reader_would_take_is_refused_when_written():
    with pytest.raises(ValueError, match="at most 268435456 bytes"):
        b.encode_bytes(bytes(b.MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(ValueError, match="at most 4 dimensions"):
        b.encode_array(np.zeros((1,) * 5, np.float32))


def test_what_a_message_quotes_is_short_whatever_it_is():
    nested = "x" * 1000
    for _ in range(6):
        nested = [nested] * 6
    for value in (nested, "y" * 10**6, {"z" * 10**6: nested}, 10**4000, None):
        assert len(quoted(value)) <= 200
    assert quoted("short") == "'short'"


def test_an_arrays_shape_is_known_without_unpacking_it():
    assert b.array_shape(b.encode_maps(np.ones((2, 3, 4), np.float32))) == (2, 3, 4)
    with pytest.raises(DamagedBlob, match="expected an array"):
        b.array_shape(b.encode_bytes(b"abc"))
