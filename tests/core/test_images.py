"""Pictures of every kind become the upright RGB image a person sees."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx_core import Explainer
from mmx_core.images import encode, load_frames, load_rgb
from tests.support.tiny_models import make_tiny

RED, BLUE = (200, 30, 10), (10, 40, 220)


def two_tone() -> Image.Image:
    """Left red, right blue, 8 x 4 pixels."""
    picture = Image.new("RGB", (8, 4), RED)
    picture.paste(BLUE, (4, 0, 8, 4))
    return picture


def pixels(image: Image.Image) -> tuple[Any, Any]:
    array = np.asarray(image)
    return tuple(array[0, 0].tolist()), tuple(array[-1, -1].tolist())


def test_palette_images_are_resolved() -> None:
    assert pixels(load_rgb(two_tone().quantize(2)))[0] == pytest.approx(RED, abs=8)


def test_cmyk_is_converted() -> None:
    assert pixels(load_rgb(two_tone().convert("CMYK"))) == (RED, BLUE)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 32896], [65535, 257]], dtype=np.uint16)
    expected = [[0, 128], [255, 1]]
    for image in (values, Image.fromarray(values), Image.fromarray(values.astype(np.int32))):
        assert np.asarray(load_rgb(image))[:, :, 0].tolist() == expected


# By hand: v * 255 / white, rounded.
@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ([0, 51, 255], [0, 51, 255]),
        ([0, 256, 1023], [0, 64, 255]),
        ([0, 1024, 4095], [0, 64, 255]),
        ([0, 2048, 2048], [0, 128, 128]),
        ([0, 8192, 16383], [0, 128, 255]),
        ([0, 16384, 16385], [0, 64, 64]),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.uint32, np.int64])
def test_white_is_the_end_of_the_bits_that_are_used(
    values: list[int], seen: list[int], dtype: Any, tmp_path: Path
) -> None:
    array = np.array([values], dtype=dtype)
    images: list[Any] = [array, np.dstack([array, array * 0, array])]
    if dtype in (np.uint16, np.int32):
        images.append(Image.fromarray(array))
    if dtype == np.uint16:
        for name in ("deep.png", "deep.tif"):
            Image.fromarray(array).save(tmp_path / name)
            images.append(tmp_path / name)
    told = max(values) < 16384
    for image in images:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = np.asarray(load_rgb(image))
        assert found[0, :, 0].tolist() == found[0, :, 2].tolist() == seen
        assert ["is taken for white" in str(warning.message) for warning in caught] == [True] * told


@pytest.mark.parametrize("made", ["arrays", "pictures", "files"])
def test_frames_of_one_video_have_one_white(made: str, tmp_path: Path) -> None:
    arrays = [np.full((4, 6), value, np.uint16) for value in (819, 4095, 0)]
    frames: list[Any] = list(arrays)
    if made != "arrays":
        frames = [Image.fromarray(array) for array in arrays]
    if made == "files":
        for index, frame in enumerate(frames):
            frame.save(tmp_path / f"{index}.png")
        frames = [tmp_path / f"{index}.png" for index in range(3)]
    with pytest.warns(UserWarning, match="use 12 bits alone"):
        found = load_frames(frames)
    assert [frame.getpixel((0, 0)) for frame in found] == [(51,) * 3, (255,) * 3, (0,) * 3]
    assert {frame.size for frame in found} == {(6, 4)}


def test_frames_of_eight_bits_or_of_several_sizes_are_as_each_alone() -> None:
    frames = [Image.new("RGB", (3, 2), "red"), np.full((5, 5, 3), 7, np.uint8)]
    assert load_frames(frames) == tuple(load_rgb(frame) for frame in frames)
    with pytest.raises(ValueError, match="at least one pixel"):
        load_frames([np.zeros((0, 4), np.uint16)])


def test_a_black_picture_is_black_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.asarray(load_rgb(np.zeros((2, 2), np.uint16))).max() == 0


def deep_png(values: Any) -> bytes:
    """A PNG of 16-bit colours, which Pillow cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width, channels = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def deep_tiff(values: Any, bits: int, order: str) -> bytes:
    """A TIFF of one strip: grey or colours of 16 bits, or grey of 12 that are packed."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    if bits == 12:
        rows = ["".join(f"{value:012b}" for value in row.ravel()) for row in values]
        data = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
    tags = [
        (256, width), (257, height), (258, bits), (259, 1), (262, 2 if channels == 3 else 1),
        (273, 8), (277, channels), (278, height), (279, len(data)),
    ]  # fmt: skip
    at = 8 + len(data) + len(data) % 2
    extra = struct.pack(f"{order}3H", bits, bits, bits)
    entries = b""
    for tag, value in tags:
        if tag == 258 and channels == 3:
            entries += struct.pack(f"{order}HHII", tag, 3, 3, at + 2 + 12 * len(tags) + 4)
        else:
            entries += struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", at)
    body = data + b"\0" * (len(data) % 2) + struct.pack(f"{order}H", len(tags)) + entries
    return head + body + struct.pack(f"{order}I", 0) + extra


@pytest.mark.parametrize(("white", "bits"), [(255, 8), (4095, 12)])
def test_colours_of_a_deep_file_are_not_black(white: int, bits: int, tmp_path: Path) -> None:
    values = np.array([[[white, 0, white // 3], [0, white // 5, white]]])
    seen = [[[255, 0, 85], [0, 51, 255]]]
    files = {"deep.png": deep_png(values)}
    files |= {f"deep{order == '<'}.tif": deep_tiff(values, 16, order) for order in "<>"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        for image in (tmp_path / name, Image.open(tmp_path / name), Image.open(io.BytesIO(data))):
            with pytest.warns(UserWarning, match=f"use {bits} bits alone"):
                assert np.asarray(load_rgb(image)).tolist() == seen
    clear = np.dstack([values, [[65535, 0]]])
    with pytest.warns(UserWarning, match=f"use {bits} bits alone"):
        found = load_rgb(Image.open(io.BytesIO(deep_png(clear))))
    assert pixels(found) == ((255, 0, 85), (255, 255, 255))


def test_deep_files_that_use_their_bits_are_taken_as_they_are(tmp_path: Path) -> None:
    values = np.array([[[65535, 0, 32768], [0, 257, 65280]]])
    packed = np.array([[[0], [1023]], [[512], [100]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_rgb(Image.open(io.BytesIO(deep_png(values))))
        assert np.asarray(found).tolist() == [[[255, 0, 128], [0, 1, 255]]]
        # It says that it has 12 bits: 1023 is dark in it, and 512 * 255 / 4095 = 31.9.
        grey = load_rgb(Image.open(io.BytesIO(deep_tiff(packed, 12, "<"))))
    assert np.asarray(grey)[:, :, 0].tolist() == [[0, 64], [32, 6]]


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (2, 2), (*RED, 0))
    assert pixels(load_rgb(clear))[0] == (255, 255, 255)
    half = Image.new("LA", (2, 2), (0, 128))
    assert pixels(load_rgb(half))[0][0] == pytest.approx(127, abs=1)
    palette = two_tone().quantize(2)
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert pixels(load_rgb(palette))[0] == (255, 255, 255)


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_what_is_clear_is_white_in_every_mode(mode: str) -> None:
    assert pixels(load_rgb(Image.new(mode, (2, 2))))[0] == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "YCbCr", "HSV", "LAB", "I", "F"])
def test_black_is_black_in_every_mode(mode: str) -> None:
    black = {"YCbCr": (0, 128, 128), "LAB": (0, 128, 128)}.get(mode, 0)
    assert max(pixels(load_rgb(Image.new(mode, (2, 2), black)))[0]) <= 1


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    picture = two_tone()
    exif = picture.getexif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to view
    picture.save(tmp_path / "turned.png", exif=exif)
    upright = load_rgb(tmp_path / "turned.png")
    assert upright.size == (4, 8)
    assert pixels(upright) == (RED, BLUE)


def test_greyscale_bilevel_and_float_arrays() -> None:
    assert pixels(load_rgb(np.full((2, 3), 77, np.uint8)))[0] == (77, 77, 77)
    assert pixels(load_rgb(Image.new("1", (2, 2), 1)))[0] == (255, 255, 255)
    assert pixels(load_rgb(np.full((2, 2, 3), 0.5, np.float32)))[0] == (128, 128, 128)
    half = Image.fromarray(np.full((2, 2), 0.5, np.float32))
    assert pixels(load_rgb(half))[0] == (128, 128, 128)
    assert pixels(load_rgb(np.full((2, 2, 1), 9, np.uint8)))[0] == (9, 9, 9)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), "channels come last"),
        (np.zeros((0, 8), np.uint8), "at least one pixel"),
        (np.zeros((4, 4), np.complex64), "uint8"),
        (np.full((4, 4), -1, np.int16), "from 0 to 65535 .* got -1 to -1; choose the range"),
        (np.full((4, 4), 65536, np.uint32), "got 65536 to 65536"),
        (Image.fromarray(np.full((4, 4), -1024, np.int32)), "got -1024"),
        (np.full((4, 4), np.nan), "finite"),
        (np.full((4, 4), 3.0), r"\[0, 1\], .*got 3 to 3; divide"),
        (Image.fromarray(np.full((4, 4), 200, np.float32)), "got 200 to 200; divide"),
        (Image.new("RGB", (1, 201)), "factor of 200"),
    ],
)
def test_what_is_no_picture_is_refused(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_rgb(image)


def test_other_types_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="got int"):
        load_rgb(3)  # type: ignore[arg-type]


def test_one_pixel_and_the_limit_of_the_ratio_are_taken() -> None:
    assert load_rgb(Image.new("RGB", (1, 1))).size == (1, 1)
    assert load_rgb(Image.new("RGB", (200, 1))).size == (200, 1)


def test_small_images_are_stored_exactly_and_named_by_content() -> None:
    stored, same = encode(two_tone()), encode(two_tone())
    assert stored.format == "png" and stored.hash == same.hash
    large = encode(Image.effect_noise((800, 700), 50).convert("RGB"))
    assert large.format == "jpeg" and large.hash != stored.hash


def test_a_large_picture_is_logged_smaller_and_explained_whole() -> None:
    picture = load_rgb(Image.new("RGB", (8000, 4000), RED))
    assert picture.size == (8000, 4000)
    logged = encode(picture)
    assert (logged.width, logged.height, logged.format) == (2048, 1024, "jpeg")
    with Image.open(io.BytesIO(logged.data)) as read:
        assert read.size == (2048, 1024)
    thin = encode(Image.new("RGB", (8000, 40), RED))
    assert (thin.width, thin.height) == (2048, 10)
    assert encode(Image.new("RGB", (2048, 2048))).width == 2048


def test_what_a_file_says_beside_its_pixels_is_not_logged(tmp_path: Path) -> None:
    picture = Image.effect_noise((600, 600), 20).convert("RGB")
    exif = picture.getexif()
    exif[0x010E] = "seen by alice"
    for suffix, beside in (("jpg", {"comment": b"of alice"}), ("png", {})):
        picture.save(tmp_path / f"x.{suffix}", exif=exif, **beside)
        for size in ((600, 600), (100, 100)):
            shown = load_rgb(tmp_path / f"x.{suffix}")
            shown.thumbnail(size)
            assert b"alice" not in encode(shown).data
            assert (b"alice" in (tmp_path / f"x.{suffix}").read_bytes()) is True


def test_a_picture_of_the_callers_is_copied_once_and_one_of_a_file_never(tmp_path: Path) -> None:
    own = Image.new("RGB", (8, 4), RED)
    seen = load_rgb(own)
    own.paste(BLUE, (0, 0, 8, 4))
    assert pixels(seen) == (RED, RED)
    Image.new("RGB", (1000, 1000), RED).save(tmp_path / "large.png")
    copies = []
    convert, copy = Image.Image.convert, Image.Image.copy
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Image.Image, "convert", lambda s, *a: copies.append(a) or convert(s, *a))
        patched.setattr(Image.Image, "copy", lambda s: copies.append(()) or copy(s))
        assert load_rgb(tmp_path / "large.png").size == (1000, 1000)
    assert copies == []


def test_a_picture_that_pillow_does_not_open_is_refused_in_words(tmp_path, monkeypatch) -> None:
    two_tone().save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"large.png: .*32 pixels.*MAX_IMAGE_PIXELS"):
        load_rgb(tmp_path / "large.png")


def test_an_explanation_says_how_large_a_picture_was_that_is_logged_smaller() -> None:
    tiny = make_tiny()
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    for size, said in (((2100, 60), [[2100, 60]]), ((96, 64), None)):
        found = explainer.explain(Image.new("RGB", size, RED), "describe", answer="a red circle")
        assert found.provenance.get("picture_sizes") == said
        assert found.image is not None and found.image.width == min(2048, size[0])
