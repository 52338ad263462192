"""What an explanation is made of: tokens, words, candidates, images; and how its parts compare."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["prompt", "answer"]
MOST_OBJECTS = 256
LARGEST_MASK_SIDE = 1024


def shortened(text: str, characters: int = 60) -> str:
    """A text in one line, and no longer than so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1] + "…"


def require_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    """Refuses an array of another shape."""
    if array.shape != expected:
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")


def require_per_image(name: str, arrays: Any) -> None:
    """Refuses anything but a tuple of arrays."""
    if not isinstance(arrays, tuple) or not arrays:
        raise TypeError(
            f"{name}: expected a tuple with one array per image, also for a single one, got "
            f"{type(arrays).__name__}"
        )


def only(name: str, arrays: tuple[Any, ...]) -> Any:
    """The single one of what there is per image; ValueError where there are several."""
    if len(arrays) != 1:
        raise ValueError(
            f"{name}: expected an explanation of one image, got {len(arrays)} images; take one of "
            f"{name}s"
        )
    return arrays[0]


class ByContent:
    """Equal where all fields are, arrays by their values (NaN is NaN); hashed by plain fields."""

    def __eq__(self, other: object) -> bool:
        return NotImplemented if type(other) is not type(self) else _same(self, other)

    def __hash__(self) -> int:
        values = (getattr(self, entry.name) for entry in fields(self))  # type: ignore[arg-type]
        return hash((type(self), *(v for v in values if isinstance(v, (str, int)))))


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        # One that is read from a file may be of a class of its own.
        if not (isinstance(one, np.ndarray) and isinstance(other, np.ndarray)):
            return False
        return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if type(one) is type(other):
        if is_dataclass(one):
            return all(_same(getattr(one, e.name), getattr(other, e.name)) for e in fields(one))
        if isinstance(one, (tuple, list)):
            return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other or (one != one and other != other))


@dataclass(frozen=True)
class Token:
    """One text token.

    Attributes:
        id: Index into the model's vocabulary.
        text: The token as a person reads it, its leading space kept.
        role: ``"prompt"`` or ``"answer"``.
        position: Index in the model's input sequence at scale 1.0 (visual tokens counted).
        special: True for template markers such as ``<|im_start|>``, and for those that the model
            writes into its answer, such as ``<|box_start|>``.
        turn: Index of its message in the conversation (:attr:`Explanation.turns`).
    """

    id: int
    text: str
    role: Role
    position: int
    special: bool = False
    turn: int = 0


@dataclass(frozen=True)
class WordGroup:
    """Adjacent context tokens that make a word, or stand between words.

    Attributes:
        first: Its first token's index among the ``C`` context tokens; it ends where the next
            group begins.
        text: What its tokens spell together, characters whole, the blank before them kept.
    """

    first: int
    text: str


def chosen_tokens(tokens: Any, find: Callable[[str], range], count: int) -> list[int]:
    """Indices of some of ``count`` tokens.

    Args:
        tokens: A phrase, an index, or a range, slice or sequence of indices.
        find: The tokens of a phrase.
        count: Of all.

    Raises:
        ValueError: Something else, none, or one that is not there.
    """
    rows: list[Any]
    if isinstance(tokens, str):
        rows = list(find(tokens))
    elif isinstance(tokens, slice):
        try:
            rows = list(range(count)[tokens])
        except TypeError:  # of something else than whole numbers
            rows = [tokens]
    elif isinstance(tokens, (range, list, tuple)):
        rows = list(tokens)
    else:
        rows = tokens.tolist() if isinstance(tokens, np.ndarray) and tokens.ndim else [tokens]
    if not all(is_whole(row) for row in rows):
        raise ValueError(
            f"tokens: expected a word or phrase of the answer, a token's index, or a range, slice "
            f"or list of indices, got {reprlib.repr(tokens)}"
        )
    if not rows or min(rows) < 0 or max(rows) >= count:
        raise ValueError(f"tokens: expected some of 0 to {count - 1}, got {reprlib.repr(tokens)}")
    return [int(row) for row in rows]


def require_index(name: str, given: Any, count: int) -> None:
    """Refuses what is no index into ``count``."""
    if not is_whole(given) or not 0 <= given < count:
        raise ValueError(f"{name}: expected 0 to {count - 1}, got {reprlib.repr(given)}")


def is_whole(given: Any) -> bool:
    """Whether it is a whole number; True and False are none."""
    return isinstance(given, (int, np.integer)) and not isinstance(given, bool)


