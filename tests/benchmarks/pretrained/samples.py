"""Unseen scenes as samples with masks, as ``mmx evaluate --data`` asks for them.

Five sets, as the demo has them, that each ask something else of an explanation:

- ``scenes``: plain ones with their descriptions.
- ``crowded``: three to five small things.
- ``relational``: plain scenes, a question about how two of the things stand to each other.
- ``occluded``: things that hide parts of each other, each still visible by 30 % or more.
- ``absent``: plain scenes whose description names one thing that is not there, in the place of
  one that is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmx_core import Sample
from mmx_core.text.words import find_names
from tests.benchmarks.pretrained.accuracy import unseen
from tests.benchmarks.pretrained.harder import make_crowded, make_occluded
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.pretrained.scenes import DESCRIBE, VALIDATION, Scene, generator, make_scene

SCENES, CROWDED, RELATIONAL, OCCLUDED, ABSENT = SETS = (
    "scenes", "crowded", "relational", "occluded", "absent",
)  # fmt: skip
_SEED = 3
"""Not the scenes that training is watched on."""
_MADE = {CROWDED: (make_crowded, 6), OCCLUDED: (make_occluded, 7)}
"""By which function, and of which seed; the other sets are of the plain scenes."""


def evaluation_samples(name: str, count: int) -> list[Sample]:
    """The first samples of a set, always the same ones.

    Args:
        name: Of :data:`SETS`.
        count: How many.

    Raises:
        ValueError: There is no such set.
    """
    if name not in SETS:
        raise ValueError(f"expected a set of {', '.join(SETS)}, got {name!r}")
    samples = []
    make, seed = _MADE.get(name, (make_scene, _SEED))
    for index, scene in enumerate(unseen(count, seed=seed, make=make)):
        prompt, answer = DESCRIBE, scene.description
        absent: tuple[int, ...] = ()
        if name == ABSENT:
            answer, absent = _exchanged(scene, generator(VALIDATION, _SEED + 2, index))
        if name == RELATIONAL:
            prompt, answer = scene.question(generator(VALIDATION, _SEED + 1, index))
        masks = {
            thing.name: mask
            for thing, mask in zip(scene.things, scene.masks, strict=True)
            if f" {thing.name} " in f"{answer.replace('.', ' ').replace(',', ' ')} "
        }
        samples.append(Sample(f"{index:04d}", scene.image, prompt, answer, masks, absent=absent))
    return samples


def _exchanged(scene: Scene, random: np.random.Generator) -> tuple[str, tuple[int, ...]]:
    """A description with another thing's name for one that is said once; and its words."""
    there = {thing.name for thing in scene.things}
    invented = str(random.choice([name for name in NAMES if name not in there]))
    things = list(scene.things)
    place = int(random.choice((0, len(things) - 1)))  # those between are said again
    things[place] = replace(things[place], name=invented)
    answer = replace(scene, things=tuple(things)).description
    (words,) = find_names(answer, [thing.name for thing in things])[invented]
    return answer, tuple(words)
