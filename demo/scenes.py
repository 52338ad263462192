"""Procedural, seeded scenes: coloured shapes on textured backgrounds, with an exact mask each.

A scene is a pure function of `(style, split, seed, index)`. Training and validation draw from
different splits of the seed space, so no validation scene is ever trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo import drawing, words
from demo.words import BACKGROUND, CAPTION_PROMPT, Placed, Question, Sentence

TRAINING_SPLIT, VALIDATION_SPLIT = 0, 1


@dataclass(frozen=True)
class SceneStyle:
    """What kind of scene is drawn; further sets (crowded, occluded, ...) are further styles.

    Attributes:
        name: Name of the set, part of every scene's id.
        counts: Numbers of objects to choose from.
        sides: Image heights and widths in pixels to choose from, each drawn on its own.
        side_weights: Relative frequency of each side, or None for equal ones.
        radii: Smallest and largest object radius as a share of the shorter side.
        spacing: Least distance of two centres in units of the sum of their radii. Below 1, objects
            overlap, and later ones hide earlier ones.
        clear: Least horizontal distance of two centres as a share of the width, so that the order
            from left to right is visible.
        repeats: Whether two objects may share their colour or shape (never both).
        one_shape: Whether all objects share one shape, so that only colours tell them apart.
    """

    name: str = "plain"
    counts: tuple[int, ...] = (2, 3, 4)
    sides: tuple[int, ...] = (112, 128, 144, 160, 176, 192, 208, 224)
    side_weights: tuple[float, ...] | None = (6, 5, 4, 3, 2, 2, 1.5, 1.5)
    radii: tuple[float, float] = (0.14, 0.19)
    spacing: float = 1.1
    clear: float = 0.07
    repeats: bool = False
    one_shape: bool = False

    def draw_size(self, random: np.random.Generator) -> tuple[int, int]:
        """Returns a height and a width in pixels; neither is more than 1.6 times the other."""
        weights = np.asarray(self.side_weights or [1.0] * len(self.sides), dtype=np.float64)
        while True:
            height, width = random.choice(self.sides, 2, p=weights / weights.sum()).tolist()
            if max(height, width) <= 1.6 * min(height, width):
                return height, width


PLAIN = SceneStyle()
# Sizes are those of PLAIN: a set differs from it in what it claims and in nothing else.
CROWDED = SceneStyle(name="crowded", counts=(3, 4), one_shape=True)
OCCLUDED = SceneStyle(name="occluded", spacing=0.5, clear=0.04)
RELATIONAL = SceneStyle(name="relational", counts=(2, 3), one_shape=True)


@dataclass(frozen=True)
class SceneObject:
    """One shape of a scene.

    Attributes:
        color: One of `demo.words.COLORS`.
        shape: One of `demo.words.SHAPES`.
        center: Horizontal and vertical centre in pixels.
        mask: Its visible pixels, `(height, width)` booleans.
        visible: Share of its pixels that no other object hides, in [0, 1].
    """

    color: str
    shape: str
    center: tuple[float, float]
    mask: NDArray[np.bool_] = field(repr=False, compare=False)
    visible: float = field(default=1.0, repr=False, compare=False)

    @property
    def words(self) -> tuple[str, str]:
        """The words that name it."""
        return self.color, self.shape

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the visible pixels; right and bottom are exclusive."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        if not rows.size:
            return 0, 0, 0, 0
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True)
class Scene:
    """A picture, what is in it, and what can be said of it.

    Attributes:
        id: Unique name, e.g. `plain-1-0007`.
        image: RGB picture.
        caption: The only right description, words separated by single spaces.
        caption_objects: Per word of the caption the index into `objects` that it names,
            `BACKGROUND` for words that name the background, None for function words.
        objects: The shapes, ordered from left to right.
        texture: The background's texture, one of `demo.words.TEXTURES`.
        questions: Questions with a single right answer each.
        prompt: The prompt that asks for the caption.
    """

    id: str
    image: Image.Image = field(repr=False, compare=False)
    caption: str
    caption_objects: tuple[int | None, ...]
    objects: tuple[SceneObject, ...]
    texture: str
    questions: tuple[Question, ...] = field(repr=False)
    prompt: str = CAPTION_PROMPT

    def mask_of(self, index: int) -> NDArray[np.bool_]:
        """Returns the mask `(height, width)` of an object, or of `BACKGROUND`."""
        if index == BACKGROUND:
            return np.asarray(~np.any([thing.mask for thing in self.objects], axis=0))
        return self.objects[index].mask

    def word_masks(self) -> tuple[NDArray[np.bool_] | None, ...]:
        """Returns per caption word the mask it names, None for function and background words."""
        return tuple(
            None if index is None or index == BACKGROUND else self.objects[index].mask
            for index in self.caption_objects
        )


@dataclass(frozen=True)
class Layout:
    """A scene before it is painted: what stands where.

    Attributes:
        things: The objects, ordered from left to right.
        masks: Visible pixels per object, `(objects, height, width)` booleans.
        texture: The background's texture.
        areas: Pixels per object, those that later objects hide included.
    """

    things: tuple[Placed, ...]
    masks: NDArray[np.bool_]
    texture: str
    areas: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.masks.shape[1]), int(self.masks.shape[2])

    @property
    def visible(self) -> tuple[float, ...]:
        """Share of each object's pixels that no other object hides, in [0, 1]."""
        shown = self.masks.sum(axis=(1, 2)).tolist()
        return tuple(part / whole for part, whole in zip(shown, self.areas, strict=True))

    def caption(self) -> Sentence:
        """Returns the caption."""
        return words.describe(self.things, self.texture)

    def questions(self) -> tuple[Question, ...]:
        """Returns the unambiguous questions."""
        return words.ask(self.things, *self.size)


