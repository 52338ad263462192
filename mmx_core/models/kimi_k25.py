"""Kimi K2.5: native resolution, filled up to whole cells below and beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.like_torchvision import (
    cut,
    filled_up,
    mode_of,
    normalised,
    pixels_of,
    resized,
)
from mmx_core.models.registry import register

_Size = tuple[int, int]


@register("kimi_k25")
class KimiK25Adapter(ReadsSettings, ModelAdapter):
    """Adapter of Kimi K2.5, for images.

    At scale 1.0 an image has the size that the image processor gives it: its own, if that is
    within the limits. At another scale that size times the factor, beyond any limit. It is filled
    up to whole cells (squares of patches that become one visual token).
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "size": {"max_height": 512, "max_width": 512},
        "resample": 3,
        "max_patches": 16384,
        "patch_size": 14,
        "merge_size": 2,
    }

    @classmethod
    def settings(cls, written: Mapping[str, Any]) -> SimpleNamespace:
        """Released checkpoints name them otherwise than transformers does."""
        released = dict(written.get("media_proc_cfg") or written)
        for name, own in (("in_patch_limit", "max_patches"), ("merge_kernel_size", "merge_size")):
            if name in released:
                released[own] = released.pop(name)
        longest = released.pop("patch_limit_on_one_side", None)
        if longest is not None:
            released["size"] = {"max_height": longest, "max_width": longest}
        return super().settings(released)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        height, width = self._size(image, factor)
        grid, cell = self._grid((height, width)), self._cell
        box = (0.0, 0.0, grid[0] * cell / height, grid[1] * cell / width)
        count = grid[0] * grid[1]
        raster = Raster(range(count), grid, box)
        return Layout((self.placeholder_id,) * count, (View((raster,)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        patch, merged = self._patch, self._merged
        values, grids = [], []
        for image in images:
            size = self._size(image, factor)
            rows, columns = (cells * merged for cells in self._grid(size))
            shown = resized(pixels_of(image), size, mode=mode_of(self.image_processor))
            patches = cut(filled_up(shown, (rows * patch, columns * patch)), patch)
            values.append(normalised(patches, self.image_processor))
            grids.append([1, rows, columns])
        return {"pixel_values": torch.cat(values), "image_grid_thw": torch.tensor(grids)}

    @property
    def _patch(self) -> int:
        own, given = self.model.config.vision_config.patch_size, self.image_processor.patch_size
        if own != given:
            raise ValueError(
                f"image processor: expected the tower's patches of {own} pixels, got {given}"
            )
        return int(own)

    @property
    def _merged(self) -> int:
        """Patches along the side of a visual token."""
        kernel, given = (
            tuple(self.model.config.vision_config.merge_kernel_size),
            self.image_processor.merge_size,
        )
        if kernel != (given, given):
            raise ValueError(
                f"image processor: expected merge_size as the model's {kernel}, got {given}"
            )
        return int(given)

    @property
    def _cell(self) -> int:
        """Pixels along the side of a visual token."""
        return self._patch * self._merged

    def _grid(self, size: _Size) -> _Size:
        return ceil(size[0] / self._cell), ceil(size[1] / self._cell)

    def _size(self, image: Image.Image, factor: float) -> _Size:
        """``(height, width)`` of the image in the model's input, without what is filled up."""
        patch, processor = self._patch, self.image_processor
        longest = int(dict(processor.size)["max_height"]) * patch
        count = max(1.0, image.height // patch) * max(1.0, image.width // patch)
        scale = min(
            1.0,
            sqrt(int(processor.max_patches) / count),
            longest / image.height,
            longest / image.width,
        )
        height, width = (
            min(max(1, int(pixels * scale)), longest) for pixels in (image.height, image.width)
        )
        if factor == 1.0:
            return height, width
        size = (round(height * factor), round(width * factor))
        if min(size) < 1:
            raise ValueError(
                f"scale {factor:g}: an image of {width}x{height} pixels leaves less than one; the "
                f"smallest usable scale is {1 / min(height, width):g}"
            )
        return size
