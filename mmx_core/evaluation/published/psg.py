"""Panoptic scene graphs (PSG, arXiv 2207.11247): segments of COCO's pictures and their relations.

``openpsg`` (``test``) or ``openpsg:train``::

    ROOT/psg.json, or ROOT/psg/psg.json              "data", "thing_classes", "stuff_classes",
                                                     "predicate_classes", "test_image_ids"
    ROOT/coco/val2017/000000000042.jpg               or ROOT/val2017/.., or beside ROOT
    ROOT/coco/panoptic_val2017/000000000042.png      or in ROOT/coco/annotations/..; red +
                                                     256 green + 65536 blue is a segment's id

The model's own words are matched with the names of the classes, all segments of a class together.
PSG has no captions: as a reference answer its first relations are written out ("The person is
riding the horse."), each name with the mask of its own segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmx_core.evaluation.published.entries import (
    NO_MASK,
    NO_PICTURE,
    NO_REFERENCE,
    Entry,
    LeftOut,
    Request,
    expected_one_of,
    find_file,
    first_file,
    listed,
    read_json,
)
from mmx_core.evaluation.published.formatted import PROMPTS
from mmx_core.sample import Sample, WordMask
from mmx_core.text.categories import NamedMasks
from mmx_core.text.words import words_within

_PARTS = ("test", "train")
_FILES = ("psg.json", "psg/psg.json", "psg_train_val.json", "psg/psg_train_val.json")
_RELATIONS = 3
_KINDS = {"other", "merged", "stuff"}
"""What COCO appends to the names of what has no shape: "sky-other-merged"."""
_SPOKEN = {"playingfield": "playing field", "window-blind": "blind"}


def spoken(name: str) -> str:
    """A class's name as one says it: "sky" of *sky-other-merged*, "wall" of *wall-brick*."""
    plain = (part for part in name.split("-") if part not in _KINDS)
    return _SPOKEN.get(name) or next(plain, name)


def read(request: Request) -> Iterator[Entry | LeftOut]:
    """The entries of one part, in the file's order."""
    root, part = request.root, request.part or _PARTS[0]
    if part not in _PARTS:
        raise ValueError(f"expected openpsg:test or openpsg:train, got part {part!r}")
    paths = [root / name for name in _FILES]
    path = first_file(paths)
    if path is None:
        # As with GranD-f.
        raise expected_one_of([*([] if request.part else [root / "anno.json"]), *paths], root)
    content = read_json(path)
    entries = listed(content, "data", path)
    classes = [spoken(str(c)) for c in [*content["thing_classes"], *content["stuff_classes"]]]
    predicates = [str(predicate) for predicate in content["predicate_classes"]]
    held_out = {str(name) for name in content["test_image_ids"]}
    around = (root, root / "coco", root.parent / "coco", root.parent)
    bases = [base / folder for base in around for folder in ("", "images", "annotations")]
    for entry in entries:
        name = str(entry["image_id"])
        if (name in held_out) != (part == "test"):
            continue
        picture = find_file(bases, str(entry["file_name"]))
        labels = find_file(bases, str(entry["pan_seg_file_name"]))
        relations = _distinct(entry["relations"])
        if picture is None:
            yield LeftOut(name, NO_PICTURE)
        elif labels is None or not entry["segments_info"]:
            yield LeftOut(name, NO_MASK)
        elif request.references and not relations:
            yield LeftOut(name, NO_REFERENCE)
        else:
            segments = [(int(s["id"]), classes[s["category_id"]]) for s in entry["segments_info"]]
            told = [(one, other, predicates[p]) for one, other, p in relations]
            yield Entry(
                name,
                partial(
                    _sample, name, picture, labels, segments, told if request.references else None
                ),
            )


def _distinct(relations: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Each once, none of a segment with itself."""
    found = dict.fromkeys((int(one), int(other), int(p)) for one, other, p in relations)
    return [relation for relation in found if relation[0] != relation[1]]


def _sample(
    name: str,
    picture: Path,
    labels: Path,
    segments: Sequence[tuple[int, str]],
    relations: Sequence[tuple[int, int, str]] | None,
) -> Sample:
    numbers = _segment_ids(labels)
    masks = [numbers == number for number, _ in segments]
    prompt = PROMPTS["openpsg"]
    if relations is not None:
        answer, placed = _told(relations[:_RELATIONS], segments, masks)
        return Sample(name, picture, prompt, answer, masks=placed)
    together: dict[str, NDArray[np.bool_]] = {}
    for (_, kind), mask in zip(segments, masks, strict=True):
        together[kind] = together.get(kind, np.zeros_like(mask)) | mask
    return Sample(name, picture, prompt, masks=NamedMasks(numbers.shape, together))


def _segment_ids(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        colors = np.asarray(image).astype(np.int64)
    if colors.ndim != 3 or colors.shape[2] < 3:
        raise ValueError(
            f"expected a colour picture of segment ids in {path}, got shape {colors.shape}"
        )
    return colors[..., 0] + 256 * colors[..., 1] + 65536 * colors[..., 2]


def _told(
    relations: Sequence[tuple[int, int, str]],
    segments: Sequence[tuple[int, str]],
    masks: Sequence[NDArray[np.bool_]],
) -> tuple[str, list[WordMask]]:
    """Relations as sentences, and the masks of the things that they name."""
    text = ""
    spans: list[tuple[int, int, int]] = []
    for one, other, predicate in relations:
        text += " The " if text else "The "
        for index, behind in ((one, f" is {predicate} the "), (other, ".")):
            spans.append((len(text), len(text) + len(segments[index][1]), index))
            text += segments[index][1] + behind
    placed = [
        WordMask(words_within(text, begin, end), masks[index], segments[index][1])
        for begin, end, index in spans
    ]
    return text, placed
