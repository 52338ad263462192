"""LFM2-VL: native resolution, or tiles named by row and column and the whole image smaller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, sqrt
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from mmx_core.models.base import ModelAdapter
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.layout import WHOLE, Box, Layout
from mmx_core.models.like_torchvision import (
    cut,
    flat_patches,
    mode_of,
    normalised,
    pixels_of,
    resized,
)
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling, marked_layout


@dataclass(frozen=True)
class _Plan:
    """How an image is shown: tiles (none, or rows by columns of ``side`` pixels), then whole."""

    rows: int
    columns: int
    side: int
    whole: tuple[int, int] | None

    @property
    def parts(self) -> list[tuple[Box, tuple[int, int]]]:
        """Box, and height and width in pixels, of each part in the model's order."""
        tiles = Tiling(self.rows, self.columns, self.side).boxes[:-1] if self.rows else []
        found: list[tuple[Box, tuple[int, int]]] = [(b, (self.side, self.side)) for b in tiles]
        return found if self.whole is None else [*found, (WHOLE, self.whole)]


@register("lfm2_vl")
class Lfm2VlAdapter(ReadsSettings, ModelAdapter):
    """Adapter of LFM2-VL.

    At scale 1.0 an image is shown at its own resolution, or cut into tiles if it is large. At
    another scale the first is resized by the factor, and the second has ``factor`` times as many
    tiles along each side, rounded, beside the same view of the whole; where one would be left it is
    that view alone, smaller if less than one would be.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "resample": 2,
        "downsample_factor": 2,
        "do_image_splitting": True,
        "min_tiles": 2,
        "max_tiles": 10,
        "use_thumbnail": True,
        "min_image_tokens": 64,
        "max_image_tokens": 256,
        "encoder_patch_size": 16,
        "tile_size": 512,
        "max_pixels_tolerance": 2.0,
    }

    def layout(self, image: Image.Image, factor: float) -> Layout:
        plan = self._plan(image, factor)
        grids = [(tall // self._cell, wide // self._cell) for _, (tall, wide) in plan.parts]
        boxes = [box for box, _ in plan.parts]
        return marked_layout(self._marked_ids(plan), self.placeholder_id, boxes, grids)

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        own = self.image_processor
        patch = int(own.encoder_patch_size)
        shown = [part for image in images for part in self._parts(image, factor)]
        patches = [flat_patches(normalised(part, own), patch)[0] for part in shown]
        most = max(map(len, patches))
        if factor == 1.0:
            tile = (own.tile_size // patch) ** 2 if own.do_image_splitting else 0
            most = max(most, own.max_image_tokens * own.downsample_factor**2, tile)
        return {
            "pixel_values": torch.stack(
                [pad(part, (0, 0, 0, most - len(part))) for part in patches]
            ),
            "pixel_attention_mask": torch.tensor(
                [[1] * len(part) + [0] * (most - len(part)) for part in patches], dtype=torch.int32
            ),
            "spatial_shapes": torch.tensor(
                [[length // patch for length in part.shape[-2:]] for part in shown]
            ),
        }

    def _parts(self, image: Image.Image, factor: float) -> list[Tensor]:
        """``(1, 3, height, width)`` uint8 of each tile and of the whole."""
        plan, pixels = self._plan(image, factor), pixels_of(image)
        mode = mode_of(self.image_processor)
        parts: list[Tensor] = []
        if plan.rows:
            canvas = resized(pixels, (plan.rows * plan.side, plan.columns * plan.side), mode=mode)
            parts += [tile[None] for tile in cut(canvas, plan.side)]
        if plan.whole is not None:
            parts.append(resized(pixels, plan.whole, mode=mode))
        return parts

    def _plan(self, image: Image.Image, factor: float) -> _Plan:
        own, cell = self.image_processor, self._cell
        if own.tile_size % cell:
            raise ValueError(
                f"image processor: expected tiles of whole cells of {cell} pixels, got tile_size "
                f"{own.tile_size}"
            )
        size = self._whole(image)
        rounded = [max(own.encoder_patch_size, cell * round(n / cell)) for n in image.size]
        most = own.max_image_tokens * cell**2 * own.max_pixels_tolerance
        large = own.do_image_splitting and rounded[0] * rounded[1] > most
        if not large or own.min_tiles == own.max_tiles == 1:
            return _Plan(0, 0, 0, self._scaled(size, factor))
        rows, columns = self._tiles(image)
        longest = max(rows, columns) * factor
        if longest < 1:
            return _Plan(0, 0, 0, self._scaled(size, longest))
        rows, columns = (max(1, int(count * factor + 0.5)) for count in (rows, columns))
        if rows == columns == 1:
            return _Plan(0, 0, 0, size)
        return _Plan(rows, columns, int(own.tile_size), size if own.use_thumbnail else None)

    def _whole(self, image: Image.Image) -> tuple[int, int]:
        """``(height, width)`` of an image that is shown whole."""
        own, cell = self.image_processor, self._cell
        length = (image.height, image.width)
        tall, wide = (max(cell, round(n / cell) * cell) for n in length)
        least, most = (n * cell**2 for n in (own.min_image_tokens, own.max_image_tokens))
        if tall * wide > most:
            shrink = sqrt(length[0] * length[1] / most)
            tall, wide = (max(cell, floor(n / shrink / cell) * cell) for n in length)
        elif tall * wide < least:
            enlarge = sqrt(least / (length[0] * length[1]))
            tall, wide = (ceil(n * enlarge / cell) * cell for n in length)
        return tall, wide

    def _tiles(self, image: Image.Image) -> tuple[int, int]:
        """Rows and columns of the closest proportions; of equally close, more where it is large."""
        own = self.image_processor
        least, most = int(own.min_tiles), int(own.max_tiles)
        # A set's order decides between as many tiles, as in the processor.
        shapes = {
            (columns, rows)
            for longest in range(least, most + 1)
            for columns in range(1, longest + 1)
            for rows in range(1, longest + 1)
            if least <= columns * rows <= most
        }
        best, closest = (1, 1), inf
        for columns, rows in sorted(shapes, key=lambda shape: shape[0] * shape[1]):
            distance = abs(image.width / image.height - columns / rows)
            covered = columns * rows * own.tile_size**2
            if distance < closest or (
                distance == closest and image.width * image.height > covered / 2
            ):
                best, closest = (rows, columns), distance
        return best

    def _scaled(self, size: tuple[int, int], factor: float) -> tuple[int, int]:
        tall, wide = (round(length * factor / self._cell) * self._cell for length in size)
        if 0 in (tall, wide):
            raise ValueError(
                f"scale {factor:g}: {size[1]}x{size[0]} input pixels leave less than one cell of "
                f"{self._cell}x{self._cell}; the smallest usable scale is "
                f"{self._cell / min(size):g}"
            )
        return tall, wide

    def _marked_ids(self, plan: _Plan) -> list[int]:
        names = {"image_start_token": "<|image_start|>", "image_end_token": "<|image_end|>"}
        start, end = (getattr(self.tokenizer, name, text) for name, text in names.items())
        thumbnail = getattr(self.tokenizer, "image_thumbnail_token", "<|img_thumbnail|>")
        mark = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
        text = "".join(
            f"<|img_row_{row + 1}_col_{column + 1}|>{mark}"
            for row in range(plan.rows)
            for column in range(plan.columns)
        )
        if plan.whole is not None:
            text += f"{thumbnail}{mark}" if plan.rows else mark
        found = self.tokenizer(f"{start}{text}{end}", add_special_tokens=False)["input_ids"]
        return [int(i) for i in found]

    @property
    def _cell(self) -> int:
        """Pixels along the side of a visual token."""
        own, config = self.image_processor, self.model.config
        patch, join = int(config.vision_config.patch_size), int(config.downsample_factor)
        if (own.encoder_patch_size, own.downsample_factor) != (patch, join):
            raise ValueError(
                f"image processor: expected patches of {patch} pixels, {join} by {join} a token, "
                f"got {own.encoder_patch_size} and {own.downsample_factor}"
            )
        return patch * join
