"""What is explained: an image, a question, perhaps an answer and the masks of its nouns."""

from __future__ import annotations

import operator
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from mmx_core.parts import ByContent, as_mask
from mmx_core.text.words import find_names, split_words

if TYPE_CHECKING:
    from PIL import Image

ImageLike = Union["Image.Image", NDArray[Any], str, "os.PathLike[str]", bytes, "Mapping[str, Any]"]
"""A picture: a PIL image, an ``(H, W)`` / ``(H, W, 3)`` / ``(H, W, 4)`` array, a file's path or
``file://`` address, its bytes, these in base64 or in a ``data:`` address; or a mapping that holds
one of them by a key of :data:`PICTURE_KEYS`, such as an undecoded row of ``datasets``."""

PICTURE_KEYS = ("image", "image_url", "source", "bytes", "base64", "data", "url", "path")
"""Under which a mapping, or a message's part, holds a picture; the first that is there counts."""

_PLACES = ("image", "image_url", "source", "url", "path", "video")
"""Those under which it may be a path."""
_ADDRESS = re.compile("data:|file:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BASE64 = re.compile(r"(iVBORw0KGgo|/9j/|R0lGOD|UklGR)[A-Za-z0-9+/\s]{40,}={0,2}\s*")
"""Of a PNG, JPEG, GIF or WebP file."""


def is_address(text: str) -> bool:
    """Whether a text is a picture's address, ``https:``, ``data:`` or another, and no path."""
    return _ADDRESS.match(text) is not None


def is_base64(text: str) -> bool:
    """Whether a text is a picture's file in base64, and no path."""
    return _BASE64.fullmatch(text) is not None


def local_path(text: str) -> str:
    """The path that a ``file:`` address names; any other text as it is."""
    if text[:5].lower() != "file:":
        return text
    path = text[5:]
    if path.startswith("//"):
        path = path[2:].removeprefix("localhost")
    # Some write the path as it is, others quote what an address may not hold.
    return path if "%" not in path or os.path.exists(path) else unquote(path)


def anchored(given: Any, folder: str | None = None) -> Any:
    """A picture, or several, whose paths stay right wherever the program goes next.

    Args:
        given: In any form of :data:`ImageLike`, a sequence of them, or a message's part.
        folder: Where relative paths begin; the working directory by default.
    """
    if isinstance(given, str) and (is_base64(given) or is_address(given)):
        found = local_path(given)
        return given if found == given else anchored(found, folder)
    if isinstance(given, (str, os.PathLike)):
        path = os.fsdecode(given)
        return given if os.path.isabs(path) else os.path.join(folder or os.getcwd(), path)
    if isinstance(given, Mapping):
        return {k: anchored(v, folder) if k in _PLACES else v for k, v in given.items()}
    given = _listed(given)
    return [anchored(picture, folder) for picture in given] if isinstance(given, list) else given


def _listed(given: Any) -> Any:
    """A sequence as a list; a table's cells hold arrays of objects instead."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "OU":
        return given.tolist()
    return list(given) if isinstance(given, tuple) else given


def anchored_message(message: Any, folder: str | None = None) -> Any:
    """A message as it was given but for its pictures' paths; what is wrong is said later.

    Args:
        message: In chat-template form.
        folder: As of :func:`anchored`.
    """
    if not isinstance(message, Mapping):
        return message
    found = {key: _listed(value) for key, value in message.items()}
    if isinstance(found.get("content"), list):
        found["content"] = [
            anchored(part, folder)
            if isinstance(part, Mapping) and part.get("type") != "text"
            else part
            for part in found["content"]
        ]
    return found


@dataclass(frozen=True, eq=False)
class Video(ByContent):
    """A video as frames that are already sampled.

    Attributes:
        frames: Images of one size, in order.
        fps: Frames sampled per second; the model is told when each is shown.
        seconds: When each is shown, where they are not evenly spaced.

    Example:
        >>> explainer.explain(mmx_core.Video(frames, fps=2), "What happens?")
    """

    frames: Sequence[ImageLike]
    fps: float = 2.0
    seconds: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.frames, (str, bytes, Mapping)) or not hasattr(self.frames, "__len__"):
            raise ValueError(
                "video: expected a sequence of frames that are sampled already, got "
                f"{type(self.frames).__name__}"
            )
        if not len(self.frames):
            raise ValueError("video: expected at least one frame, got none")
        object.__setattr__(self, "frames", anchored(self.frames))
        if not self.fps > 0:
            raise ValueError(f"video: expected fps above 0, got {self.fps}")
        if self.seconds is not None:
            if len(self.seconds) != len(self.frames):
                raise ValueError(
                    f"video: expected a time for each of the {len(self.frames)} frames, got "
                    f"{len(self.seconds)}"
                )
            if list(self.seconds) != sorted(self.seconds):
                raise ValueError("video: expected ascending times, got some that go back")

    @property
    def times(self) -> tuple[float, ...]:
        """Seconds, one per frame."""
        if self.seconds is not None:
            return tuple(float(second) for second in self.seconds)
        return tuple(index / self.fps for index in range(len(self.frames)))


@dataclass(frozen=True, eq=False)
class WordMask(ByContent):
    """Where the thing that some words of the answer name is in the image.

    Attributes:
        words: Indices of the answer's words; adjacent ones of one object belong together. Words
            are those of :func:`mmx_core.text.split_words`: between blanks, but ``cat/dog`` are two,
            and in scripts without blanks every character is one.
        mask: ``(height, width)``, of the image's own size: bool, or 0 and one other number.
        name: What a table calls it.
        whole: Measure one map of all the words, as :meth:`Explanation.span` makes it, and not their
            best token's: for phrases and whole answers, of whose many tokens one finds anything.
    """

    words: tuple[int, ...]
    mask: NDArray[np.bool_]
    name: str = ""
    whole: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", as_mask(self.mask, self.name))
        if self.mask.ndim != 2:
            raise ValueError(f"mask of {self.name!r}: expected (H, W), got {self.mask.shape}")


@runtime_checkable
class AnswerMasks(Protocol):
    """Masks that are matched with the words of an answer once it is there."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the masks: the image's own size."""

    def word_masks(self, answer: str) -> list[WordMask]:
        """The masks against the words of ``answer``."""


@dataclass(frozen=True, eq=False)
class Sample(ByContent):
    """One thing to explain.

    Attributes:
        id: A name, unique within its set; it becomes the last part of the tag.
        images: One image or :class:`Video`, or a sequence of them.
        prompt: The user's text; the images go before it.
        answer: Teacher-forced if given (comparable across checkpoints), else generated.
        masks: Object masks by word, for metrics: a mapping ``{"dog": mask}`` (each occurrence of
            the word, or of several: ``"hot dog"``, ``"一只猫"``), a sequence of :class:`WordMask`,
            or an object that finds them in the answer, such as
            :class:`mmx_core.text.CategoryMasks`.
        absent: Indices of the answer's words that name what the image does not show.
        messages: Instead of a prompt, a conversation in chat-template form. Its image and video
            parts carry a picture themselves (``{"type": "image", "image": ...}``) or stand for
            those of ``images`` in order. What else they hold (``tool_calls``,
            ``reasoning_content``) the template reads.
        turn: Which assistant's message is explained, by index; the last by default. If the
            conversation ends with the user, the model answers, or ``answer`` is teacher-forced.
        why_not: Words that were not said: for an answer token (by index, or by its word) the word,
            or words, that might have been; each gets a map of its own beside the answer's. A
            number that is no word of the answer is an index, too.
        prompt_words: Whether the words that the user wrote get maps, too.
        chat_template_kwargs: Variables of the chat template, such as ``enable_thinking``,
            ``add_vision_id``, ``tools`` or ``documents``; they go before the explainer's.
    """

    id: str
    images: ImageLike | Video | Sequence[ImageLike | Video] = ()
    prompt: str = ""
    answer: str | None = None
    masks: Mapping[str, NDArray[np.bool_]] | Sequence[WordMask] | AnswerMasks | None = None
    absent: tuple[int, ...] = ()
    messages: Sequence[Mapping[str, Any]] | None = None
    turn: int | None = None
    why_not: Mapping[int | str, str | Sequence[str]] = field(default_factory=dict)
    prompt_words: bool = False
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", anchored(self.images))
        object.__setattr__(self, "absent", _indices(self.absent))
        for name in ("why_not", "chat_template_kwargs"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, {})
        messages = _listed(self.messages)
        if isinstance(messages, list):
            object.__setattr__(self, "messages", [anchored_message(m) for m in messages])

    def image_list(self) -> list[ImageLike | Video]:
        """The images and videos as a list, however they were given."""
        if isinstance(self.images, (list, tuple)):
            return list(self.images)
        return [self.images]  # type: ignore[list-item]

    def word_masks(self, answer: str) -> list[WordMask]:
        """The masks against the words of ``answer`` (the generated one, if none was given)."""
        if self.masks is None:
            return []
        if isinstance(self.masks, AnswerMasks):
            return self.masks.word_masks(answer)
        if not isinstance(self.masks, Mapping):
            return self._told([*self.masks])
        found = find_names(answer, list(self.masks))
        for name in (name for name, places in found.items() if not places):
            warnings.warn(
                f"sample {self.id!r}: the answer does not have {name!r}; nothing is measured by "
                "that word's mask",
                stacklevel=1,  # the same place for all that ask: it is said once
            )
        return self._told(
            [
                WordMask(tuple(place), mask, name)
                for name, mask in self.masks.items()
                for place in found[name]
            ]
        )

    def _told(self, masks: list[WordMask]) -> list[WordMask]:
        """The masks, those that measure nothing with a warning."""
        for entry in masks:
            if not entry.mask.any() or entry.mask.all():
                share = "every" if entry.mask.any() else "no"
                warnings.warn(
                    f"sample {self.id!r}: the mask of {entry.name!r} has {share} pixel inside; "
                    "nothing is measured by it",
                    stacklevel=1,  # as above
                )
        return masks

    def check_word_indices(self, answer: str | None) -> None:
        """Checks that what is given by word index can be matched with an answer.

        Args:
            answer: The explained text, or None where the model is to answer.

        Raises:
            ValueError: There is no answer that the indices could count in, it is too short, or a
                word that names what is absent carries a mask.
        """
        self._check_mask_indices(answer)
        if not self.absent:
            return
        if answer is None:
            raise ValueError(
                "absent: expected none, since the answer is generated; word indices need an "
                "answer that is given"
            )
        count = len(split_words(answer))
        if min(self.absent) < 0 or max(self.absent) >= count:
            raise ValueError(
                f"absent: expected indices from 0 to {count - 1} into the {count} words of the "
                f"answer, got {self.absent}"
            )
        masked = {word for entry in self.word_masks(answer) for word in entry.words}
        both = sorted(masked.intersection(self.absent))
        if both:
            raise ValueError(
                f"absent: expected words that carry no mask, got {both}, which do; what the image "
                "does not show has none"
            )

    def _check_mask_indices(self, answer: str | None) -> None:
        if self.masks is None or isinstance(self.masks, (Mapping, AnswerMasks)):
            return
        if answer is None:
            raise ValueError(
                "masks: expected a mapping from word to mask, since the answer is generated; word "
                "indices need an answer that is given"
            )
        count = len(split_words(answer))
        for entry in self.masks:
            if not entry.words or min(entry.words) < 0 or max(entry.words) >= count:
                raise ValueError(
                    f"mask {entry.name!r}: expected indices from 0 to {count - 1} into the "
                    f"{count} words of the answer, got {entry.words}"
                )

    def mask_shapes(self) -> dict[str, tuple[int, ...]]:
        """``(height, width)`` of each mask, by name.

        Raises:
            ValueError: Masks in another form than :attr:`masks` may have.
        """
        if self.masks is None:
            return {}
        if isinstance(self.masks, AnswerMasks):
            return {"labels": self.masks.shape}
        if isinstance(self.masks, Mapping):
            entries = list(self.masks.items())
            if all(isinstance(name, str) and name.strip() for name, _ in entries):
                return {name: as_mask(mask, name).shape for name, mask in entries}
            got = f"a mapping of {', '.join(repr(name) for name, _ in entries)}"
        elif isinstance(self.masks, (list, tuple)):
            if all(isinstance(entry, WordMask) for entry in self.masks):
                return {entry.name: entry.mask.shape for entry in self.masks}
            got = f"a {type(self.masks).__name__} of {type(self.masks[0]).__name__}"
        else:
            got = type(self.masks).__name__
        raise ValueError(
            "masks: expected a mapping from a word to its mask, {'dog': mask}, or a list of "
            f"WordMask, got {got}"
        )


def _indices(given: Any) -> tuple[int, ...]:
    try:
        return tuple(operator.index(word) for word in (() if given is None else given))
    except (TypeError, ValueError):
        raise ValueError(
            f"absent: expected indices of the answer's words, such as (2, 5), got {given!r}"
        ) from None


def as_sample(given: Sample | Mapping[str, Any]) -> Sample:
    """A sample, however it was given: as such, or as a row of a data set.

    Args:
        given: A mapping has the names of :class:`Sample`'s attributes as its keys; ``image`` is
            taken for ``images``.

    Raises:
        TypeError: It is neither; or a key is no attribute's name, or missing.
    """
    if isinstance(given, Sample):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"sample: expected a Sample or a mapping, got {type(given).__name__}")
    names = [attribute.name for attribute in fields(Sample)]
    # A table's row has every column, some of them empty.
    said = {key: value for key, value in given.items() if value is not None}
    values = {"images" if key == "image" else key: value for key, value in said.items()}
    unknown = [str(key) for key in given if key not in (*names, "image")]
    if unknown or "id" not in values or len(values) < len(said):
        raise TypeError(
            f"sample: expected 'id' and others of {', '.join(names)} (or 'image'), got "
            f"{', '.join(map(repr, given))}"
        )
    return Sample(**{**values, "id": str(values["id"])})
