"""What the layouts have in common: an entry, what is left out, files that lie here or there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from mmx_core.sample import Sample

_TURNED = (5, 6, 7, 8)
"""EXIF's orientations whose rows are columns; others than these eight change nothing."""

NO_PICTURE = "no picture"
NO_MASK = "no mask"
NO_REFERENCE = "no reference answer"
REPEATED = "listed before"


@dataclass(frozen=True)
class Entry:
    """A sample that can be read.

    Attributes:
        id: The sample's; one that was there before gets its place behind it.
        read: Reads its files; ValueError and OSError say what is wrong with them.
    """

    id: str
    read: Callable[[], Sample]


@dataclass(frozen=True)
class LeftOut:
    """What the annotations list and nobody can explain.

    Attributes:
        id: Of the sample that it would have been.
        reason: In words, as a table of reasons has it.
    """

    id: str
    reason: str


@dataclass(frozen=True)
class Request:
    """What is asked of a layout.

    Attributes:
        root: The directory.
        part: Which of its parts, such as ``val2017``; empty for the usual one.
        references: Explain the reference answers, not the model's own.
    """

    root: Path
    part: str = ""
    references: bool = False


def first_file(paths: Sequence[Path]) -> Path | None:
    """The first that is there."""
    return next((path for path in paths if path.is_file()), None)


def find_file(bases: Sequence[Path], name: str) -> Path | None:
    """A file where one of several folders has it, by its whole name or by its last part."""
    return first_file(
        [*(base / name for base in bases), *(base / Path(name).name for base in bases)]
    )


def upright_size(picture: Path | bytes) -> tuple[int, int]:
    """Width and height in pixels of a picture as it is explained: turned as its EXIF data says."""
    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
    return (height, width) if turned else (width, height)


def expected_one_of(paths: Sequence[Path], root: Path) -> ValueError:
    """The error where none of several files is there."""
    named = ", ".join(str(path.relative_to(root)) for path in paths if path.is_relative_to(root))
    return ValueError(
        f"expected one of {named} in {root}, found none; --root is the directory that holds it"
    )


def read_json(path: Path) -> Any:
    """A JSON file's content; ValueError says which file and what is wrong."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"expected {path}, got {error.strerror}; --root is the directory that holds it"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from None


def read_list(path: Path, name: str) -> list[dict[str, Any]]:
    """A list of objects that is one field of a JSON file's object."""
    return listed(read_json(path), name, path)


def listed(content: Any, name: str, path: Path) -> list[dict[str, Any]]:
    """One field of an object, as a list of objects."""
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ValueError(f"{path}: expected an object with a list {name!r} of objects")
    return found
