"""Explanations as blobs: they come back whole, and a header that does not fit is damage."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion, decode_json, encode_json
from mmx_core.events.index_record import decode_record, encode_record
from mmx_core.events.wire import decode_explanation, decode_image, encode_explanation, encode_image
from tests.events import golden
from tests.plugin.test_data import unframe
from tests.support.explanations import assert_close, make_explanation, make_image, without_pixels

DEMO_SCALES = ((0.5, (7, 7)), (0.75, (10, 10)), (1.0, (14, 14)), (1.5, (21, 21)), (2.0, (28, 28)))


@pytest.mark.parametrize(
    "explanation",
    [
        make_explanation(),
        make_explanation(1, 0, ((1.0, (1, 1)),), metrics={}),
        make_explanation(40, 12, ((0.25, (1, 2)), (1.0, (5, 6))), smooth=False),
    ],
    ids=["usual", "smallest", "noisy"],
)
def test_an_explanation_comes_back_whole(explanation):
    read = decode_explanation(
        encode_explanation(explanation),
        images=lambda name: explanation.image if name == explanation.image.hash else None,
        run="a",
        tag="mmx/val/0007",
        step=300,
    )
    assert_close(read, explanation)
    assert (read.run, read.tag, read.step) == ("a", "mmx/val/0007", 300)


def test_an_explanation_without_image_or_lookup_has_none():
    explanation = make_explanation(image=None)
    assert decode_explanation(encode_explanation(explanation)).image is None
    assert decode_explanation(encode_explanation(make_explanation())).image is None


def test_nan_metrics_and_grounding_come_back_as_nan():
    explanation = make_explanation(metrics={"obj_iou": float("nan")})
    explanation = replace(explanation, grounding=np.full(5, np.nan, np.float32))
    read = decode_explanation(encode_explanation(explanation))
    assert np.isnan(read.metrics["obj_iou"])
    assert np.isnan(read.grounding).all()


def test_provenance_of_any_kind_becomes_json():
    explanation = make_explanation()
    provenance = {
        "model": "tiny",
        "scales": (0.5, 1),
        "nan": float("nan"),
        "count": np.int64(3),
        "array": np.arange(2),
        "where": {"line": 7},
        "other": complex(1, 2),
    }
    read = decode_explanation(encode_explanation(replace(explanation, provenance=provenance)))
    assert read.provenance == {
        "model": {"name": "tiny"},
        "scales": [0.5, 1],
        "nan": None,
        "count": 3,
        "array": [0, 1],
        "where": {"line": 7},
        "other": "(1+2j)",
    }


def test_a_demo_record_stays_within_60_kb():
    """25 tokens of the demo's largest image, 224 px, at its five scales."""
    explanation = make_explanation(25, 16, DEMO_SCALES)
    assert sum(map(len, encode_explanation(explanation))) <= 60_000


def header_with(change) -> list[bytes]:
    blobs = encode_explanation(make_explanation())
    header = copy.deepcopy(decode_json(blobs[0]))
    change(header)
    return [encode_json(header), *blobs[1:]]


def drop(*path):
    def change(header):
        for part in path[:-1]:
            header = header[part]
        del header[path[-1]]

    return change


