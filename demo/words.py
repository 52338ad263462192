"""The demo's whole language: 64 words, and the grammar that turns a scene into sentences.

Every sentence is a deterministic function of the scene, so that "the caption is right" is well
posed: objects are named from left to right, and a relation is horizontal if the centres are further
apart horizontally than vertically.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

PAD, UNKNOWN, TURN_START, TURN_END = "<|pad|>", "<|unk|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
SPECIAL_TOKENS = (
    PAD,
    UNKNOWN,
    TURN_START,
    TURN_END,
    VISION_START,
    VISION_END,
    IMAGE,
    VIDEO,
)
COLORS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "white")
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
TEXTURES = ("plain", "striped", "dotted", "checkered", "speckled")
NUMBERS = ("one", "two", "three", "four", "five")
BACKGROUND_WORD = "background"
GRAMMAR = tuple(
    "user assistant a an the is are of on and at left right above below top bottom . ? "
    "describe image what color shape shapes how many there where yes no".split()
)
VOCABULARY = (*SPECIAL_TOKENS, *COLORS, *SHAPES, *TEXTURES, *NUMBERS, BACKGROUND_WORD, *GRAMMAR)

CAPTION_PROMPT = "describe the image ."
BACKGROUND = -1
"""Index that words naming the background carry in place of an object's index."""


@dataclass(frozen=True)
class Placed:
    """What the grammar needs to know of one object.

    Attributes:
        color: One of `COLORS`.
        shape: One of `SHAPES`.
        center: Horizontal and vertical centre in pixels, x to the right and y downwards.
    """

    color: str
    shape: str
    center: tuple[float, float]


@dataclass(frozen=True)
class Sentence:
    """Words, each with the thing in the picture that it names.

    Attributes:
        words: The words in order, one token each.
        objects: Per word the index of the object it names, `BACKGROUND` for words that name the
            background, None for function words.
    """

    words: tuple[str, ...]
    objects: tuple[int | None, ...]

    @property
    def text(self) -> str:
        """The words joined by single spaces."""
        return " ".join(self.words)


@dataclass(frozen=True)
class Question:
    """A question about a scene and its only right answer.

    Attributes:
        kind: `color`, `shape`, `count` or `position`.
        prompt: The question, words separated by single spaces.
        answer: The answer with the object each of its words names.
    """

    kind: str
    prompt: str
    answer: Sentence


class _Builder:
    def __init__(self) -> None:
        self._words: list[str] = []
        self._objects: list[int | None] = []

    def say(self, text: str, names: int | None = None) -> _Builder:
        for word in text.split():
            self._words.append(word)
            self._objects.append(names)
        return self

    def name(self, index: int, thing: Placed) -> _Builder:
        self.say(article(thing.color))
        return self.say(f"{thing.color} {thing.shape}", index)

    def done(self) -> Sentence:
        return Sentence(tuple(self._words), tuple(self._objects))


def article(word: str) -> str:
    """Returns "an" before a vowel, else "a"."""
    return "an" if word[0] in "aeiou" else "a"


def relation(first: Placed, second: Placed) -> str:
    """Returns how `first` lies to `second`: "left of", "right of", "above" or "below"."""
    across = second.center[0] - first.center[0]
    down = second.center[1] - first.center[1]
    if abs(across) > abs(down):
        return "left of" if across > 0 else "right of"
    return "above" if down > 0 else "below"


def caption_pairs(count: int) -> tuple[tuple[int, int], ...]:
    """Returns which pairs of objects, counted from the left, a caption relates.

    Everything is told from the leftmost object: "A is R B", "A is R B and R C", and so on.
    """
    return tuple((0, other) for other in range(1, count))


def describe(things: Sequence[Placed], texture: str) -> Sentence:
    """Returns the caption of a scene.

    Args:
        things: The objects, ordered from left to right.
        texture: The background's texture, one of `TEXTURES`.
    """
    builder = _Builder().name(0, things[0]).say("is")
    for first, second in caption_pairs(len(things)):
        if second > 1:
            builder.say("and")
        builder.say(relation(things[first], things[second])).name(second, things[second])
    builder.say("on").say(article(texture)).say(f"{texture} {BACKGROUND_WORD}", BACKGROUND)
    return builder.say(".").done()


def ask(
    things: Sequence[Placed], height: int, width: int, *, margin: float = 0.08
) -> tuple[Question, ...]:
    """Returns every question that the scene answers without ambiguity.

    Args:
        things: The objects, ordered from left to right.
        height: Image height in pixels.
        width: Image width in pixels.
        margin: Share of the side by which a centre must clear the middle to be asked about.
    """
    shapes = [thing.shape for thing in things]
    colors = [thing.color for thing in things]
    questions = []
    for index, thing in enumerate(things):
        if shapes.count(thing.shape) == 1:
            answer = _Builder().say("the").say(thing.shape, index).say("is")
            answer.say(thing.color, index).say(".")
            prompt = f"what color is the {thing.shape} ?"
            questions.append(Question("color", prompt, answer.done()))
            across, down = thing.center[0] / width - 0.5, thing.center[1] / height - 0.5
            if min(abs(across), abs(down)) > margin:
                place = f"{'top' if down < 0 else 'bottom'} {'left' if across < 0 else 'right'}"
                answer = _Builder().say("the").say(thing.shape, index).say(f"is at the {place} .")
                prompt = f"where is the {thing.shape} ?"
                questions.append(Question("position", prompt, answer.done()))
        if colors.count(thing.color) == 1:
            answer = _Builder().say("the").say(thing.color, index).say("shape is a")
            answer.say(thing.shape, index).say(".")
            prompt = f"what shape is {thing.color} ?"
            questions.append(Question("shape", prompt, answer.done()))
    if len(things) <= len(NUMBERS):
        verb = "is one shape" if len(things) == 1 else f"are {NUMBERS[len(things) - 1]} shapes"
        answer = _Builder().say(f"there {verb} .")
        questions.append(Question("count", "how many shapes are there ?", answer.done()))
    return tuple(questions)


def relation_is_clear(first: Placed, second: Placed, *, ratio: float = 1.3) -> bool:
    """Returns whether one axis separates the centres at least `ratio` times as far as the other."""
    across = abs(second.center[0] - first.center[0])
    down = abs(second.center[1] - first.center[1])
    low, high = sorted((across, down))
    return high >= ratio * low and not math.isclose(high, 0.0)
