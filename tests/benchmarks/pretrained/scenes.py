"""Scenes: cut-outs over textures and photographs, away from the middle, and what is said of them.

A scene is a function of its split, seed and index. Learnt and measured scenes share the drawings
(turned, mirrored, resized, lit and faded at random), not the photographs, textures and placements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageEnhance

from tests.benchmarks.pretrained.assets import SEEN, UNSEEN, cut_out, mask_of, photograph
from tests.benchmarks.pretrained.nouns import NAMES, with_article

SIDE = 256
"""Pixels along a scene's side; the model looks at half as many at scale 1."""
TRAINING, VALIDATION = 0, 1
DESCRIBE = "What is in the picture?"
_SMALLEST, _LARGEST = 0.27, 0.44
"""Of an object's longer side, in parts of the scene's."""
_TRIES = 60
PLACES = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}


@dataclass(frozen=True)
class Thing:
    """An object as it stands in the scene.

    Attributes:
        name: Of :data:`nouns.NAMES`.
        cut: RGBA, turned and resized, as it is pasted.
        at: Left and top edge in the scene, in pixels; may lie outside.
    """

    name: str
    cut: Image.Image
    at: tuple[int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Across and down, in pixels."""
        return self.at[0] + self.cut.width / 2, self.at[1] + self.cut.height / 2


@dataclass(frozen=True)
class Scene:
    """A picture and what is where.

    Attributes:
        image: RGB, square.
        things: From top to bottom.
    """

    image: Image.Image
    things: tuple[Thing, ...]

    @cached_property
    def masks(self) -> np.ndarray:
        """``(N, H, W)`` bool, one per thing: what of it is seen."""
        width, height = self.image.size
        found = np.zeros((len(self.things), height, width), dtype=bool)
        for index, thing in enumerate(self.things):
            whole = Image.new("L", (width, height))
            whole.paste(Image.fromarray(mask_of(thing.cut)), thing.at)
            found[index] = np.asarray(whole) > 0
        return found

    @property
    def description(self) -> str:
        """Every object by its name, and how each stands to the one before."""
        first, *others = self.things
        said = f"There is {with_article(first.name)}"
        for before, thing in zip(self.things, others, strict=False):
            if before is first:
                said += f" {PLACES[relation(first, thing)]} {with_article(thing.name)}."
            else:
                said += f" There is {with_article(thing.name)}"
                said += f" {PLACES[relation(thing, before)]} the {before.name}."
        return said if others else f"{said}."

    def question(self, random: np.random.Generator) -> tuple[str, str]:
        """A question that takes two objects and how they stand to each other; and its answer."""
        one, other = random.choice(len(self.things), 2, replace=False)
        true = relation(self.things[one], self.things[other])
        opposite = {"left": "right", "right": "left", "above": "below", "below": "above"}[true]
        asked = true if random.random() < 0.5 else opposite
        names = self.things[one].name, self.things[other].name
        said = f"{names[0]} is {PLACES[true]} the {names[1]}."
        answer = f"{'Yes' if asked == true else 'No'}, the {said}"
        return f"Is the {names[0]} {PLACES[asked]} the {names[1]}?", answer


def relation(one: Thing, other: Thing) -> str:
    """How ``one`` stands to ``other``, along the axis on which they are further apart."""
    across, down = (a - b for a, b in zip(one.centre, other.centre, strict=True))
    if abs(across) > abs(down):
        return "left" if across < 0 else "right"
    return "above" if down < 0 else "below"


def generator(split: int, seed: int, index: int) -> np.random.Generator:
    """Of one scene."""
    return np.random.default_rng((split, seed, index))


def make_scene(
    random: np.random.Generator,
    *,
    split: int,
    side: int = SIDE,
    counts: tuple[int, int] = (2, 3),
    largest: float = _LARGEST,
) -> Scene:
    """Objects that do not touch, each away from the middle.

    Args:
        random: Decides everything.
        split: Whose photographs and textures are used.
        side: In pixels.
        counts: Of objects, fewest and most; fewer where there is no room.
        largest: Of an object's longer side, in parts of the scene's.
    """
    wanted = int(random.integers(counts[0], counts[1] + 1))
    names = [NAMES[index] for index in random.permutation(len(NAMES))]
    taken = np.zeros((side, side), dtype=bool)
    middle = slice(int(0.45 * side), int(0.55 * side))
    taken[middle, middle] = True
    things: list[Thing] = []
    for _ in range(_TRIES):
        if len(things) == wanted:
            break
        cut = turned(cut_out(names[len(things)]), random, side, largest=largest)
        at = tuple(int(random.integers(0, side - size + 1)) for size in cut.size)
        box = (slice(at[1], at[1] + cut.height), slice(at[0], at[0] + cut.width))
        if not taken[box].any():
            taken[box] = True
            things.append(Thing(names[len(things)], cut, (at[0], at[1])))
    return compose(things, random, split=split, side=side)


def make_crowd(random: np.random.Generator, *, split: int, side: int) -> Scene:
    """As many objects as have room, some cut by the edge: a tower learns more from it per pixel.

    Args:
        random: Decides everything.
        split: As :func:`make_scene`.
        side: In pixels.
    """
    rows = int(random.integers(2, 4))
    pitch = side / rows
    shift = random.uniform(-0.35, 0.35, 2) * pitch
    things = []
    for place, index in enumerate(random.choice(len(NAMES), rows * rows, replace=False)):
        row, column = divmod(place, rows)
        cut = turned(cut_out(NAMES[index]), random, side, largest=0.95 / rows)
        room = [pitch - size for size in cut.size]
        at = [
            int(start * pitch + off + random.uniform(0, max(1.0, free)))
            for start, off, free in zip((column, row), shift, room, strict=True)
        ]
        things.append(Thing(NAMES[index], cut, (at[0], at[1])))
    return compose(things, random, split=split, side=side)


def compose(things: list[Thing], random: np.random.Generator, *, split: int, side: int) -> Scene:
    """Objects over a background."""
    image = background(random, split=split, side=side)
    for thing in things:
        image.paste(thing.cut, thing.at, thing.cut)
    return Scene(image, tuple(sorted(things, key=lambda thing: thing.centre[1])))


def turned(
    drawn: Image.Image, random: np.random.Generator, side: int, *, largest: float = _LARGEST
) -> Image.Image:
    """A drawing mirrored, turned by up to 20 degrees, resized, lit and faded."""
    longest = side * random.uniform(min(_SMALLEST, 0.8 * largest), largest)
    if random.random() < 0.5:
        drawn = drawn.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    # Resized first: turning is dear, and an object's size changes little by it.
    shrink = longest / max(drawn.size)
    size = [max(4, round(edge * shrink)) for edge in drawn.size]
    small = drawn.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    small = small.rotate(random.uniform(-20, 20), Image.Resampling.BILINEAR, expand=True)
    small = small.crop(small.getchannel("A").getbbox())
    plain = ImageEnhance.Brightness(small.convert("RGB")).enhance(random.uniform(0.75, 1.2))
    plain = ImageEnhance.Color(plain).enhance(random.uniform(0.75, 1.2))
    plain.putalpha(small.getchannel("A"))
    return plain


def background(random: np.random.Generator, *, split: int, side: int) -> Image.Image:
    """Half the time a part of a photograph, else a texture of the split's own kind."""
    if random.random() < 0.5:
        names = UNSEEN if split == VALIDATION else SEEN
        photo = photograph(names[int(random.integers(len(names)))])
        part = int(min(photo.size) * random.uniform(0.3, 1.0))
        left, top = (int(random.integers(0, edge - part + 1)) for edge in photo.size)
        box = (left, top, left + part, top + part)
        image = photo.resize((side, side), Image.Resampling.BILINEAR, box=box)
    else:
        image = _texture(random, side, fine=split == VALIDATION)
    return ImageEnhance.Brightness(image).enhance(random.uniform(0.5, 1.1))


def _texture(random: np.random.Generator, side: int, *, fine: bool) -> Image.Image:
    """Two colours mixed by noise of two grains; the measured scenes' grains are others."""
    colors = random.integers(0, 256, (2, 3)).astype(np.float32)
    mixed = np.zeros((side, side), dtype=np.float32)
    for grain in (5, 23) if fine else (3, 11):
        noise = Image.fromarray(random.random((grain, grain)).astype(np.float32))
        mixed += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)) / 2
    share = np.clip(mixed, 0, 1)[..., None]
    return Image.fromarray((colors[0] * share + colors[1] * (1 - share)).astype(np.uint8))
