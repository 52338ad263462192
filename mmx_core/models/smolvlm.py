"""SmolVLM: Idefics3's tiles for images, and a video as frames, each behind the time it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import torch
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.idefics3 import NAMES, Idefics3Adapter
from mmx_core.models.layout import WHOLE, Layout, Raster, View
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling, covered, shuffled_grid

_VIDEO = "<video>"
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


@register("smolvlm")
class SmolVLMAdapter(Idefics3Adapter):
    """Adapter of SmolVLM and SmolVLM2.

    A frame is stretched to one tile and never cut; at another scale to a tile whose side is the
    own times the factor, in whole visual tokens. Templates that have no place for a video (the
    first SmolVLM2's) are exchanged for the processor's own, as the processor does.
    """

    @property
    def video_placeholder_id(self) -> int:
        # The tokenizers have no token for a video.
        return self.placeholder_id

    def template_for(self, pictures: Sequence[Picture]) -> str | None:
        given = super().template_for(pictures)
        own = given or self.tokenizer.get_chat_template()
        if _VIDEO in own or not any(isinstance(picture, Clip) for picture in pictures):
            return given
        from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE

        return str(DEFAULT_CHAT_TEMPLATE)

    def exchanged(self, videos: Sequence[Clip]) -> tuple[str, list[str]] | None:
        return (_VIDEO, [self._written(video) for video in videos]) if videos else None

    def _written(self, video: Clip) -> str:
        """What the processor writes for a video, up to the first frame and behind the last."""
        frames, length = in_words(len(video.frames)), timedelta(seconds=int(video.seconds[-1]))
        return (
            f"You are provided the following series of {frames} frames from a {length} [H:MM:SS] "
            f"video.\n{_before(video.seconds[0])}{self._image}\n\n"
        )

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        kinds = {isinstance(picture, Clip) for picture in pictures}
        if len(kinds) > 1 and factor != 1.0:
            raise ValueError(
                f"scale {factor:g}: expected 1, SmolVLM shows images and frames together at one "
                "size only; use scales=(1.0,)"
            )
        return super().layouts(pictures, factor)

    def video_layout(self, video: Clip, factor: float) -> Layout:
        side = self._frame_side(factor)
        grid, seen = shuffled_grid(side, self._patch, self._shuffle)
        shown = self._marked_ids(Tiling(0, 0, side))
        at = shown.index(self.placeholder_id)
        ids: list[int] = []
        views = []
        for index, second in enumerate(video.seconds):
            if index:
                ids += self._ids(f"{self._around}{_before(second)}{self._around}")[1:-1]
            offsets = range(len(ids) + at, len(ids) + at + grid * grid)
            ids += [*shown[:at], *[self.placeholder_id] * grid**2, *shown[at + 1 :]]
            views.append(View((Raster(offsets, (grid, grid), covered(WHOLE, seen)),), (index,)))
        return Layout(tuple(ids), tuple(views))

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        side = {"longest_edge": self._frame_side(factor)}
        made = self.image_processor(
            images=[[frame for video in videos for frame in video.frames]],
            size=side,
            max_image_size=side,
            do_image_splitting=False,
            return_tensors="pt",
        )
        return {name: made[name] for name in NAMES if name in made}

    def picture_inputs(self, pictures: Sequence[Picture], factor: float) -> dict[str, Tensor]:
        if len({isinstance(picture, Clip) for picture in pictures}) < 2:
            return super().picture_inputs(pictures, factor)
        # Tiles and frames go together, in the order of the text.
        parts = [super(SmolVLMAdapter, self).picture_inputs([p], factor) for p in pictures]
        return {name: torch.cat([part[name] for part in parts], 1) for name in parts[0]}

    def _frame_side(self, factor: float) -> int:
        """Pixels of the square that a frame is stretched to."""
        side, cell = self._edge("max_image_size"), self._patch * self._shuffle
        made = side if factor == 1.0 else int(side * factor / cell + 0.5) * cell
        if made == 0:
            raise ValueError(
                f"scale {factor:g}: a frame of {side} pixels leaves less than one visual token of "
                f"{cell}; the smallest usable scale is {cell / (2 * side):g}"
            )
        return made


def _before(second: float) -> str:
    """What stands before a frame."""
    minutes, seconds = divmod(int(second), 60)
    return f"\nFrame from {minutes:02d}:{seconds:02d}:"


def in_words(number: int) -> str:
    """A number below a million, in English words as the processor writes it."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    most, rest = divmod(number, unit)
    joint = " and " if rest < 100 else ", "
    return f"{in_words(most)} {name}" + (f"{joint}{in_words(rest)}" if rest else "")