def generator(split: int, seed: int, index: int) -> np.random.Generator:
    """Returns the random generator of one scene."""
    return np.random.default_rng([split, seed, index])


def _draw_names(
    style: SceneStyle, count: int, random: np.random.Generator
) -> list[tuple[str, str]]:
    if style.one_shape:
        shape = words.SHAPES[int(random.integers(len(words.SHAPES)))]
        colors = random.permutation(len(words.COLORS))[:count]
        return [(words.COLORS[color], shape) for color in colors]
    if not style.repeats and count <= len(words.SHAPES):
        colors = random.permutation(len(words.COLORS))[:count]
        shapes = random.permutation(len(words.SHAPES))[:count]
        return [(words.COLORS[c], words.SHAPES[s]) for c, s in zip(colors, shapes, strict=True)]
    pairs = random.permutation(len(words.COLORS) * len(words.SHAPES))[:count]
    return [
        (words.COLORS[p % len(words.COLORS)], words.SHAPES[p // len(words.COLORS)])
        for p in pairs.tolist()
    ]


def _draw_places(
    style: SceneStyle, count: int, height: int, width: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns centres `(count, 2)` sorted by x, and radii `(count,)`, in pixels."""
    first, second = np.triu_indices(count, 1)
    related = np.asarray(words.caption_pairs(count), dtype=np.int64).reshape(-1, 2)
    low, high = style.radii
    for attempt in range(200):
        # Crowded pictures get smaller objects, by 2 % with every failed attempt.
        radii = random.uniform(low, high, count) * min(height, width) * 0.98**attempt
        room = np.asarray([width, height]) - 2 * radii[:, None] * 1.05
        centers = random.uniform(0, 1, (64, count, 2)) * room + radii[:, None] * 1.05
        order = np.argsort(centers[:, :, 0], axis=1)
        centers = np.take_along_axis(centers, order[:, :, None], 1)
        sizes = radii[order]
        gaps = np.linalg.norm(centers[:, first] - centers[:, second], axis=-1)
        good = (gaps >= style.spacing * (sizes[:, first] + sizes[:, second])).all(1)
        good &= (np.diff(centers[:, :, 0], axis=1) >= style.clear * width).all(1)
        offsets = np.abs(centers[:, related[:, 0]] - centers[:, related[:, 1]])
        good &= (offsets.max(-1) >= 1.6 * offsets.min(-1)).all(1)
        if good.any():
            choice = int(good.argmax())
            return centers[choice], sizes[choice]
    raise RuntimeError(
        f"could not place {count} objects of style {style.name!r} on {width}x{height} pixels "
        "in 12800 tries; lower its counts, radii or spacing"
    )


def lay_out(
    style: SceneStyle, random: np.random.Generator, size: tuple[int, int] | None = None
) -> Layout:
    """Draws what stands where.

    Args:
        style: The kind of scene.
        random: Source of all choices.
        size: Height and width in pixels, drawn from the style if None.
    """
    height, width = size or style.draw_size(random)
    count = int(random.choice(style.counts))
    names = _draw_names(style, count, random)
    centers, radii = _draw_places(style, count, height, width, random)
    angles = random.uniform(-0.17, 0.17, count)
    masks = np.zeros((count, height, width), dtype=bool)
    things, areas = [], []
    for index, ((color, shape), center) in enumerate(zip(names, centers.tolist(), strict=True)):
        place = (center[0], center[1])
        things.append(Placed(color, shape, place))
        masks[index] = drawing.shape_mask(
            shape,
            height,
            width,
            center=place,
            radius=float(radii[index]),
            angle=float(angles[index]),
        )
        areas.append(int(masks[index].sum()))
        masks[:index] &= ~masks[index]
    return Layout(tuple(things), masks, str(random.choice(words.TEXTURES)), tuple(areas))


def paint(layout: Layout, random: np.random.Generator) -> NDArray[np.uint8]:
    """Paints a layout as `(height, width, 3)` bytes."""
    canvas = drawing.paint_background(layout.texture, *layout.size, random)
    for thing, mask in zip(layout.things, layout.masks, strict=True):
        drawing.paint_object(canvas, mask, thing.color, random)
    return drawing.to_bytes(canvas, random)


def make_scene(
    index: int,
    *,
    style: SceneStyle = PLAIN,
    seed: int = 0,
    split: int = VALIDATION_SPLIT,
    size: tuple[int, int] | None = None,
) -> Scene:
    """Makes one scene, always the same one for the same arguments.

    Args:
        index: Number of the scene within its set.
        style: The kind of scene.
        seed: Seed of the set.
        split: `TRAINING_SPLIT` or `VALIDATION_SPLIT`.
        size: Height and width in pixels, drawn from the style if None.
    """
    random = generator(split, seed, index)
    layout = lay_out(style, random, size)
    caption = layout.caption()
    return Scene(
        id=f"{style.name}-{seed}-{index:04d}",
        image=Image.fromarray(paint(layout, random)),
        caption=caption.text,
        caption_objects=caption.objects,
        objects=tuple(
            SceneObject(thing.color, thing.shape, thing.center, mask, visible)
            for thing, mask, visible in zip(
                layout.things, layout.masks, layout.visible, strict=True
            )
        ),
        texture=layout.texture,
        questions=layout.questions(),
    )


def validation_scenes(count: int, *, seed: int = 0, style: SceneStyle = PLAIN) -> list[Scene]:
    """Returns the first `count` validation scenes of a seed; training never sees them."""
    return [make_scene(index, style=style, seed=seed) for index in range(count)]


def training_style(sides: tuple[int, ...], counts: tuple[int, ...]) -> SceneStyle:
    """Returns the style of one stage of the training curriculum; words may repeat in it."""
    return replace(PLAIN, name="training", sides=sides, counts=counts, side_weights=None)
