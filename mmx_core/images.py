"""Any picture a person may hand over, as what the model is shown: upright RGB, still or moving."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmx_core.explanation import EncodedImage
from mmx_core.sample import ImageLike

MAX_ASPECT_RATIO = 200
MAX_LOGGED_SIDE = 2048
"""Of the picture that goes into the log, in pixels; the model sees the whole."""
_LARGE_PIXELS = 512 * 512
_ORIENTATION = 0x0112
_WHITE_OF_16_BITS = 65535
_UPPER_OF_14_BITS = 64
_OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
"""Pillow's names of the layouts of which it keeps a colour's upper byte: those of the lower."""


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


def frames_of(picture: Picture) -> tuple[Image.Image, ...]:
    """Those of a clip; a still picture is its own only one."""
    return picture.frames if isinstance(picture, Clip) else (picture,)


def load_rgb(image: ImageLike) -> Image.Image:
    """Converts to upright 8-bit RGB.

    EXIF rotation is applied, transparency is laid on white, palettes and CMYK are resolved.

    Pixels of more than 8 bits are scaled. How many of the bits are used nothing but the values
    says, and cameras, scanners and depth sensors leave the upper ones empty: white is the end of
    the least even number of bits that holds the brightest pixel (255, 1023, 4095, 16383 or 65535),
    and where that is not 65535 a warning says so. A file that says 12 bits is taken at its word.

    Args:
        image: A PIL image, an array (whole numbers from 0 to 65535, or float in ``[0, 1]``), or a
            path.

    Raises:
        TypeError: Not an image.
        ValueError: No pixels, an unexpected shape, values outside those ranges, a side ratio above
            200, or more pixels than Pillow opens.
    """
    if isinstance(image, (str, os.PathLike)):
        picture = _opened(image)
    elif isinstance(image, np.ndarray):
        picture = _from_array(image)
    elif isinstance(image, Image.Image):
        picture = _loaded(image)
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
        picture = Image.fromarray(_to_8_bit(np.asarray(picture)))
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(ground, layered)
    # The caller's own may change before it is looked at.
    return picture if picture.mode == "RGB" and picture is not image else picture.convert("RGB")


def load_frames(frames: Sequence[ImageLike]) -> tuple[Image.Image, ...]:
    """Frames of one video, each as of :func:`load_rgb`, but with one white for all of them."""
    opened = [_opened(f) if isinstance(f, (str, os.PathLike)) else f for f in frames]
    arrays: list[Any] = [
        np.asarray(f) if isinstance(f, Image.Image) and f.mode.startswith("I") else f
        for f in opened
    ]
    deep = all(isinstance(f, np.ndarray) and f.dtype != np.uint8 and f.size for f in arrays)
    # Frames of several shapes, or without a pixel, are refused one by one.
    if deep and len({f.shape for f in arrays}) == 1:
        arrays = np.split(_to_8_bit(np.concatenate(arrays)), len(arrays))
    return tuple(load_rgb(frame) for frame in arrays)


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return _loaded(opened)
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
    return Image.fromarray(np.ascontiguousarray(_to_8_bit(array)))


def _to_8_bit(values: NDArray[Any], bits: int | None = None) -> NDArray[np.uint8]:
    """Pixels of any type, the channel of transparency by its own measure; see :func:`load_rgb`."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.ndim == 3 and values.shape[2] == 4:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alpha = _to_8_bit(values[:, :, 3:])
        return np.concatenate([_to_8_bit(values[:, :, :3], bits), alpha], axis=2)
    low, high = values.min(), values.max()
    if np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values).all() and low >= 0 and high <= 1):
            raise ValueError(
                f"image: expected floating-point pixels in [0, 1], all finite, got {low:g} to "
                f"{high:g}; divide them by what is white (255, say), and fill what is missing"
            )
        return np.rint(values * 255).astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"image: expected uint8, other whole numbers or floating-point, got {values.dtype}"
        )
    if low < 0 or high > _WHITE_OF_16_BITS:
        raise ValueError(
            f"image: expected whole numbers from 0 to {_WHITE_OF_16_BITS} for pixels, got {low} to "
            f"{high}; choose the range that is to be seen and scale it to 0 to 255, as uint8"
        )
    if bits is None:
        bits = next(bits for bits in (8, 10, 12, 14, 16) if high < 2**bits)
        if bits < _WHITE_OF_16_BITS.bit_length() and high > 0:
            warnings.warn(
                f"image: pixels of {values.dtype} use {bits} bits alone: {2**bits - 1} is taken "
                "for white; if the picture is to be as dark as it was, scale it to uint8 yourself",
                stacklevel=1,  # the same place for all that ask: it is said once
            )
    return np.rint(values * np.float32(255 / (2**bits - 1))).astype(np.uint8)


def _loaded(picture: Image.Image) -> Image.Image:
    """The picture with its pixels; where Pillow would drop bits that are used, with those.

    Pillow has no colours of 16 bits: it keeps each one's upper byte, which is empty where a file
    holds 8 bits, and nearly so where it holds 12.
    """
    raw = _raw_mode(picture)
    file = getattr(picture, "fp", None)
    data = None
    if raw in _OTHER_BYTE and file is not None:
        position = file.tell()
        file.seek(0)
        data = file.read()
        file.seek(position)
    picture.load()
    if raw == "I;12":
        return Image.fromarray(_to_8_bit(np.asarray(picture), bits=12))
    upper = np.asarray(picture) if data is not None else None
    if upper is None or data is None or upper[:, :, :3].max() >= _UPPER_OF_14_BITS:
        return picture
    with Image.open(io.BytesIO(data)) as again:
        again.tile = [_reading(tile, _OTHER_BYTE[raw]) for tile in again.tile]
        lower = np.asarray(again)
    found = Image.fromarray(_to_8_bit(upper * np.uint16(256) + lower))
    found.info = dict(picture.info)
    return found


def _raw_mode(picture: Image.Image) -> str:
    """How a file that is not yet read has its pixels; empty for what is in memory."""
    tiles = getattr(picture, "tile", None) or [(None, None, None, "")]
    arguments = tiles[0][3]
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _reading(tile: Any, raw: str) -> Any:
    arguments = tile[3]
    return (*tile[:3], (raw, *arguments[1:]) if isinstance(arguments, tuple) else raw)


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
