"""Kimi K2.5: native resolution, filled up to whole cells below and beside."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.like_torchvision import filled_up, pixels_of, resized
from mmx_core.models.registry import register

_Size = tuple[int, int]


@register("kimi_k25")
class KimiK25Adapter(ModelAdapter):
    """Adapter of Kimi K2.5, for images.

    At scale 1.0 an image has the size that the image processor gives it: its own, if that is
    within the limits. At another scale that size times the factor, beyond any limit. It is filled
    up to whole cells (squares of patches that become one visual token).

    The family's image processor needs torchvision. Only its settings are used here, and pixels are
    made as it makes them, so that something else with these settings serves where that is missing.
    """

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
            shown = resized(pixels_of(image), size, mode="bicubic")
            canvas = self._normalised(filled_up(shown, (rows * patch, columns * patch)))
            patches = canvas.view(3, rows, patch, columns, patch).permute(1, 3, 0, 2, 4)
            values.append(patches.flatten(0, 1))
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

    def _normalised(self, pixels: Tensor) -> Tensor:
        mean, deviation = (
            torch.tensor(numbers).view(3, 1, 1) / self.image_processor.rescale_factor
            for numbers in (self.image_processor.image_mean, self.image_processor.image_std)
        )
        return (pixels[0].float() - mean) / deviation