def as_mask(given: Any, name: str) -> NDArray[np.bool_]:
    """A mask as bool.

    Args:
        given: An array of bool, of whole numbers that are 0 outside and one other inside, or of
            floats that are 0 and 1.
        name: What errors call it.

    Raises:
        ValueError: Something else, of which nothing says where its thing begins.
    """
    try:
        array = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths; a tensor
        raise ValueError(f"mask of {name!r}: expected an (H, W) array ({error})") from None
    if array.dtype == np.bool_:
        return array
    got = f"{type(given).__name__} of {array.dtype}"
    if array.dtype.kind in "iuf":
        low, high = (array.min(), array.max()) if array.size else (0, 0)
        inside = array != 0
        # NaN is neither.
        clear = bool(((array == high) | ~inside).all()) and low >= 0
        if clear and (array.dtype.kind != "f" or high in (0, 1)):
            return inside
        got = f"{array.dtype} from {low:g} to {high:g}"
    raise ValueError(
        f"mask of {name!r}: expected bool, or 0 outside and 1 inside, got {got}; say where it is: "
        "mask > 0.5 of probabilities, mask > 0 of logits, mask == 3 of labels"
    )


def require_groups(groups: tuple[WordGroup, ...], context: int, *, prompt: int) -> None:
    """Refuses groups that do not part the context tokens, or span the end of the prompt's."""
    starts = [group.first for group in groups]
    if starts and not (
        starts[0] == 0
        and prompt in starts
        and starts == sorted(set(starts))
        and starts[-1] < context
    ):
        raise ValueError(
            f"words: expected ascending first tokens below {context}, 0 and {prompt} among them, "
            f"got {starts}"
        )


@dataclass(frozen=True)
class ContextWord:
    """A word of the context, or a sentence of a thought, whose influence was measured or could be.

    Attributes:
        first: Its first token's index among the ``C`` context tokens.
        count: How many tokens it has.
        text: What they spell together, as a :class:`WordGroup`'s.
        how: How it was taken away: its keys ``hidden`` from attention, or its embeddings
            ``replaced`` by a neutral token's; ``unmeasured`` where the budget left it out.
    """

    first: int
    count: int
    text: str
    how: str = "hidden"


def require_words(words: tuple[ContextWord, ...], context: int) -> None:
    """Refuses words that do not follow each other within so many context tokens."""
    end = 0
    for word in words:
        if not end <= word.first < word.first + word.count <= context:
            raise ValueError(
                f"context_words: expected ascending words of at least one of the {context} tokens, "
                f"got {word}"
            )
        end = word.first + word.count


@dataclass(frozen=True)
class ObjectMask:
    """Where what some words of the answer name is in the picture, as run lengths.

    Attributes:
        name: What it is called.
        tokens: Ascending indices of the answer's tokens that name it.
        height: Rows of the mask, which covers the whole picture; at most 1,024.
        width: Columns of the mask, as many at most.
        runs: How many cells in a row, line by line, are outside, then inside, then outside ...
    """

    name: str
    tokens: tuple[int, ...]
    height: int
    width: int
    runs: tuple[int, ...]

    def __post_init__(self) -> None:
        tokens, runs = self.tokens, self.runs
        if not tokens or list(tokens) != sorted(set(tokens)) or tokens[0] < 0:
            raise ValueError(f"objects: expected ascending tokens, got {str(tokens)[:80]}")
        for side in (self.height, self.width):
            if not 0 < side <= LARGEST_MASK_SIDE:
                raise ValueError(f"objects: expected sides of 1 to {LARGEST_MASK_SIDE}, got {side}")
        cells = self.height * self.width
        if not runs or runs[0] < 0 or min(runs[1:], default=1) < 1 or sum(runs) != cells:
            raise ValueError(f"objects: expected runs over {cells} cells, got {str(runs)[:80]}")

    @property
    def mask(self) -> NDArray[np.bool_]:
        """``(height, width)`` bool."""
        inside = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(inside, self.runs).reshape(self.height, self.width)


def require_objects(objects: tuple[ObjectMask, ...], count: int) -> None:
    """Refuses more objects than are logged, and those of other tokens than the answer's."""
    if len(objects) > MOST_OBJECTS:
        raise ValueError(f"objects: expected at most {MOST_OBJECTS}, got {len(objects)}")
    last = max((entry.tokens[-1] for entry in objects), default=0)
    if last >= count:
        raise ValueError(f"objects: expected tokens below {count}, got {last}")


@dataclass(frozen=True)
class Candidate:
    """One entry of a next-token prediction: vocabulary id, its text, its probability."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True)
class EncodedImage:
    """The explained image as compressed bytes, so that it is stored once and never re-encoded.

    Attributes:
        data: A PNG or JPEG file's bytes.
        format: ``"png"`` or ``"jpeg"``.
        width: Pixels.
        height: Pixels.
        hash: Hexadecimal content hash, the image's name in the event file.
    """

    data: bytes
    format: Literal["png", "jpeg"]
    width: int
    height: int
    hash: str


@dataclass(frozen=True)
class ExplainedImage:
    """What has a map of its own: an image, or the frames that one patch of a video covers.

    Attributes:
        image: Its pixels (of a video's patch: the first frame), or None when a reader could not
            find them.
        picture: Index among the sample's images and videos.
        frames: Indices of the video's frames; empty for an image.
        seconds: When each of them is shown.
    """

    image: EncodedImage | None
    picture: int = 0
    frames: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
