"""The things that metrics such as ``obj_iou`` are of, small enough to be logged with each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmx_core.parts import MOST_OBJECTS, ObjectMask
from mmx_core.sample import WordMask

_SIDE, _RUNS = 512, 4096
_HALF = 127


def named_objects(
    masks: Sequence[WordMask], tokens_of_word: Sequence[Sequence[int]]
) -> tuple[ObjectMask, ...]:
    """The masks with an inside and an outside, as those that the metrics of maps count.

    Args:
        masks: Against the words of the answer.
        tokens_of_word: For each word of the answer the indices of its tokens.
    """
    named = []
    for entry in masks:
        tokens = [token for word in entry.words for token in tokens_of_word[word]]
        if tokens and entry.mask.any() and not entry.mask.all():
            named.append(object_mask(entry.mask, tokens, entry.name))
    return tuple(named[:MOST_OBJECTS])


def object_mask(mask: NDArray[np.bool_], tokens: Sequence[int], name: str) -> ObjectMask:
    """Of a ``(H, W)`` mask, made smaller where it is large or would take many runs."""
    side = _SIDE
    small = _smaller(mask, side)
    while len(runs := _runs(small)) > _RUNS:
        side //= 2
        small = _smaller(mask, side)
    height, width = small.shape
    return ObjectMask(name, tuple(sorted(set(tokens))), height, width, runs)


def _smaller(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """At most ``side`` in height and width; a cell is inside where most of what it covers is."""
    height, width = mask.shape
    by = side / max(height, width)
    if by >= 1:
        return mask
    size = max(1, round(width * by)), max(1, round(height * by))
    picture = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    share = np.asarray(picture)
    # What is thinner than a cell is still somewhere.
    smaller: NDArray[np.bool_] = share > max(0, min(_HALF, int(share.max()) - 1))
    return smaller


def _runs(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    cells = mask.ravel()
    changes = np.flatnonzero(cells[1:] != cells[:-1]) + 1
    edges = [0, *([0] if cells[0] else []), *changes.tolist(), cells.size]
    return tuple(int(length) for length in np.diff(edges))
