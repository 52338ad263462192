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

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from mmx_core.evaluation.published.entries import (
    NO_MASK,
    NO_PICTURE,
    NO_REFERENCE,
    REPEATED,
    Entry,
    LeftOut,
    Request,
    read_json,
    read_list,
)
from mmx_core.sample import Sample
from mmx_core.text.categories import CategoryMasks

PROMPTS = {
    "coco": "Write a one-sentence caption for this image:",
    "grandf": "Write a description for this image using around two sentences:",
    "openpsg": "Write a description for this image using around three sentences:",
}
"""As that evaluation asks."""
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


def is_there(name: str, root: Path) -> bool:
    """Whether a directory holds a set in this form."""
    if name == "coco":
        return (root / "seg_label").is_dir()
    return (root / "anno.json").is_file()


def read(name: str, request: Request) -> Iterator[Entry | LeftOut]:
    """The entries of ``coco``, ``grandf`` or ``openpsg``."""
    return _coco(request) if name == "coco" else _listed(name, request)


def _coco(request: Request) -> Iterator[Entry | LeftOut]:
    root = request.root
    images = read_list(root / "annotations" / "instances_minival2014.json", "images")
    captions: dict[int, str] = {}
    for entry in read_list(root / "annotations" / "captions_val2014.json", "annotations"):
        captions.setdefault(int(entry["image_id"]), str(entry["caption"]))
    seen: set[int] = set()
    for entry in images:
        number = int(entry["id"])
        name = f"{number:012d}"
        picture, mask = root / "image" / f"{name}.jpg", root / "seg_label" / f"{name}.png"
        if number in seen:
            yield LeftOut(name, REPEATED)
            continue
        seen.add(number)
        yield _entry("coco", request, name, picture, mask, COCO_CATEGORIES, captions.get(number))


def _listed(layout: str, request: Request) -> Iterator[Entry | LeftOut]:
    path = request.root / "anno.json"
    for place, entry in enumerate(read_json(path)):
        if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[3], dict):
            raise ValueError(
                f"{path}: expected [picture, caption, mask, categories] as entry {place}, got "
                f"{str(entry)[:80]!r}"
            )
        picture, caption, mask, categories = entry
        # Pictures of several folders may share their names.
        name = "-".join(Path(picture).with_suffix("").parts)
        numbers = {str(name): int(number) for name, number in categories.items()}
        files = request.root / picture, request.root / mask
        yield _entry(layout, request, name, *files, numbers, str(caption))


def _entry(
    layout: str,
    request: Request,
    name: str,
    picture: Path,
    mask: Path,
    categories: Mapping[str, int],
    caption: str | None,
) -> Entry | LeftOut:
    if not picture.is_file():
        return LeftOut(name, NO_PICTURE)
    if not mask.is_file():
        return LeftOut(name, NO_MASK)
    if request.references and not (caption or "").strip():
        return LeftOut(name, NO_REFERENCE)
    answer = caption if request.references else None
    return Entry(name, partial(_sample, layout, name, picture, mask, categories, answer))


def _sample(
    layout: str,
    name: str,
    picture: Path,
    mask: Path,
    categories: Mapping[str, int],
    answer: str | None,
) -> Sample:
    try:
        with Image.open(mask) as image:
            labels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"expected a mask in {mask}, got {error}") from None
    if labels.ndim != 2 or labels.dtype.kind not in "ui":
        raise ValueError(
            f"expected a grey mask of category ids in {mask}, got shape {labels.shape} of "
            f"{labels.dtype}"
        )
    if not picture.is_file():
        raise ValueError(f"expected a picture {picture}, found none")
    masks = CategoryMasks(labels, categories)
    return Sample(name, picture, PROMPTS[layout], answer, masks=masks)
