"""Any picture a person may hand over, as what the model is shown: upright RGB, still or moving."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import reprlib
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mmx_core.explanation import EncodedImage
from mmx_core.sample import PICTURE_KEYS, ImageLike, is_address, is_base64, local_path

MAX_ASPECT_RATIO = 200
MAX_LOGGED_SIDE = 2048
"""Of the picture that goes into the log, in pixels; the model sees the whole."""
_LARGE_PIXELS = 512 * 512
_ORIENTATION = 0x0112
_TRANSPARENT = ("LA", "PA", "RGBA")
_LONGEST_PATH = 4096
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 120
_OF_ADDRESSES = str.maketrans("-_", "+/")
"""The two letters of base64 that addresses write otherwise."""
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
        image: In any form of :data:`mmx_core.sample.ImageLike`; an array has whole numbers from 0
            to 65535, or float in ``[0, 1]``.

    Raises:
        TypeError: Not an image.
        ValueError: See :func:`resolved`; or a picture whose file is closed, no pixels, an
            unexpected shape, values outside those ranges, a side ratio above 200, or more pixels
            than Pillow opens.
        OSError: A file that is not there, or that Pillow cannot read.
    """
    found = resolved(image)
    if isinstance(found, (str, os.PathLike)):
        picture = _opened(found)
    elif isinstance(found, np.ndarray):
        picture = _from_array(found)
    elif isinstance(found, Image.Image):
        picture = _loaded(found)
    else:
        raise TypeError(
            f"image: expected a PIL image, a numpy array, a path or a file's bytes, got "
            f"{type(image).__name__}"
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
    if picture.mode in ("La", "RGBa"):  # multiplied by its own transparency
        picture = picture.convert(picture.mode.upper())
    if picture.mode in _TRANSPARENT or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(ground, layered)
    # The caller's own may change before it is looked at.
    return picture if picture.mode == "RGB" and picture is not image else picture.convert("RGB")


def load_frames(frames: Sequence[ImageLike]) -> tuple[Image.Image, ...]:
    """Frames of one video, each as of :func:`load_rgb`, but with one white for all of them."""
    found = [resolved(frame) for frame in frames]
    opened = [_opened(f) if isinstance(f, (str, os.PathLike)) else f for f in found]
    arrays: list[Any] = [
        np.asarray(f) if isinstance(f, Image.Image) and f.mode.startswith("I") else f
        for f in opened
    ]
    deep = all(isinstance(f, np.ndarray) and f.dtype != np.uint8 and f.size for f in arrays)
    # Frames of several shapes, or without a pixel, are refused one by one.
    if deep and len({f.shape for f in arrays}) == 1:
        arrays = np.split(_to_8_bit(np.concatenate(arrays)), len(arrays))
    return tuple(load_rgb(frame) for frame in arrays)


def resolved(given: Any) -> Any:
    """A picture as a PIL image, an array or a path, its pixels unread; what is none as it is.

    Args:
        given: In any form of :data:`mmx_core.sample.ImageLike`.

    Raises:
        ValueError: An address of elsewhere, a mapping without a picture, or bytes of none.
    """
    if isinstance(given, Mapping):
        key = next((key for key in PICTURE_KEYS if given.get(key) is not None), None)
        if key is None:
            raise ValueError(
                f"image: expected a picture under one of {', '.join(PICTURE_KEYS)}, got "
                f"{_SHOWN.repr(dict(given))}"
            )
        value = given[key]
        in_base64 = key in ("bytes", "base64", "data") and isinstance(value, str)
        return _from_base64(value) if in_base64 else resolved(value)
    if isinstance(given, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(given), given)
    if not isinstance(given, str):
        return given
    if given[:5].lower() == "data:" or is_base64(given):
        return _from_base64(given)
    path = local_path(given)
    if is_address(path):
        raise ValueError(
            f"image: expected an image or a path, got the address {_SHOWN.repr(given)}; load it "
            "first"
        )
    if len(path) > _LONGEST_PATH:
        raise ValueError(
            f"image: expected an image or a path, got {len(path)} letters: {_SHOWN.repr(path)}"
        )
    return path


def _from_base64(text: str) -> Image.Image:
    """Of a picture's file in base64, alone or in a ``data:`` address."""
    written = text
    if text[:5].lower() == "data:":
        written = unquote(text.partition(",")[2])
    try:
        # Padding may be missing, and two letters be those of addresses.
        data = base64.b64decode(written.translate(_OF_ADDRESSES) + "==")
    except ValueError:
        data = b""
    return _from_bytes(data, text)


def _from_bytes(data: bytes, given: Any) -> Image.Image:
    try:
        with _reading_of("the bytes given"):
            return Image.open(io.BytesIO(data))
    except OSError:
        kind = "in base64" if isinstance(given, str) else "file's bytes"
        raise ValueError(f"image: expected an image {kind}, got {_SHOWN.repr(given)}") from None


@contextmanager
def _reading_of(name: str) -> Iterator[None]:
    """Errors within, of which Pillow has many kinds, name the picture."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"image: {name}: {error} Scale it down, or raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from None
    except (MemoryError, UnidentifiedImageError):  # the latter names the file itself
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise OSError(f"image: {name}: {error or type(error).__name__}") from error


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    with _reading_of(os.fspath(path)):
        opened = Image.open(path)
    with opened:
        return _loaded(opened)


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
    data = _read(picture, raw)
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


def _read(picture: Image.Image, raw: str) -> bytes | None:
    """Reads the pixels; the file's bytes where Pillow keeps only some of what it holds."""
    file = getattr(picture, "fp", None)
    unread = bool(getattr(picture, "tile", None))
    closed = unread and (file is None or getattr(file, "closed", False))
    name = os.fsdecode(getattr(picture, "filename", None) or type(picture).__name__)
    data = None
    try:
        with _reading_of(name):
            if raw in _OTHER_BYTE and file is not None:
                position = file.tell()
                file.seek(0)
                data = file.read()
                file.seek(position)
            picture.load()
    except OSError as error:
        if not closed and "closed" not in str(error.__cause__):
            raise
        raise ValueError(
            f"image: expected one whose pixels can be read, got {name}, whose file is closed; call "
            ".load() within the `with` that opens it, or give the path"
        ) from error
    return data


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