def put(value, *path):
    def change(header):
        for part in path[:-1]:
            header = header[part]
        header[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("tokens"), "'tokens' is missing"),
        (drop("tokens", "text", 0), "tokens.text: expected 9 entries, got 8"),
        (put("x", "tokens", "id", 0), "tokens.id: expected int, got str"),
        (put(True, "tokens", "id", 0), "tokens.id: expected int, got bool"),
        (put(9, "prompt_length"), "prompt_length: 9 of 9"),
        (put(-1, "prompt_length"), "prompt_length: -1 of 9"),
        (put(3, "prompt_length"), r"expected shape \(3, 6, 9\), got \(3, 5, 9\)"),
        (drop("grounding", 0), "grounding: expected 5 entries, got 4"),
        (put("high", "grounding", 0), "grounding: expected a number, got str"),
        (put(10**400, "grounding", 0), "beyond what a float can hold"),
        (put([[0, 4]], "grids"), "at least 1 x 1, got 0 x 4"),
        (put([[12, 17]], "grids"), r"expected shape \(5, 12, 17\), got \(5, 12, 16\)"),
        (put([[12, 16]] * 2, "grids"), r"blob \('heatmaps', 1\): missing"),
        (put([[12, 16]] * 5000, "grids"), "expected 1 to 4096 images, got 5000"),
        (put([[3, 4]] * 2, "scales", 0, "grids"), "expected those of 1 images, got 2"),
        (put([[0.5] * 5] * 2, "image_grounding"), "image_grounding: expected 1 entries, got 2"),
        (put([{"hash": 3}], "images"), "images.hash: expected str, got int"),
        (put([{"hash": None, "frames": [0]}], "images"), "images.seconds: expected 1 entries"),
        (put([3], "turns"), "turns: expected str, got int"),
        (put([0], "tokens", "turn"), "tokens.turn: expected 9 entries, got 1"),
        (
            put([{"context": 1, "token": [10, 0.5], "grounding": 0.5}], "alternatives"),
            r"blob \('alternatives', 0\): missing",
        ),
        (put([[3, 4, 1]], "scales", 0, "grids"), "expected 2 entries, got 3"),
        (put(None, "scales", 0, "factor"), "factor: expected a positive number, got nan"),
        (put(3.0, "scales", 0, "factor"), "expected ascending factors"),
        (put([], "scales"), "expected ascending factors with 1.0"),
        (put([2**70] * 5, "scales", 0, "rank"), "within 2"),
        (put([[10, 0.5]], "scales", 0, "top"), "top at scale 0.5: expected 5, got 1"),
        (put([[99, 0.5]] * 5, "scales", 0, "top"), "vocabulary of 99"),
        (put([[10]] * 5, "scales", 0, "top"), "expected 2 entries, got 1"),
        (drop("candidates", 0), "candidates: expected 9 entries, got 8"),
        (put({}, "vocabulary"), "vocabulary of"),
        (put([], "metrics"), "metrics: expected dict, got list"),
        (drop("blobs", -1), r"\('matrix',\): missing"),
        (put([{"name": "x"}] * 9, "blobs"), "missing among"),
        (put(7, "blobs"), "blobs: expected list, got int"),
        (put([{"hash": 7}], "images"), "images.hash: expected str"),
    ],
)
def test_a_header_that_does_not_fit_is_damage(change, message):
    with pytest.raises(DamagedBlob, match=message):
        decode_explanation(header_with(change), images=lambda name: None)


KEYS = sorted(decode_json(encode_explanation(make_explanation())[0]))
JUNK = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    st.lists(st.integers(-1, 9) | st.lists(st.integers(-1, 9), max_size=2), max_size=6),
    st.dictionaries(st.sampled_from(["id", "text", "name"]), st.integers(), max_size=3),
)


@given(st.sampled_from(KEYS), JUNK)
def test_junk_in_a_header_never_raises_anything_else(name, junk):
    with suppress(DamagedBlob, UnsupportedVersion):
        decode_explanation(header_with(put(junk, name)), images=lambda name: None)


def test_a_missing_or_damaged_blob_is_named():
    blobs = encode_explanation(make_explanation())
    with pytest.raises(DamagedBlob, match="the record holds no blobs"):
        decode_explanation([])
    with pytest.raises(DamagedBlob, match=r"blob \('matrix',\): missing among 5 blobs"):
        decode_explanation(blobs[:-1])
    damaged = [*blobs[:2], blobs[2][:-1] + b"?", *blobs[3:]]
    with pytest.raises(DamagedBlob, match=r"blob 2 \('maps', 1, 0\): byte 8: the checksum"):
        decode_explanation(damaged)


def test_unknown_keys_and_blobs_are_ignored():
    def extend(header):
        header["later"] = {"a": 1}
        header["blobs"].append({"name": "later"})

    blobs = [*header_with(extend), encode_json("later")]
    read = decode_explanation(blobs)
    assert read.image is None
    assert_close(read, without_pixels(make_explanation()))


def test_a_newer_header_is_told_apart_from_damage():
    with pytest.raises(UnsupportedVersion, match="header version 2"):
        decode_explanation(header_with(put(2, "version")))


def test_an_image_comes_back_and_its_damage_is_seen():
    image = make_image()
    blobs = encode_image(image)
    assert decode_image(blobs, image.hash) == image
    with pytest.raises(DamagedBlob, match="expected 2 blobs, got 1"):
        decode_image(blobs[:1], image.hash)
    with pytest.raises(DamagedBlob, match="expected png or jpeg, got 'svg'"):
        decode_image([encode_json({"width": 1, "height": 1, "format": "svg"}), blobs[1]], "x")
    with pytest.raises(DamagedBlob, match="at least 1x1 pixels, got 0x4"):
        decode_image([encode_json({"width": 0, "height": 4, "format": "png"}), blobs[1]], "x")


