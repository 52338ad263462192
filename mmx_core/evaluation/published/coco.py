"""COCO as it is downloaded: instances with their polygons and run lengths, captions, pictures.

``coco`` (``val2017``), or another part such as ``coco:train2014``::

    ROOT/annotations/instances_val2017.json
    ROOT/annotations/captions_val2017.json      where reference captions are explained
    ROOT/val2017/000000000042.jpg               or ROOT/images/val2017/.., ROOT/images/..

What a category's name stands for is all its instances and crowds together; instances may overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.evaluation.published.entries import (
    NO_PICTURE,
    NO_REFERENCE,
    REPEATED,
    Entry,
    LeftOut,
    Request,
    expected_one_of,
    find_file,
    first_file,
    listed,
    read_json,
    read_list,
)
from mmx_core.evaluation.published.formatted import PROMPTS
from mmx_core.evaluation.published.shapes import mask_of
from mmx_core.sample import Sample
from mmx_core.text.categories import NamedMasks

_USUAL = ("val2017", "val2014", "train2017", "train2014")


def read(request: Request) -> Iterator[Entry | LeftOut]:
    """The entries of one part, in the annotations' order."""
    parts = (request.part,) if request.part else _USUAL
    folder = request.root / "annotations"
    paths = {part: folder / f"instances_{part}.json" for part in parts}
    path = first_file(list(paths.values()))
    if path is None:
        raise expected_one_of(list(paths.values()), request.root)
    part = next(name for name, each in paths.items() if each == path)
    content = read_json(path)
    names = {int(c["id"]): str(c["name"]) for c in listed(content, "categories", path)}
    instances: dict[int, list[Mapping[str, Any]]] = {}
    for instance in listed(content, "annotations", path):
        instances.setdefault(int(instance["image_id"]), []).append(instance)
    captions = _captions(folder / f"captions_{part}.json") if request.references else {}
    root = request.root
    bases = (root / part, root / "images" / part, root / "images", root)
    seen: set[int] = set()
    for image in listed(content, "images", path):
        number = int(image["id"])
        picture = find_file(bases, str(image["file_name"]))
        name = f"{number:012d}"
        if number in seen:
            yield LeftOut(name, REPEATED)
        elif picture is None:
            yield LeftOut(name, NO_PICTURE)
        elif request.references and not captions.get(number, "").strip():
            yield LeftOut(name, NO_REFERENCE)
        else:
            size = int(image["height"]), int(image["width"])
            here = instances.get(number, [])
            yield Entry(
                name, partial(_sample, name, picture, size, here, names, captions.get(number))
            )
        seen.add(number)


def _captions(path: Path) -> dict[int, str]:
    """The first of each picture's five or more; in files of others a caption's id may repeat."""
    found: dict[int, str] = {}
    for entry in read_list(path, "annotations"):
        found.setdefault(int(entry["image_id"]), str(entry["caption"]).strip())
    return found


def _sample(
    name: str,
    picture: Path,
    size: tuple[int, int],
    instances: Sequence[Mapping[str, Any]],
    names: Mapping[int, str],
    answer: str | None,
) -> Sample:
    masks: dict[str, NDArray[np.bool_]] = {}
    for instance in instances:
        category = names[int(instance["category_id"])]
        mask = mask_of(instance["segmentation"], *size)
        masks[category] = masks.get(category, np.zeros(size, dtype=bool)) | mask
    known = NamedMasks(size, masks, list(names.values()))
    return Sample(name, picture, PROMPTS["coco"], answer, masks=known)
