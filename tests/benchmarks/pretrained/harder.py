"""Scenes that ask more of an explanation than the plain ones: many small things, hidden ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from tests.benchmarks.pretrained.assets import cut_out, mask_of
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.pretrained.scenes import SIDE, Scene, Thing, compose, make_scene, turned

SMALL = 0.27
"""The longer side of a crowded scene's largest object, in parts of the scene's: as much as the
smallest of a plain one's."""
LEAST_VISIBLE, MOST_VISIBLE = 0.3, 0.9
"""Shares of an object: what every one shows at least, and the most hidden one at most."""
_NEAR = (0.3, 0.8)
"""How far centres are apart, in parts of the mean of the two objects' longer sides."""
_TRIES = 20


def make_crowded(random: np.random.Generator, *, split: int, side: int = SIDE) -> Scene:
    """Three to five small objects that do not touch.

    Args:
        random: Decides everything.
        split: As :func:`make_scene`.
        side: In pixels.
    """
    while True:
        scene = make_scene(random, split=split, side=side, counts=(3, 5), largest=SMALL)
        if len(scene.things) >= 3:
            return scene


def make_occluded(random: np.random.Generator, *, split: int, side: int = SIDE) -> Scene:
    """Two or three objects of a plain scene's sizes, of which one at least hides part of another.

    Args:
        random: Decides everything.
        split: As :func:`make_scene`.
        side: In pixels.
    """
    middle = slice(int(0.45 * side), int(0.55 * side))
    while True:
        names = random.choice(NAMES, int(random.integers(2, 4)), replace=False).tolist()
        cuts = [turned(cut_out(name), random, side) for name in names]
        for _ in range(_TRIES):
            placed = _placed(names, cuts, random, side)
            things = _carved(placed)
            shares = [
                mask_of(seen.cut).sum() / mask_of(whole.cut).sum()
                for seen, whole in zip(things, placed, strict=True)
            ]
            if not LEAST_VISIBLE <= min(shares) <= MOST_VISIBLE:
                continue
            scene = compose(things, random, split=split, side=side)
            if not scene.masks[:, middle, middle].any():
                return scene


def _placed(
    names: Sequence[str], cuts: Sequence[Image.Image], random: np.random.Generator, side: int
) -> list[Thing]:
    """Wholly within the scene, each but the first near the one before."""
    things: list[Thing] = []
    for name, cut in zip(names, cuts, strict=True):
        room = np.array([side - edge for edge in cut.size])
        at = random.uniform(0, 1, 2) * room
        if things:
            before, angle = things[-1], random.uniform(0, 2 * np.pi)
            apart = random.uniform(*_NEAR) * (max(cut.size) + max(before.cut.size)) / 2
            centre = np.array(before.centre) + apart * np.array([np.cos(angle), np.sin(angle)])
            at = np.clip(centre - np.array(cut.size) / 2, 0, room)
        things.append(Thing(name, cut, (int(at[0]), int(at[1]))))
    return things


def _carved(things: Sequence[Thing]) -> list[Thing]:
    """Each without what the later ones hide: so drawings overlap nowhere, and masks stay exact."""
    carved = []
    for index, thing in enumerate(things):
        alpha = np.array(thing.cut.getchannel("A"))
        for front in things[index + 1 :]:
            hidden = Image.new("L", thing.cut.size)
            offset = front.at[0] - thing.at[0], front.at[1] - thing.at[1]
            hidden.paste(Image.fromarray(mask_of(front.cut)), offset)
            alpha[np.asarray(hidden) > 0] = 0
        cut = thing.cut.copy()
        cut.putalpha(Image.fromarray(alpha))
        carved.append(replace(thing, cut=cut))
    return carved
