"""Unseen scenes as samples with masks, as ``mmx evaluate --data`` asks for them."""

from __future__ import annotations

from mmx_core import Sample
from tests.benchmarks.pretrained.accuracy import unseen
from tests.benchmarks.pretrained.scenes import DESCRIBE, VALIDATION, generator

SETS = ("scenes", "questions")
_SEED = 3
"""Not the scenes that training is watched on."""


def evaluation_samples(name: str, count: int) -> list[Sample]:
    """Scenes with their descriptions, or with a question about two objects and its answer.

    Args:
        name: Of :data:`SETS`.
        count: How many.

    Raises:
        ValueError: There is no such set.
    """
    if name not in SETS:
        raise ValueError(f"expected a set of {', '.join(SETS)}, got {name!r}")
    samples = []
    for index, scene in enumerate(unseen(count, seed=_SEED)):
        prompt, answer = DESCRIBE, scene.description
        if name == "questions":
            prompt, answer = scene.question(generator(VALIDATION, _SEED + 1, index))
        masks = {
            thing.name: mask
            for thing, mask in zip(scene.things, scene.masks, strict=True)
            if f" {thing.name} " in f"{answer.replace('.', ' ').replace(',', ' ')} "
        }
        samples.append(Sample(f"{index:04d}", scene.image, prompt, answer, masks))
    return samples
