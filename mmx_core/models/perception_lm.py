"""Perception LM: the whole image, then tiles in raster order, without anything between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.layout import WHOLE, Box, Layout, Raster, View
from mmx_core.models.like_torchvision import mode_of, normalised, pixels_of, resized
from mmx_core.models.one_size import OneSizeTiled
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling


@register("perception_lm")
class PerceptionLMAdapter(ReadsSettings, OneSizeTiled):
    """Adapter of Perception LM, for images and, at scale 1, videos of stretched frames.

    A tile that is the only one shows the whole image a second time. Where less than one tile would
    be left, one picture on a canvas stands for both.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "vision_input_type": "thumb+tile",
        "tile_size": 448,
        "max_num_tiles": 36,
        "resample": 3,
    }

    def _boxes(self, tiling: Tiling) -> list[Box]:
        if tiling.settings or self.image_processor.vision_input_type != "thumb+tile":
            return [WHOLE]
        return [WHOLE, *(tiling.boxes[:-1] or [WHOLE])]

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        return [self.placeholder_id] * len(self._boxes(tiling))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        parts = [self._cut(image, self._tiling(image, factor)) for image in images]
        # Each tile as an image of one: the model counts them together, and so do batches.
        return {"pixel_values": torch.cat(parts)[:, None]}

    def _cut(self, image: Image.Image, tiling: Tiling) -> Tensor:
        tiles = super()._cut(image, tiling)
        return torch.cat([tiles[-1:], tiles])[: len(self._boxes(tiling))]

    def _own_tiles(self, image: Image.Image, side: int) -> tuple[int, int]:
        own = self.image_processor
        if own.vision_input_type != "thumb+tile" or own.max_num_tiles <= 1:
            return 1, 1
        width, height = image.size
        grids = _grids(int(own.max_num_tiles))
        roomy = [(r, c) for r, c in grids if r * side >= height and c * side >= width]
        if roomy:
            # The shorter edge largest, as the processor rounds it; of equal ones the last.
            lengths = [_shorter_edge(width, height, c * side, r * side) for r, c in roomy]
            longest = max(lengths)
            return [grid for grid, n in zip(roomy, lengths, strict=True) if n == longest][-1]
        ratio = width / height
        ratios = {c / r for r, c in grids}
        if ratio >= 1:
            closest = max(r for r in ratios if r <= ratio)
            return max((g for g in grids if g[1] / g[0] == closest), key=lambda grid: grid[1])
        closest = min(r for r in ratios if r > ratio)
        return max((g for g in grids if g[1] / g[0] == closest), key=lambda grid: grid[0])

    def _resized(self, image: Image.Image, height: int, width: int) -> Tensor:
        own = self.image_processor
        pixels = resized(pixels_of(image), (height, width), mode=mode_of(own))
        return normalised(pixels[0], own)

    @property
    def video_placeholder_id(self) -> int:
        return int(self.model.config.video_token_id)

    def video_layout(self, video: Clip, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(
                f"scale {factor:g}: expected 1, Perception LM's frames have one size; use "
                "scales=(1.0,)"
            )
        side = self._tile_side // (self._patch * self._shuffle)
        count = side * side
        views = tuple(
            View((Raster(range(n * count, (n + 1) * count), (side, side)),), (n,))
            for n in range(len(video.frames))
        )
        return Layout((self.video_placeholder_id,) * (count * len(views)), views)

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        side = self._tile_side
        frames = [self._resized(f, side, side) for video in videos for f in video.frames]
        return {"pixel_values_videos": torch.stack(frames)[:, None]}

    @property
    def _tile_side(self) -> int:
        return int(self.image_processor.tile_size)

    @property
    def _patch(self) -> int:
        """Pixels of a patch: the tower, timm's, says how many of them its own picture has."""
        told = self.model.config.vision_config.model_args or {}
        own = getattr(self.processor, "patch_size", None)
        if own is None and told.get("ref_feat_shape") and told.get("img_size"):
            own = told["img_size"][0] // told["ref_feat_shape"][0]
        if own is None:
            raise ValueError(
                "model: expected a vision_config with model_args of img_size and ref_feat_shape, "
                "or a processor with patch_size; got neither, so that its patches are unknown"
            )
        return int(own)

    @property
    def _shuffle(self) -> int:
        return int(self.model.config.projector_pooling_ratio)


def _grids(most: int) -> list[tuple[int, int]]:
    """Rows and columns, in the order in which the processor looks at them: by proportions."""
    found: dict[float, list[tuple[int, int]]] = {}
    for count in range(most, 0, -1):
        for columns in range(1, count + 1):
            if count % columns == 0:
                rows = count // columns
                found.setdefault(columns / rows, []).append((rows, columns))
    return [grid for alike in found.values() for grid in alike]


def _shorter_edge(width: int, height: int, wide: int, tall: int) -> float:
    """Pixels of an image's shorter edge where it is as large as fits."""
    scale, factor = width / height, min(wide / width, tall / height)
    if scale == 1:
        return factor * height
    return float(int(factor * width / scale) if scale > 1 else int(factor * height * scale))