def test_the_index_record_says_what_a_table_needs():
    explanation = make_explanation(2, 1, ((1.0, (1, 1)), (2.0, (2, 2))))
    explanation = replace(
        explanation,
        grounding=np.array([0.25, 0.75], np.float32),
        scales=tuple(
            replace(scale, rank=np.array(rank), probability=np.array([0.875, 0.625]))
            for scale, rank in zip(explanation.scales, ([0, 0], [0, 3]), strict=True)
        ),
    )
    assert decode_record(encode_record(explanation, 1234)) == {
        "version": 1,
        "answer": explanation.answer,
        "prompt": "describe the image .",
        "tokens": 2,
        "image": explanation.image.hash,
        "images": 1,
        "grounding": 0.5,
        "lowest_grounding": 0.25,
        "lowest_probability": 0.625,
        "agreement": 0.75,
        "metrics": {"obj_iou": 0.5, "func_iou": 0.875},
        "bytes": 1234,
    }
    with pytest.raises(UnsupportedVersion):
        decode_record(encode_json({"version": 2}))
    # The end of the turn is no word: how sure the model was to stop is left out.
    ended = replace(explanation.tokens[1], special=True)
    context = (*explanation.context[:-1], ended)
    explanation = replace(explanation, context=context, tokens=context[explanation.prompt_length :])
    assert decode_record(encode_record(explanation, 0))["lowest_probability"] == 0.875


@pytest.mark.parametrize("name", [golden.FIRST, golden.CURRENT])
def test_the_golden_file_decodes_to_what_it_says(name):
    framed = (golden.FOLDER / f"{name}.bin").read_bytes()
    text = (golden.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert golden.expected(framed) == json.loads(text)


def test_what_the_first_writer_logged_is_read_with_defaults_for_what_came_later():
    framed = (golden.FOLDER / f"{golden.FIRST}.bin").read_bytes()
    step = unframe(framed)[0]
    read = decode_explanation(step["blobs"])
    assert (read.turns, read.image_grounding, read.alternatives) == ((), None, ())
    assert read.image_gain is None and read.image_gains is None
    assert (read.influence, read.context_words, read.estimate, read.used) == (None, (), None, None)
    assert {token.turn for token in read.context} == {0}
    assert len(read.images) == 1 and read.images[0].frames == ()


def test_several_images_a_video_and_words_beside_the_answer_come_back():
    logged = golden.several(seed=5)
    pixels = {entry.image.hash: entry.image for entry in logged.images if entry.image}
    read = decode_explanation(encode_explanation(logged), images=pixels.get)
    assert (read.images, read.turns) == (logged.images, logged.turns)
    assert [t.turn for t in read.context] == [t.turn for t in logged.context]
    assert len(read.heatmaps) == 3 and [m.shape for m in read.base.maps] == [
        (3, 4, 5), (3, 3, 2), (3, 3, 2)
    ]  # fmt: skip
    for back, sent in zip(read.heatmaps, logged.heatmaps, strict=True):
        np.testing.assert_allclose(back, sent, atol=np.ptp(sent) / 255)
    np.testing.assert_allclose(read.image_grounding, logged.image_grounding, rtol=1e-6)
    np.testing.assert_array_equal(read.image_gain, logged.image_gain)
    np.testing.assert_array_equal(read.image_gains, logged.image_gains)
    assert read.context_words == logged.context_words
    np.testing.assert_allclose(read.influence, logged.influence, rtol=2**-11)
    np.testing.assert_allclose(read.estimate, logged.estimate, rtol=2**-11)
    for back, sent in zip(read.used, logged.used, strict=True):
        np.testing.assert_allclose(back, sent, atol=np.ptp(sent) / 255)
    for back, sent in zip(read.alternatives, logged.alternatives, strict=True):
        np.testing.assert_allclose(back.influence, sent.influence, rtol=2**-11)
        assert back.image_gain == sent.image_gain
        assert (back.context_index, back.candidate.text) == (
            sent.context_index,
            sent.candidate.text,
        )
        for one, other in zip(back.heatmaps, sent.heatmaps, strict=True):
            np.testing.assert_allclose(one, other, atol=1 / 255)


def test_the_golden_file_is_what_this_version_writes():
    """By value, not by byte: zlib's versions compress differently."""
    text = (golden.FOLDER / f"{golden.CURRENT}.json").read_text(encoding="utf-8")
    assert golden.build()[1] == json.loads(text), "run: python -m tests.events.golden"


def test_an_image_of_one_pixel_comes_back():
    dot = replace(make_image(), width=1, height=1)
    assert decode_image(encode_image(dot), dot.hash) == dot


def test_an_index_record_may_take_a_mebibyte_and_no_byte_more():
    def record(size: int) -> bytes:
        around = len(json.dumps({"version": 1, "answer": ""}, separators=(",", ":")))
        return encode_json({"version": 1, "answer": "x" * (size - around)})

    assert len(decode_record(record(2**20))["answer"]) > 2**20 - 64
    with pytest.raises(DamagedBlob):
        decode_record(record(2**20 + 64))
