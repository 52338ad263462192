"""The evaluation sets: validation scenes that each ask something else of an explanation.

- `val`: plain scenes with their captions.
- `crowded`: three or four objects of one shape, of which a question picks one by its colour.
- `occluded`: objects that overlap, each still visible by 30 % or more.
- `relational`: two or three objects of one shape: only colour and relation tell them apart.
- `absent`: plain scenes whose caption names one object that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count as count_up
from itertools import islice

import numpy as np

from demo.scenes import (
    CROWDED,
    OCCLUDED,
    PLAIN,
    RELATIONAL,
    VALIDATION_SPLIT,
    Scene,
    SceneStyle,
    generator,
    lay_out,
    make_scene,
)
from demo.words import BACKGROUND, COLORS, SHAPES, Placed, describe
from mmx_core import Sample, WordMask

SETS: tuple[str, ...] = ("val", "crowded", "occluded", "relational", "absent")
Maker = Callable[[int, int], Iterator[Sample]]
LEAST_VISIBLE, MOST_VISIBLE = 0.3, 0.9
"""Shares of an object: what every one shows at least, and the most hidden one at most."""


def evaluation_samples(
    name: str, count: int, *, seed: int = 0, split: int = VALIDATION_SPLIT
) -> list[Sample]:
    """Returns the first `count` samples of an evaluation set, always the same ones.

    Args:
        name: One of `SETS`.
        count: Number of samples, 0 or more.
        seed: Seed of the set; validation scenes of every seed are never trained on.
        split: `VALIDATION_SPLIT` or `TRAINING_SPLIT`, whose scenes are those to choose settings on.

    Raises:
        ValueError: There is no such set, or the count is negative.
    """
    if name not in SETS:
        raise ValueError(f"set: expected one of {', '.join(SETS)}; got {name!r}")
    if count < 0:
        raise ValueError(f"count: expected 0 or more, got {count}")
    return list(islice(_MAKERS[name](seed, split), count))


def word_masks(scene: Scene, objects: Sequence[int | None]) -> list[WordMask]:
    """Returns one mask for each run of words that name one object.

    Args:
        scene: The scene.
        objects: Per word the index of the object it names, `BACKGROUND` or None.
    """
    runs: list[tuple[int, list[int]]] = []
    for index, thing in enumerate(objects):
        if thing is None or thing == BACKGROUND:
            continue
        if runs and runs[-1][0] == thing and runs[-1][1][-1] == index - 1:
            runs[-1][1].append(index)
        else:
            runs.append((thing, [index]))
    return [
        WordMask(tuple(run), scene.objects[thing].mask, " ".join(scene.objects[thing].words))
        for thing, run in runs
    ]


def _captioned(name: str, index: int, scene: Scene) -> Sample:
    masks = word_masks(scene, scene.caption_objects)
    return Sample(f"{name}-{index:04d}", scene.image, scene.prompt, scene.caption, masks=masks)


def _captions(name: str, style: SceneStyle) -> Maker:
    def samples(seed: int, split: int) -> Iterator[Sample]:
        for index in count_up():
            yield _captioned(name, index, make_scene(index, style=style, seed=seed, split=split))

    return samples


def _crowded(seed: int, split: int) -> Iterator[Sample]:
    for index in count_up():
        scene = make_scene(index, style=CROWDED, seed=seed, split=split)
        questions = [question for question in scene.questions if question.kind == "shape"]
        question = questions[index % len(questions)]
        answer = question.answer
        masks = word_masks(scene, answer.objects)
        yield Sample(f"crowded-{index:04d}", scene.image, question.prompt, answer.text, masks=masks)


def _occluded(seed: int, split: int) -> Iterator[Sample]:
    found = 0
    for index in count_up():
        # Laid out before painted: most layouts are refused.
        visible = lay_out(OCCLUDED, generator(split, seed, index)).visible
        if LEAST_VISIBLE <= min(visible) <= MOST_VISIBLE:
            yield _captioned(
                "occluded", found, make_scene(index, style=OCCLUDED, seed=seed, split=split)
            )
            found += 1


def _absent(seed: int, split: int) -> Iterator[Sample]:
    for index in count_up():
        scene = make_scene(index, style=PLAIN, seed=seed, split=split)
        # A stream of its own: the scene's is used up by the scene.
        random = np.random.default_rng([split, seed, index, 1])
        things = [Placed(thing.color, thing.shape, thing.center) for thing in scene.objects]
        invented = int(random.integers(1, len(things)))
        colors = [color for color in COLORS if color not in {thing.color for thing in things}]
        shapes = [shape for shape in SHAPES if shape not in {thing.shape for thing in things}]
        center = things[invented].center
        things[invented] = Placed(str(random.choice(colors)), str(random.choice(shapes)), center)
        caption = describe(things, scene.texture)
        shown = [None if thing == invented else thing for thing in caption.objects]
        yield Sample(
            f"absent-{index:04d}",
            scene.image,
            scene.prompt,
            caption.text,
            masks=word_masks(scene, shown),
            absent=tuple(i for i, thing in enumerate(caption.objects) if thing == invented),
        )


_MAKERS: dict[str, Maker] = {
    "val": _captions("val", PLAIN),
    "crowded": _crowded,
    "occluded": _occluded,
    "relational": _captions("relational", RELATIONAL),
    "absent": _absent,
}
