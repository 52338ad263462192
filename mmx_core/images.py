"""Any picture a person may hand over, as what the model is shown: upright RGB, still or moving."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mmx_core.explanation import EncodedImage
from mmx_core.sample import ImageLike

MAX_ASPECT_RATIO = 200
MAX_LOGGED_SIDE = 2048
"""Of the picture that goes into the log, in pixels; the model sees the whole."""
_LARGE_PIXELS = 512 * 512
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Clip:
    """Frames of a video, already sampled.

    Attributes:
        frames: RGB images of one size, in order.
        seconds: When each is shown.
    """

    frames: tuple[Image.Image, ...]
    seconds: tuple[float, ...]


Picture = Image.Image | Clip


def load_rgb(image: ImageLike) -> Image.Image:
    """Converts to upright 8-bit RGB.

    EXIF rotation is applied, transparency is laid on white, 16-bit greyscale is scaled to 8 bits
    (Pillow's own conversion clips it), palettes and CMYK are resolved.

    Args:
        image: A PIL image, an array (uint8, uint16, or float in ``[0, 1]``), or a path.

    Raises:
        TypeError: Not an image.
        ValueError: No pixels, an unexpected shape, a side ratio above 200, or more pixels than
            Pillow opens.
    """
    if isinstance(image, (str, os.PathLike)):
        picture = _opened(image)
    elif isinstance(image, np.ndarray):
        picture = _from_array(image)
    elif isinstance(image, Image.Image):
        picture = image
    else:
        raise TypeError(
            f"image: expected a PIL image, a numpy array or a path, got {type(image).__name__}"
        )
    if picture.width == 0 or picture.height == 0:
        raise ValueError(f"image: expected at least one pixel, got {picture.size}")
    ratio = max(picture.size) / min(picture.size)
    if ratio > MAX_ASPECT_RATIO:
        raise ValueError(
            f"image: sides may differ by a factor of {MAX_ASPECT_RATIO} at most, "
            f"got {picture.width}x{picture.height} ({ratio:.0f}); crop or pad it"
        )
    # Of a large picture every copy counts: one that is right as it is gets none but its own.
    if picture.getexif().get(_ORIENTATION, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _wide_to_8_bit(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(ground, layered)
    # The caller's own may change before it is looked at.
    return picture if picture.mode == "RGB" and picture is not image else picture.convert("RGB")


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    try:
        with Image.open(path) as opened:
            opened.load()
            return opened
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"image: {os.fspath(path)}: {error} Scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from None


def _from_array(array: np.ndarray[Any, Any]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise ValueError(
            f"image: expected an array of shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}; "
            "channels come last"
        )
    if 0 in array.shape:
        raise ValueError(f"image: expected at least one pixel, got shape {array.shape}")
    if array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError("image: expected floating-point pixels in [0, 1], all finite")
        array = np.rint(array * 255).astype(np.uint8)
    elif array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype != np.uint8:
        raise ValueError(f"image: expected uint8, uint16 or floating-point, got {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _wide_to_8_bit(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture).astype(np.float64)
    if picture.mode == "F" and values.max(initial=0) <= 1:
        values = values * 255
    elif picture.mode.startswith("I;16") or values.max(initial=0) > 255:
        values = values / 257
    return Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))


def encode(picture: Image.Image) -> EncodedImage:
    """Compresses an RGB image for the log: PNG while small, JPEG (quality 90) when large.

    No side is longer than ``MAX_LOGGED_SIDE``: a browser holds every pixel of what it shows.
    """
    if max(picture.size) > MAX_LOGGED_SIDE:
        factor = MAX_LOGGED_SIDE / max(picture.size)
        size = (round(picture.width * factor), round(picture.height * factor))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    else:
        picture = picture.copy()
    # Of what else its file said the colours' profile alone: no comment, no place, no name.
    picture.info = {key: picture.info[key] for key in ("icc_profile",) if key in picture.info}
    buffer = io.BytesIO()
    large = picture.width * picture.height > _LARGE_PIXELS
    if large:
        picture.save(buffer, "JPEG", quality=90)
    else:
        picture.save(buffer, "PNG", optimize=True)
    data = buffer.getvalue()
    return EncodedImage(
        data=data,
        format="jpeg" if large else "png",
        width=picture.width,
        height=picture.height,
        hash=hashlib.sha256(data).hexdigest()[:32],
    )
