"""Synthetic explanations of several images, a video, a conversation, words that were not said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmx_core.explanation import Alternative, Candidate, ExplainedImage, Explanation
from tests.support.explanations import make_explanation, make_image

SCALES = ((1.0, (6, 8)), (2.0, (12, 16)))
BRIGHT = 9.0
"""Of the one image that a token lights; the others stay at a ninth."""


def make_several_images(images: int = 3, *, tokens: int = 6, seed: int = 0) -> Explanation:
    """Token ``t`` lights image ``t % images``: a bump in its middle."""
    base = make_explanation(tokens, scales=SCALES, seed=seed)
    shares = np.full((tokens, images), 0.05, np.float32)
    shares[np.arange(tokens), np.arange(tokens) % images] = 0.7
    return replace(
        base,
        heatmaps=_maps(tokens, images, SCALES[-1][1]),
        scales=tuple(
            replace(scale, grid=(scale.grid,) * images, maps=_maps(tokens, images, scale.grid))
            for scale in base.scales
        ),
        images=tuple(
            ExplainedImage(make_image(width=160, height=120, seed=seed + index), index)
            for index in range(images)
        ),
        image_grounding=shares,
        grounding=shares.sum(axis=1),
    )


def make_video(patches: int = 5, *, seed: int = 0) -> Explanation:
    """As above, but the images are frame pairs of one video at two frames a second."""
    base = make_several_images(patches, seed=seed)
    return replace(
        base,
        images=tuple(
            replace(
                entry,
                picture=0,
                frames=(2 * index, 2 * index + 1),
                seconds=(float(index), index + 0.5),
            )
            for index, entry in enumerate(base.images)
        ),
    )


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
    place = base.prompt_length + 2
    asked = base.context[1]
    return replace(
        base,
        alternatives=(
            Alternative(place, Candidate(999, " cat", 0.125), corner, 0.5),
            Alternative(1, Candidate(asked.id, asked.text, 0.25), corner[::-1, ::-1].copy(), 0.5),
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
        heatmaps=blinded(base.heatmaps),
        scales=tuple(replace(scale, maps=blinded(scale.maps)) for scale in base.scales),
    )


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
