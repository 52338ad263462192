"""CLEVR-XAI (arXiv 2003.07258): questions about drawn scenes, and where their answers are seen.

``clevr-xai`` (``simple_single_object``), or another kind of questions and of truth:
``simple_all_objects``, ``complex_unique``, ``complex_unique_firstnonempty``, ``complex_union``,
``complex_all_objects``::

    ROOT/CLEVR-XAI_simple_questions.json              "questions": "question_index", "question",
                                                      "answer", "image_filename"
    ROOT/ground_truth_simple_questions_single_object/7.npy    of question 7, 128 x 128
    ROOT/images/CLEVR_unique_000000.png               or in ROOT/CLEVR-XAI_v1.0_images_masks/images,
                                                      or beside ROOT

Of a complex question whose set is empty there is no truth. A mask is the evidence of the whole
answer, which is measured as one map.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmx_core.evaluation.published.entries import (
    NO_MASK,
    NO_PICTURE,
    Entry,
    LeftOut,
    Request,
    find_file,
    read_list,
    upright_size,
)
from mmx_core.evaluation.published.shapes import resized
from mmx_core.sample import Sample
from mmx_core.text.categories import WholeMask

_USUAL = "simple_single_object"
_PICTURES = "CLEVR-XAI_v1.0_images_masks"


def read(request: Request) -> Iterator[Entry | LeftOut]:
    """The entries of one kind, in the questions' order."""
    root = request.root
    kind, _, truth = (request.part or _USUAL).partition("_")
    path = root / f"CLEVR-XAI_{kind}_questions.json"
    questions = read_list(path, "questions")
    folder = root / f"ground_truth_{kind}_questions_{truth}"
    if not folder.is_dir():
        there = sorted(each.name for each in root.glob("ground_truth_*_questions_*"))
        raise ValueError(f"expected {folder}, got {', '.join(there) or 'no truths'} in {root}")
    bases = [base / "images" for base in (root, root / _PICTURES, root.parent / _PICTURES)]
    for place, question in enumerate(questions):
        index = int(question.get("question_index", place))
        name = f"{kind}-{index:06d}"
        picture = find_file(bases, str(question["image_filename"]))
        mask = folder / f"{index}.npy"
        if picture is None:
            yield LeftOut(name, NO_PICTURE)
        elif not mask.is_file():
            yield LeftOut(name, NO_MASK)
        else:
            answer = _spoken(question["answer"]) if request.references else None
            yield Entry(
                name, partial(_sample, name, picture, str(question["question"]), answer, mask)
            )


def _spoken(answer: Any) -> str:
    """As CLEVR's own files have what its generator leaves as a truth value or a number."""
    return {True: "yes", False: "no"}[answer] if isinstance(answer, bool) else str(answer)


def _sample(name: str, picture: Path, question: str, answer: str | None, mask: Path) -> Sample:
    truth = np.load(mask, allow_pickle=False)
    if truth.ndim != 2:
        raise ValueError(f"expected a mask of height and width in {mask}, got {truth.shape}")
    width, height = upright_size(picture)
    evidence = WholeMask(resized(truth, height, width))
    return Sample(name, picture, question, answer, masks=evidence)
