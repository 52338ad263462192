"""Gemma 4: patches of an image that keeps its proportions, pooled in squares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip
from mmx_core.models.base import ModelAdapter
from mmx_core.models.head import capped
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.registry import register

_FRAME_LIMIT = 70
"""Visual tokens of a frame, where no processor says otherwise."""


@register("gemma4")
class Gemma4Adapter(ModelAdapter):
    """Adapter of Gemma 4.

    At scale 1.0 the image processor makes the image as large as its number of visual tokens
    allows. At another scale the original image is resized once to that size times the factor,
    rounded to whole cells (squares of patches that are pooled to one visual token), and the limit
    is lifted. A video's frames have a limit of their own (that of the processor's
    ``video_processor``, where there is one), and stand behind their times.

    The model caps its logits; :meth:`logits` does so, too, and the lens reads them before the cap.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        config = self.model.config
        grid = self._grid(image, factor)
        count = grid[0] * grid[1]
        start, end = int(config.boi_token_id), int(config.eoi_token_id)
        ids = (start, *(self.placeholder_id,) * count, end)
        return Layout(ids, (View((Raster(range(1, count + 1), grid),)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        most = int(self.image_processor.max_soft_tokens)
        return self._inputs(images, factor, most, ("pixel_values", "image_position_ids"))

    def _inputs(
        self, images: Sequence[Image.Image], factor: float, limit: int, names: tuple[str, str]
    ) -> dict[str, Tensor]:
        """Patches and their places, by the names that the forward has for them."""
        grids = [self._grid(image, factor, limit) for image in images]
        if factor == 1.0:
            shown = list(images)
        else:
            shown = [
                image.resize((columns * self._cell, rows * self._cell), Image.Resampling.BICUBIC)
                for image, (rows, columns) in zip(images, grids, strict=True)
            ]
        parts = [self._processed(image, limit, do_resize=factor == 1.0) for image in shown]
        found = [int(part["num_soft_tokens_per_image"][0]) for part in parts]
        expected = [rows * columns for rows, columns in grids]
        if found != expected:
            raise ValueError(
                f"image processor: expected {expected} visual tokens at scale {factor:g}, got "
                f"{found}"
            )
        # The processor fills up to its limit; a lifted one grows with the picture's area.
        length = max(ceil(limit * factor**2), *expected) * self._patches_per_token
        return {
            names[0]: _filled([part["pixel_values"] for part in parts], length, 0),
            names[1]: _filled([part["image_position_ids"] for part in parts], length, -1),
        }

    @property
    def video_placeholder_id(self) -> int:
        return int(self.model.config.video_token_id)

    def exchanged(self, videos: Sequence[Clip]) -> tuple[str, list[str]] | None:
        mark = str(self.tokenizer.convert_ids_to_tokens(self.video_placeholder_id))
        return (mark, [f"{_time(v.seconds[0])} {mark}" for v in videos]) if videos else None

    def video_layout(self, video: Clip, factor: float) -> Layout:
        config = self.model.config
        start, end = int(config.boi_token_id), int(config.eoi_token_id)
        grid = self._grid(video.frames[0], factor, self._frame_limit)
        count = grid[0] * grid[1]
        marks = self.tokenizer.convert_ids_to_tokens([end, start])
        ids: list[int] = []
        views = []
        for index, second in enumerate(video.seconds):
            if index:
                text = f"{marks[0]} {_time(second)} {marks[1]}"
                ids += self.tokenizer(text, add_special_tokens=False)["input_ids"][1:-1]
            offsets = range(len(ids) + 1, len(ids) + 1 + count)
            ids += [start, *[self.video_placeholder_id] * count, end]
            views.append(View((Raster(offsets, grid),), (index,)))
        return Layout(tuple(ids), tuple(views))

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        frames = [frame for video in videos for frame in video.frames]
        names = ("pixel_values_videos", "video_position_ids")
        counts = torch.tensor([len(video.frames) for video in videos])
        made = self._inputs(frames, factor, self._frame_limit, names)
        return {**made, "num_frames_per_video": counts}

    @property
    def _frame_limit(self) -> int:
        """Visual tokens of a frame, at most."""
        own = getattr(self.processor, "video_processor", None)
        given = getattr(own, "max_soft_tokens", None)
        return _FRAME_LIMIT if given is None else int(given)

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        types = (sequence == self.placeholder_id).long()
        types += 2 * (sequence == self.video_placeholder_id).long()
        types[:, prompt_length:] = 0
        return {"mm_token_type_ids": types}

    def logits(self, hidden: Tensor) -> Tensor:
        return capped(self.model, super().logits(hidden))

    def input_image(self, image: Image.Image) -> Image.Image:
        rows, columns = self._grid(image, 1.0)
        return image.resize((columns * self._cell, rows * self._cell), Image.Resampling.BICUBIC)

    def _processed(self, image: Image.Image, limit: int, *, do_resize: bool) -> Any:
        """Patches of one image, their places and their number."""
        return self.image_processor(
            images=[image], do_resize=do_resize, max_soft_tokens=limit, return_tensors="pt"
        )

    @property
    def _patches_per_token(self) -> int:
        return self._pooled**2

    @property
    def _pooled(self) -> int:
        """Patches along the side of a visual token."""
        return int(self.model.config.vision_config.pooling_kernel_size)

    @property
    def _cell(self) -> int:
        """Pixels along the side of a visual token."""
        return int(self.model.config.vision_config.patch_size) * self._pooled

    def _grid(self, image: Image.Image, factor: float, limit: int | None = None) -> tuple[int, int]:
        """Rows and columns of visual tokens, at most ``limit`` (the images') at scale 1.0."""
        from transformers.models.gemma4.image_processing_pil_gemma4 import (
            get_aspect_ratio_preserving_size,
        )

        vision, processor = self.model.config.vision_config, self.image_processor
        own = (int(processor.patch_size), int(processor.pooling_kernel_size))
        if own != (vision.patch_size, self._pooled):
            raise ValueError(
                f"image processor: expected patches of {vision.patch_size} pixels, pooled "
                f"{self._pooled} by {self._pooled}, as the model's; got {own[0]} and {own[1]}"
            )
        height, width = get_aspect_ratio_preserving_size(
            image.height,
            image.width,
            patch_size=own[0],
            max_patches=int(limit or processor.max_soft_tokens) * own[1] ** 2,
            pooling_kernel_size=own[1],
        )
        native = (height // self._cell, width // self._cell)
        rows, columns = (
            native if factor == 1.0 else (round(native[0] * factor), round(native[1] * factor))
        )
        if rows < 1 or columns < 1:
            raise ValueError(
                f"scale {factor:g}: {native[0]}x{native[1]} visual tokens leave less than one in a "
                f"row or column; the smallest usable scale is {1 / min(native):g}"
            )
        return rows, columns


@register("gemma4_unified")
class Gemma4UnifiedAdapter(ReadsSettings, Gemma4Adapter):
    """Adapter of the Gemma 4 that has no tower: a visual token is a large patch, as it comes.

    Its image processor needs torchvision; Gemma 4's own makes the same patches when it is told
    their size.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "patch_size": 16,
        "pooling_kernel_size": 3,
        "max_soft_tokens": 280,
        "resample": 3,
        "do_normalize": False,
        "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0],
    }

    def _processed(self, image: Image.Image, limit: int, *, do_resize: bool) -> Any:
        from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

        own = self.image_processor
        names = ("do_rescale", "do_normalize", "rescale_factor", "image_mean", "image_std")
        made = Gemma4ImageProcessorPil(
            patch_size=self._cell,
            pooling_kernel_size=1,
            max_soft_tokens=limit,
            resample=int(own.resample),
            **{name: getattr(own, name) for name in names},
        )
        return made(images=[image], do_resize=do_resize, return_tensors="pt")

    @property
    def _patches_per_token(self) -> int:
        return 1


def _time(second: float) -> str:
    """When a frame is shown, as the processor writes it."""
    minutes, seconds = divmod(int(second), 60)
    return f"{minutes:02d}:{seconds:02d}"


def _filled(parts: Sequence[Tensor], length: int, fill: int) -> Tensor:
    """``(1, N_i, ...)`` each to ``(B, length, ...)``."""
    made = parts[0].new_full((len(parts), length, *parts[0].shape[2:]), fill)
    for row, part in zip(made, parts, strict=True):
        shared = min(length, part.shape[1])  # what is cut off was filled in by the processor
        row[:shared] = part[0, :shared]
    return made
