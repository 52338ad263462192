"""From a sample to what a pass takes: everything that can be refused is refused here."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture, frames_of, load_frames, load_rgb
from mmx_core.models.base import ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import Layout
from mmx_core.models.running import undisturbed
from mmx_core.sample import ImageLike, Sample, Video
from mmx_core.stages.answer import generated, given
from mmx_core.stages.conversation import conversation_of
from mmx_core.stages.targets import Target, asked_targets, check_unsaid_words

Layouts = Mapping[float, tuple[Layout, ...]]
"""By scale, one for each picture."""


@dataclass(frozen=True)
class Prepared:
    """A sample, checked: what every method explains.

    Attributes:
        pictures: Upright RGB images, and videos of such frames.
        rendered: The conversation under the model's chat template.
        answer: The explained turn as text, or None where the model answered.
        answer_ids: The explained tokens, ``T`` of them.
        layouts: Of the pictures, at each scale.
        alternatives: What is explained beside them.
    """

    pictures: tuple[Picture, ...]
    rendered: RenderedPrompt
    answer: str | None
    answer_ids: list[int]
    layouts: Layouts
    alternatives: tuple[Target, ...] = ()

    @property
    def image(self) -> Image.Image:
        """The only image.

        Raises:
            ValueError: There are several, or it is a video.
        """
        if len(self.pictures) != 1 or isinstance(self.pictures[0], Clip):
            raise ValueError(
                f"expected a sample of one image, got {len(self.pictures)} images and videos"
            )
        return self.pictures[0]

    def facts(self, sample: Sample) -> dict[str, Any]:
        """What processes that explain a sample together must have alike, by name."""
        return {
            "pictures": [mark for picture in self.pictures for mark in fingerprint(picture)],
            "prompt": [token.id for token in self.rendered.text],
            "answer": (self.answer_ids, self.alternatives),
            "masks": (sorted(sample.mask_shapes().items()), sample.absent),
        }

    def targets(self, context_size: int) -> tuple[Tensor, Tensor]:
        """``(T + E,)`` int64 each: the context token in whose place it is said, and its class."""
        start = context_size - len(self.answer_ids)
        rows = [
            *range(start, context_size),
            *(target.context_index for target in self.alternatives),
        ]
        ids = [*self.answer_ids, *(target.token_id for target in self.alternatives)]
        return torch.tensor(rows), torch.tensor(ids)

    def counted(self, context_size: int) -> Tensor:
        """``(C,)`` bool: text that a person or the model wrote, not the template."""
        written = [token.written for token in self.rendered.text]
        return torch.tensor(written + [True] * (context_size - len(written)))


def prepare(
    adapter: ModelAdapter,
    sample: Sample,
    *,
    scales: Sequence[float] = (1.0,),
    max_visual_tokens: int = 16_384,
    max_new_tokens: int = 128,
) -> Prepared:
    """Checks a sample, then lets the model answer if no answer is given (greedily).

    Args:
        adapter: The model's.
        sample: What is explained.
        scales: At which it will be.
        max_visual_tokens: Bound on the visual tokens of all images at any scale.
        max_new_tokens: Bound on a generated answer; fewer where the model's positions run out.

    Raises:
        ValueError: Bad input, said before the first forward; or the model answers nothing.
    """
    asked = check(adapter, sample, scales=scales, max_visual_tokens=max_visual_tokens)
    answer_ids = asked.answer_ids
    if answer_ids is None:
        limit = max_new_tokens if asked.room is None else min(max_new_tokens, asked.room)
        answer_ids = undisturbed(
            adapter.model,
            generated,
            adapter,
            asked.pictures,
            asked.rendered,
            limit,
            layouts=asked.layouts.get(1.0),
        )
    others = asked_targets(adapter.tokenizer, sample, asked.rendered, answer_ids, asked.answer)
    return Prepared(asked.pictures, asked.rendered, asked.answer, answer_ids, asked.layouts, others)


@dataclass(frozen=True)
class Asked:
    """A sample, checked, before the model answers.

    Attributes:
        pictures: As in :class:`Prepared`, as are the next two.
        rendered: See there.
        answer: See there.
        layouts: See there.
        answer_ids: The given answer's tokens, or None.
        room: Positions that are left for an answer at every scale; None where there is no bound.
    """

    pictures: tuple[Picture, ...]
    rendered: RenderedPrompt
    answer: str | None
    layouts: Layouts
    answer_ids: list[int] | None
    room: int | None


def check(
    adapter: ModelAdapter,
    sample: Sample,
    *,
    scales: Sequence[float] = (1.0,),
    max_visual_tokens: int = 16_384,
) -> Asked:
    """Refuses a sample that cannot be explained, without a forward; see :func:`prepare`.

    Raises:
        ValueError: Bad input.
    """
    conversation = conversation_of(sample)
    pictures = tuple(loaded(picture) for picture in conversation.pictures)
    layouts = {factor: tuple(adapter.layouts(pictures, factor)) for factor in scales}
    for factor, found in layouts.items():
        _check_size(found, factor, max_visual_tokens)
    _check_masks(sample, pictures)
    rendered = adapter.render(
        conversation.messages, pictures=pictures, variables=sample.chat_template_kwargs
    )
    answer, answer_ids = given(adapter, rendered) or (None, None)
    sample.check_word_indices(answer)
    # An answer has one token at least, and no more than there are positions for at every scale.
    known = 1 if answer_ids is None else len(answer_ids)
    lengths = [
        _checked_length(adapter, found, rendered, known, factor)
        for factor, found in layouts.items()
    ]
    if answer_ids is None:
        check_unsaid_words(adapter.tokenizer, sample)
    limit = adapter.max_positions
    room = None if limit is None else limit - max(lengths) + known
    return Asked(pictures, rendered, answer, layouts, answer_ids, room)


def fingerprint(picture: Picture) -> tuple[tuple[tuple[int, int], int], ...]:
    """Size and checksum of each of its frames."""
    return tuple((frame.size, zlib.crc32(frame.tobytes())) for frame in frames_of(picture))


def loaded(picture: ImageLike | Video) -> Picture:
    """A picture as it was given, as what the model is shown.

    Raises:
        ValueError: See :func:`mmx_core.images.load_rgb`; or frames of several sizes.
    """
    if not isinstance(picture, Video):
        return load_rgb(picture)
    frames = load_frames(picture.frames)
    sizes = {frame.size for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f"video: expected frames of one size, got {sorted(sizes)}")
    return Clip(frames, picture.times)


def _check_size(layouts: Sequence[Layout], factor: float, limit: int) -> None:
    count = sum(layout.count for layout in layouts)
    views = [view.grid for layout in layouts for view in layout.views]
    cells = sum(height * width for height, width in views)
    grids = [f"{height}x{width}" for height, width in views]
    shown = ", ".join(grids[:4]) + (", ..." if len(grids) > 4 else "")
    if count <= limit < cells:
        raise ValueError(
            f"scale {factor:g}: maps of {shown} = {cells} cells, more than max_visual_tokens="
            f"{limit}, though the model sees {count} of them alone; crop the image to what it sees"
        )
    if count <= limit:
        return
    raise ValueError(
        f"scale {factor:g}: {shown} = {count} visual tokens, more than "
        f"max_visual_tokens={limit}; leave the scale out, shrink the image or raise the limit"
    )


def _checked_length(
    adapter: ModelAdapter,
    layouts: Sequence[Layout],
    rendered: RenderedPrompt,
    answer: int,
    factor: float,
) -> int:
    length = len(rendered.expand(layouts).ids) + answer
    adapter.check_length(length, sum(layout.count for layout in layouts), factor)
    return length


def _check_masks(sample: Sample, pictures: Sequence[Picture]) -> None:
    shapes = sample.mask_shapes()
    if not shapes:
        return
    if len(pictures) != 1 or isinstance(pictures[0], Clip):
        raise ValueError(
            f"masks: expected a sample of one image, got {len(pictures)} images and videos"
        )
    size = (pictures[0].height, pictures[0].width)
    for name, shape in shapes.items():
        if shape != size:
            raise ValueError(f"mask {name!r}: expected the image's size {size}, got {shape}")
