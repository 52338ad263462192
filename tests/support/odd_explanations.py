"""Synthetic explanations of several images, a video, a conversation, words that were not said."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from mmx_core.events import ExplanationWriter
from mmx_core.explanation import (
    Alternative,
    Candidate,
    EncodedImage,
    ExplainedImage,
    Explanation,
)
from tests.support.explanations import make_explanation

SCALES = ((1.0, (6, 8)), (2.0, (12, 16)))
BRIGHT = 9.0
"""Of the one image that a token lights; the others stay at a ninth."""
READ, REST = 0.7, 0.1
"""What a token reads from that image, and from all others together; words are the rest."""


def make_several_images(images: int = 3, *, tokens: int = 6, seed: int = 0) -> Explanation:
    """Token ``t`` lights image ``t % images``: a bump in its middle."""
    base = make_explanation(tokens, scales=SCALES, seed=seed)
    shares = np.full((tokens, images), REST / (images - 1), np.float32)
    shares[np.arange(tokens), np.arange(tokens) % images] = READ
    return replace(
        base,
        heatmaps=_maps(tokens, images, SCALES[-1][1]),
        scales=tuple(
            replace(scale, grids=scale.grids * images, maps=_maps(tokens, images, scale.grid))
            for scale in base.scales
        ),
        images=tuple(ExplainedImage(make_picture(index, images), index) for index in range(images)),
        image_grounding=shares,
        grounding=shares.sum(axis=1),
    )


def make_video(patches: int = 5, *, seed: int = 0) -> Explanation:
    """As above, but the images are frame pairs of one video at two frames a second."""
    base = make_several_images(patches, seed=seed)
    return replace(base, images=_video(base.images, 0))


def make_mixed(*, seed: int = 0) -> Explanation:
    """An image, a video of three patches and one of two."""
    base = make_several_images(6, seed=seed)
    first, *rest = base.images
    return replace(base, images=(first, *_video(rest[:3], 1), *_video(rest[3:], 2)))


def _video(images: Sequence[ExplainedImage], picture: int) -> tuple[ExplainedImage, ...]:
    return tuple(
        replace(
            entry,
            picture=picture,
            frames=(2 * index, 2 * index + 1),
            seconds=(float(index), index + 0.5),
        )
        for index, entry in enumerate(images)
    )


def make_picture(index: int, count: int) -> EncodedImage:
    """Each of so many has a grey of its own, and a dark square that moves from left to right."""
    pixels = np.full((120, 160, 3), 90 + 120 * index // max(1, count - 1), np.uint8)
    left = 8 + 112 * index // max(1, count - 1)
    pixels[8:40, left : left + 32] = (40, 60, 90)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    name = hashlib.sha256(pixels.tobytes()).hexdigest()[:16]
    return EncodedImage(file.getvalue(), "png", 160, 120, name)


def make_conversation(*, seed: int = 0) -> Explanation:
    """Two questions and an earlier answer before the explained one."""
    base = make_explanation(4, 9, SCALES, seed=seed)
    turns = np.repeat([0, 1, 2, 3], [3, 3, 3, 4])
    context = tuple(
        replace(token, turn=int(turn), special=False)
        for token, turn in zip(base.context, turns, strict=True)
    )
    return replace(base, context=context, tokens=context[9:], turns=("user", "assistant") * 2)


def make_alternatives(*, seed: int = 0) -> Explanation:
    """``cat`` instead of the third token, lit at the lower right; and a word of the prompt."""
    base = make_explanation(5, scales=SCALES, seed=seed)
    rows, columns = SCALES[-1][1]
    corner = np.zeros((rows, columns), np.float32)
    corner[-3:, -4:] = BRIGHT
    opposite = corner[::-1, ::-1].copy()
    place = base.prompt_length + 2
    asked = base.context[1]
    return replace(
        base,
        alternatives=(
            Alternative(place, Candidate(999, " cat", 0.125), (corner,), 0.5),
            Alternative(1, Candidate(asked.id, asked.text, 0.25), (opposite,), 0.5),
        ),
    )


def make_partly_seen(*, seed: int = 0) -> Explanation:
    """The left and right quarters of the image are never seen."""
    base = make_explanation(4, scales=SCALES, seed=seed)

    def blinded(maps: np.ndarray) -> np.ndarray:
        seen = maps.copy()
        quarter = maps.shape[2] // 4
        seen[:, :, :quarter] = seen[:, :, -quarter:] = np.nan
        return seen

    return replace(
        base,
        heatmaps=(blinded(base.heatmap),),
        scales=tuple(replace(scale, maps=(blinded(scale.map),)) for scale in base.scales),
    )


SAMPLES: dict[str, Callable[[], Explanation]] = {
    "images": make_several_images,
    "video": make_video,
    "mixed": make_mixed,
    "talk": make_conversation,
    "words": make_alternatives,
    "crop": make_partly_seen,
}


def write_odd_logdir(folder: Path) -> Path:
    """Each of them as a sample of ``val``, at two steps of the run ``odd``."""
    with ExplanationWriter(folder / "odd") as writer:
        for name, make in SAMPLES.items():
            for step in (0, 10):
                writer.add_explanation(f"val/{name}", make(), step)
    return folder


def _maps(tokens: int, images: int, grid: tuple[int, int]) -> tuple[np.ndarray, ...]:
    rows, columns = np.mgrid[0 : grid[0], 0 : grid[1]]
    away = ((rows + 0.5) / grid[0] - 0.5) ** 2 + ((columns + 0.5) / grid[1] - 0.5) ** 2
    bump = np.exp(-away / 0.03)
    return tuple(
        np.stack(
            [bump * (BRIGHT if token % images == image else BRIGHT / 9) for token in range(tokens)]
        ).astype(np.float32)
        for image in range(images)
    )
