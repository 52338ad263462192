"""Validation scenes as samples to explain: the caption teacher-forced, a mask for each noun."""

from __future__ import annotations

from demo.scenes import PLAIN, Scene, SceneStyle, validation_scenes
from demo.words import BACKGROUND, SHAPES
from mmx_core import Sample, WordMask


def as_sample(scene: Scene) -> Sample:
    """One scene; its nouns are the shapes' names."""
    said = scene.caption.split()
    masks = [
        WordMask((index,), scene.objects[thing].mask, " ".join(scene.objects[thing].words))
        for index, (word, thing) in enumerate(zip(said, scene.caption_objects, strict=True))
        if thing is not None and thing != BACKGROUND and word in SHAPES
    ]
    return Sample(scene.id, scene.image, scene.prompt, scene.caption, masks=masks)


def probe_samples(count: int, *, seed: int = 0, style: SceneStyle = PLAIN) -> list[Sample]:
    """The first ``count`` validation scenes of a seed."""
    return [as_sample(scene) for scene in validation_scenes(count, seed=seed, style=style)]
