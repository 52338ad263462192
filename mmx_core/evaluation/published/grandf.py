"""GranD-f (GLaMM, arXiv 2311.03356): captions whose phrases have masks.

``grandf`` (``GranDf_HA_GCG_train``), or another file of that form: ``grandf:OpenPsgGCG_val``::

    ROOT/GranDf/annotations/train/GranDf_HA_GCG_train.json    or below ROOT itself
    ROOT/GranDf_HA_images/train/sa_10010541.jpg               or ROOT/GranDf/GranDf_HA_images/..
    ROOT/coco_2017/train2017/000000000009.jpg                 of what is made of COCO

    [{"file_name", "caption", "groundings":
        {phrase: {"token_positives": [first, behind], "rle_masks": [run lengths, ..]}}}, ..]

A reference caption has its phrases where the file says; the model's own words are matched with the
phrases' heads: "man" of "a man in a red coat", all men of the picture together. Its files for
validation and test, ``*_gcg_coco_mask_gt.json``, do not say which mask is which phrase's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    read_json,
    upright_size,
)
from mmx_core.evaluation.published.formatted import PROMPTS
from mmx_core.evaluation.published.shapes import from_runs
from mmx_core.sample import Sample, WordMask
from mmx_core.text.categories import NamedMasks
from mmx_core.text.lexicon import head_of
from mmx_core.text.words import words_within

_USUAL = "GranDf_HA_GCG_train"
_PICTURES = (
    "GranDf_HA_images/train",
    "GranDf/GranDf_HA_images/train",
    "GranDf_HA_images/val_test",
    "GranDf/GranDf_HA_images/val_test",
    "coco_2017/train2017",
    "train2017",
    "images",
    "",
)


def read(request: Request) -> Iterator[Entry | LeftOut]:
    """The entries of one file, in its order."""
    root = request.root
    name = f"{request.part or _USUAL}.json"
    folders = ("GranDf/annotations/train", "annotations/train", "GranDf/annotations", "")
    paths = [root / folder / name for folder in folders]
    path = first_file(paths)
    if path is None:
        # The published evaluation's own form of the set is looked for first.
        raise expected_one_of([*([] if request.part else [root / "anno.json"]), *paths], root)
    bases = [root / folder for folder in _PICTURES]
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ValueError(f"{path}: expected a list of pictures, got {type(entries).__name__}")
    for entry in entries:
        file_name = str(entry["file_name"])
        sample = Path(file_name).stem
        picture = find_file(bases, file_name)
        # As GLaMM reads it: what marks the phrases counts from behind these.
        caption = str(entry.get("caption", "")).strip('"').strip()
        groundings = {
            str(phrase): found
            for phrase, found in entry["groundings"].items()
            if found["rle_masks"]
        }
        if picture is None:
            yield LeftOut(sample, NO_PICTURE)
        elif not groundings:
            yield LeftOut(sample, NO_MASK)
        elif request.references and not caption:
            yield LeftOut(sample, NO_REFERENCE)
        else:
            answer = caption if request.references else None
            yield Entry(sample, partial(_sample, sample, picture, groundings, answer))


def _sample(
    name: str, picture: Path, groundings: Mapping[str, Mapping[str, Any]], answer: str | None
) -> Sample:
    width, height = upright_size(picture)
    masks: dict[str, NDArray[np.bool_]] = {
        phrase: np.logical_or.reduce(
            [from_runs(runs, height, width) for runs in found["rle_masks"]]
        )
        for phrase, found in groundings.items()
    }
    prompt = PROMPTS["grandf"]
    if answer is None:
        return Sample(name, picture, prompt, masks=_by_head(masks, (height, width)))
    placed = [
        WordMask(words, masks[phrase], phrase)
        for phrase, found in groundings.items()
        if (words := _placed(answer, phrase, found["token_positives"]))
    ]
    return Sample(name, picture, prompt, answer, masks=placed)


def _placed(caption: str, phrase: str, marked: Any) -> tuple[int, ...]:
    """The words of a phrase: where the file marks it, or where the caption has it first."""
    begin, end = (int(place) for place in marked)
    if caption[begin:end].strip().lower() != phrase.strip().lower():
        begin = caption.lower().find(phrase.strip().lower())
        end = begin + len(phrase.strip())
    return words_within(caption, begin, end) if begin >= 0 else ()


def _by_head(masks: Mapping[str, NDArray[np.bool_]], shape: tuple[int, int]) -> NamedMasks:
    heads: dict[str, NDArray[np.bool_]] = {}
    for phrase, mask in masks.items():
        head = head_of(phrase)
        heads[head] = heads.get(head, np.zeros(shape, dtype=bool)) | mask
    return NamedMasks(shape, heads)
