"""The data layout of the published evaluation (Token Activation Map, arXiv 2506.23270).

``coco``::

    ROOT/annotations/instances_minival2014.json   its "images", each with "id"
    ROOT/annotations/captions_val2014.json        "annotations" with "image_id", "caption"
    ROOT/image/000000000042.jpg
    ROOT/seg_label/000000000042.png               a pixel holds its category's id

``grandf`` and ``openpsg``::

    ROOT/anno.json    [[picture, caption, mask, {category name: id}], ..], paths below ROOT

The published evaluation explains the answer that the model writes itself; the reference captions
can be explained instead, so that models and checkpoints are compared on the same words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image

from mmx_core.sample import Sample
from mmx_core.text.categories import CategoryMasks

LAYOUTS = ("coco", "grandf", "openpsg")
_PROMPTS = {
    "coco": "Write a one-sentence caption for this image:",
    "grandf": "Write a description for this image using around two sentences:",
    "openpsg": "Write a description for this image using around three sentences:",
}
# Names as that evaluation has them: COCO's, but "ball" and "glass" for its two longer ones.
_COCO_NAMES = {
    1: "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, "
    "fire hydrant",
    13: "stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, "
    "zebra, giraffe",
    27: "backpack, umbrella",
    31: "handbag, tie, suitcase, frisbee, skis, snowboard, ball, kite, baseball bat, "
    "baseball glove, skateboard, surfboard, tennis racket, bottle",
    46: "glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, "
    "hot dog, pizza, donut, cake, chair, couch, potted plant, bed",
    67: "dining table",
    70: "toilet",
    72: "tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
    "refrigerator",
    84: "book, clock, vase, scissors, teddy bear, hair drier, toothbrush",
}
COCO_CATEGORIES: Mapping[str, int] = {
    name: first + place
    for first, names in _COCO_NAMES.items()
    for place, name in enumerate(names.split(", "))
}


@dataclass(frozen=True)
class _Entry:
    id: str
    picture: Path
    mask: Path
    categories: Mapping[str, int]
    caption: str


class PublishedSet(Sequence[Sample]):
    """One of :data:`LAYOUTS` on the disk. Pictures are read when a sample is taken.

    Args:
        name: Of the layout.
        root: Its directory.
        count: How many of the first; None for all.
        references: Explain the (first) reference caption, not the model's own answer.

    Raises:
        ValueError: The annotations are missing or of another form.
    """

    def __init__(
        self,
        name: str,
        root: str | os.PathLike[str],
        *,
        count: int | None = None,
        references: bool = False,
    ) -> None:
        if name not in LAYOUTS:
            raise ValueError(f"data: expected one of {', '.join(LAYOUTS)}, got {name!r}")
        self._prompt = _PROMPTS[name]
        self._references = references
        read = _coco if name == "coco" else _listed
        if count is not None and count < 0:
            raise ValueError(f"count: expected 0 or more, got {count}")
        try:
            self._entries = list(read(Path(root)))[:count]
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"expected annotations laid out as {name!r} in {os.fspath(root)!r}, got "
                f"{type(error).__name__}: {error}"
            ) from None

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Reads a sample.

        Raises:
            ValueError: Its mask is missing or no picture of category ids; it names the sample.
        """
        if isinstance(index, slice):
            return [self._read(entry) for entry in self._entries[index]]
        return self._read(self._entries[index])

    def id_of(self, index: int) -> str:
        """A sample's id, without reading its files."""
        return self._entries[index].id

    def _read(self, entry: _Entry) -> Sample:
        try:
            with Image.open(entry.mask) as picture:
                labels = np.asarray(picture)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"sample {entry.id!r}: expected a mask in {entry.mask}, got {error}"
            ) from None
        if labels.ndim != 2 or labels.dtype.kind not in "ui":
            raise ValueError(
                f"sample {entry.id!r}: expected a grey mask of category ids in {entry.mask}, got "
                f"shape {labels.shape} of {labels.dtype}"
            )
        if not entry.picture.is_file():
            raise ValueError(f"sample {entry.id!r}: expected a picture {entry.picture}, found none")
        masks = CategoryMasks(labels, entry.categories)
        answer = entry.caption if self._references else None
        return Sample(entry.id, entry.picture, self._prompt, answer, masks=masks)


def _coco(root: Path) -> Iterator[_Entry]:
    folder = root / "annotations"
    images = _field(folder / "instances_minival2014.json", "images")
    captions: dict[int, str] = {}
    for entry in _field(folder / "captions_val2014.json", "annotations"):
        captions.setdefault(int(entry["image_id"]), str(entry["caption"]))
    for entry in images:
        number = int(entry["id"])
        name = f"{number:012d}"
        yield _Entry(
            name,
            root / "image" / f"{name}.jpg",
            root / "seg_label" / f"{name}.png",
            COCO_CATEGORIES,
            captions.get(number, ""),
        )


def _listed(root: Path) -> Iterator[_Entry]:
    path = root / "anno.json"
    seen: set[str] = set()
    for place, entry in enumerate(_json(path)):
        if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[3], dict):
            raise ValueError(
                f"{path}: expected [picture, caption, mask, categories] as entry {place}, got "
                f"{str(entry)[:80]!r}"
            )
        picture, caption, mask, categories = entry
        # Pictures of several folders may share their names, and several captions a picture.
        name = "-".join(Path(picture).with_suffix("").parts)
        name = f"{name}-{place}" if name in seen else name
        seen.add(name)
        yield _Entry(
            name,
            root / picture,
            root / mask,
            {str(name): int(number) for name, number in categories.items()},
            str(caption),
        )


def _field(path: Path, name: str) -> list[dict[str, Any]]:
    found = _json(path)
    if not isinstance(found, dict) or not isinstance(found.get(name), list):
        raise ValueError(f"{path}: expected an object with a list {name!r}")
    return list(found[name])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"expected {path}, got {error.strerror}; --root is the directory that holds it"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from None
