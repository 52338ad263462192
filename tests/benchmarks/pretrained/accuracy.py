"""Are the things of unseen scenes called by their names, and do they stand where it says?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tests.benchmarks.pretrained.joint import prompt_ids
from tests.benchmarks.pretrained.model import TILE
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.pretrained.scenes import DESCRIBE, VALIDATION, Scene, generator, make_scene
from tests.benchmarks.pretrained.tower import pixels
from tests.support.tiny_models import TinyModel

LONGEST = 48
"""Tokens of an answer, at most."""


@dataclass(frozen=True)
class Accuracy:
    """Of greedy answers on unseen scenes.

    Attributes:
        named: Share of the objects that the description names.
        rightly: Share of the names in descriptions that are in the scene.
        whole: Share of the descriptions that are right in every word.
        yes_or_no: Share of questions about two objects answered rightly; .5 is chance.
        interval: Half of the 95 % interval of ``named``, by scenes.
    """

    named: float
    rightly: float
    whole: float
    yes_or_no: float
    interval: float


def unseen(
    count: int, *, seed: int = 0, side: int = 2 * TILE, make: Callable[..., Scene] = make_scene
) -> list[Scene]:
    """Scenes of the measured split."""
    return [
        make(generator(VALIDATION, seed, index), split=VALIDATION, side=side)
        for index in range(count)
    ]


def measure(made: TinyModel, *, count: int) -> Accuracy:
    """Lets the model answer.

    Args:
        made: Of :func:`model.load`; its weights become bfloat16.
        count: Scenes.
    """
    made.model.to(torch.bfloat16)
    names, whole, yes, shares = 0, 0, [], []
    scenes = unseen(count)
    for index, (scene, said) in enumerate(zip(scenes, descriptions(made, scenes), strict=True)):
        shown, told = {thing.name for thing in scene.things}, names_in(said)
        shares.append((len(shown & told), len(shown)))
        names += len(told)
        whole += said == scene.description
        if len(scene.things) > 1:
            question, wanted = scene.question(generator(VALIDATION, 2, index))
            (found,) = answers(made, [scene], question, longest=1)
            yes.append(found == wanted.split(",")[0])
    pairs = np.asarray(shares, dtype=float)
    drawn = np.random.default_rng(0).integers(0, len(pairs), (1000, len(pairs)))
    means = pairs[drawn, 0].sum(axis=1) / pairs[drawn, 1].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Accuracy(
        float(pairs[:, 0].sum() / pairs[:, 1].sum()),
        float(pairs[:, 0].sum() / max(1, names)),
        whole / count,
        float(np.mean(yes)),
        float(high - low) / 2,
    )


def names_in(text: str) -> set[str]:
    """Nouns that a text names; the longest is meant where one is part of another."""
    found = set()
    for name in sorted(NAMES, key=len, reverse=True):
        if f" {name} " in f" {text.replace('.', ' ').replace(',', ' ')} ":
            found.add(name)
            text = text.replace(name, "")
    return found


def descriptions(made: TinyModel, scenes: Sequence[Scene], *, batch: int = 25) -> list[str]:
    """What the model says of scenes, greedily."""
    said = []
    for start in range(0, len(scenes), batch):
        said += answers(made, scenes[start : start + batch], DESCRIBE)
    return said


@torch.no_grad()
def answers(
    made: TinyModel, scenes: Sequence[Scene], question: str, *, longest: int = LONGEST
) -> list[str]:
    """Greedy answers to one question about scenes shown as one tile each."""
    model: Any = made.model
    ids = torch.tensor([prompt_ids(made.tokenizer, question)] * len(scenes))
    given = pixels([scene.image.resize((TILE, TILE)) for scene in scenes])
    said = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=given[:, None].to(model.dtype),
        max_new_tokens=longest,
        do_sample=False,
    )
    texts = made.tokenizer.batch_decode(said[:, ids.shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in texts]
