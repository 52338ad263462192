"""Pictures of every kind become the upright RGB image a person sees."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx_core import Explainer
from mmx_core.images import encode, load_rgb
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


def test_dark_sixteen_bit_pictures_stay_dark() -> None:
    values = np.full((2, 2), 200, dtype=np.uint16)
    assert np.asarray(load_rgb(values)).max() <= 1
    assert np.asarray(load_rgb(Image.fromarray(values))).max() <= 1


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (2, 2), (*RED, 0))
    assert pixels(load_rgb(clear))[0] == (255, 255, 255)
    half = Image.new("LA", (2, 2), (0, 128))
    assert pixels(load_rgb(half))[0][0] == pytest.approx(127, abs=1)
    palette = two_tone().quantize(2)
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert pixels(load_rgb(palette))[0] == (255, 255, 255)


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
    assert pixels(load_rgb(np.full((2, 2, 1), 9, np.uint8)))[0] == (9, 9, 9)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), "channels come last"),
        (np.zeros((0, 8), np.uint8), "at least one pixel"),
        (np.zeros((4, 4), np.int64), "uint8"),
        (np.full((4, 4), np.nan), "finite"),
        (np.full((4, 4), 3.0), r"\[0, 1\]"),
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
