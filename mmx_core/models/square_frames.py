"""Videos of LLaVA's families: each frame is one square picture, whose tokens may be pooled."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmx_core.images import Clip
from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.square import seen_box


class SquareFrames(ModelAdapter):
    """An adapter whose family shows each frame whole, or its centre, at one size."""

    crops_frames = True
    """Whether what a square leaves over of a frame is cut off. Else frames are stretched to it."""

    @abstractmethod
    def frame_cells(self) -> tuple[int, int, int]:
        """Visual tokens along a frame's side, pixels that they cover, and tokens before them."""

    @property
    def video_placeholder_id(self) -> int:
        return int(self.model.config.video_token_id)

    def tokens_after_frames(self) -> int:
        """How many stand behind the last frame's."""
        return 0

    def video_layout(self, video: Clip, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(
                f"scale {factor:g}: expected 1, {type(self.model).__name__} sees frames at one "
                "size only; use scales=(1.0,)"
            )
        side = int(self.model.config.vision_config.image_size)
        cells, covered, before = self.frame_cells()
        box = seen_box(self._frame_processor(), video.frames[0].size, side, covered)
        step = before + cells * cells
        views = tuple(
            View(
                (Raster(range(n * step + before, (n + 1) * step), (cells, cells), box),),
                (n,),
            )
            for n in range(len(video.frames))
        )
        count = step * len(video.frames) + self.tokens_after_frames()
        return Layout((self.video_placeholder_id,) * count, views)

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        lengths = {len(video.frames) for video in videos}
        if len(lengths) > 1:
            raise ValueError(
                f"videos: expected as many frames in each, got {sorted(lengths)}; "
                f"{type(self.model).__name__} takes them as one batch"
            )
        process = self._frame_processor()
        made = [
            process(images=list(video.frames), return_tensors="pt")["pixel_values"]
            for video in videos
        ]
        return {"pixel_values_videos": torch.stack(made)}

    def _frame_processor(self) -> Any:
        """What makes squares of frames, with the image processor's colours."""
        from transformers import CLIPImageProcessorPil

        own, side = self.image_processor, int(self.model.config.vision_config.image_size)
        square = {"height": side, "width": side}
        return CLIPImageProcessorPil(
            size={"shortest_edge": side} if self.crops_frames else square,
            crop_size=square,
            do_center_crop=self.crops_frames,
            resample=own.resample,
            image_mean=own.image_mean,
            image_std=own.image_std,
            rescale_factor=own.rescale_factor,
        )
