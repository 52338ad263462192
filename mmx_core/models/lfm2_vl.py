"""LFM2-VL: native resolution, or tiles named by row and column and the whole image smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import WHOLE, Box, Layout
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
class Lfm2VlAdapter(ModelAdapter):
    """Adapter of LFM2-VL.

    At scale 1.0 an image is shown at its own resolution, or cut into tiles if it is large. At
    another scale the first is resized by the factor, and the second has ``factor`` times as many
    tiles along each side, rounded, beside the same view of the whole; where one would be left it is
    that view alone, smaller if less than one would be.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        plan = self._plan(image, factor)
        grids = [(tall // self._cell, wide // self._cell) for _, (tall, wide) in plan.parts]
        boxes = [box for box, _ in plan.parts]
        return marked_layout(self._marked_ids(plan), self.placeholder_id, boxes, grids)

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        plans = [self._plan(image, factor) for image in images]
        if factor == 1.0:
            made = dict(self.image_processor(images=list(images), return_tensors="pt"))
        else:
            parts = [
                self._part(image, box, size)
                for image, plan in zip(images, plans, strict=True)
                for box, size in plan.parts
            ]
            most = max(part["pixel_values"].shape[1] for part in parts)
            made = {
                name: torch.cat([_filled(part[name], most) for part in parts])
                for name in ("pixel_values", "pixel_attention_mask", "spatial_shapes")
            }
        patch = int(self.image_processor.encoder_patch_size)
        expected = [[t // patch, w // patch] for plan in plans for _, (t, w) in plan.parts]
        if made["spatial_shapes"].tolist() != expected:
            raise ValueError(
                f"image processor: expected patches {expected} at scale {factor:g}, got "
                f"{made['spatial_shapes'].tolist()}"
            )
        names = ("pixel_values", "pixel_attention_mask", "spatial_shapes")
        return {name: made[name] for name in names}

    def _plan(self, image: Image.Image, factor: float) -> _Plan:
        own, cell = self.image_processor, self._cell
        if own.tile_size % cell:
            raise ValueError(
                f"image processor: expected tiles of whole cells of {cell} pixels, got tile_size "
                f"{own.tile_size}"
            )
        limits = {
            "max_image_tokens": own.max_image_tokens,
            "encoder_patch_size": own.encoder_patch_size,
            "downsample_factor": own.downsample_factor,
        }
        width, height = own.smart_resize(
            image.height, image.width, min_image_tokens=own.min_image_tokens, **limits
        )
        large = own.do_image_splitting and own._is_image_too_large(
            image.height, image.width, max_pixels_tolerance=own.max_pixels_tolerance, **limits
        )
        if not large or own.min_tiles == own.max_tiles == 1:
            return _Plan(0, 0, 0, self._scaled((height, width), factor))
        columns, rows, *_ = own._get_grid_layout(
            image.height, image.width, own.min_tiles, own.max_tiles, own.tile_size
        )
        longest = max(rows, columns) * factor
        if longest < 1:
            return _Plan(0, 0, 0, self._scaled((height, width), longest))
        rows, columns = (max(1, int(count * factor + 0.5)) for count in (rows, columns))
        if rows == columns == 1:
            return _Plan(0, 0, 0, (height, width))
        whole = (height, width) if own.use_thumbnail else None
        return _Plan(rows, columns, int(own.tile_size), whole)

    def _scaled(self, size: tuple[int, int], factor: float) -> tuple[int, int]:
        tall, wide = (round(length * factor / self._cell) * self._cell for length in size)
        if 0 in (tall, wide):
            raise ValueError(
                f"scale {factor:g}: {size[1]}x{size[0]} input pixels leave less than one cell of "
                f"{self._cell}x{self._cell}; the smallest usable scale is "
                f"{self._cell / min(size):g}"
            )
        return tall, wide

    def _part(self, image: Image.Image, box: Box, size: tuple[int, int]) -> Any:
        """What the processor makes of a part at a size, of which it is told to make no other."""
        top, left, bottom, right = box
        shown = image.resize(
            size[::-1],
            Image.Resampling.BILINEAR,
            box=(
                left * image.width,
                top * image.height,
                right * image.width,
                bottom * image.height,
            ),
        )
        tokens = (size[0] // self._cell) * (size[1] // self._cell)
        return self.image_processor(
            images=[shown],
            do_image_splitting=False,
            min_image_tokens=tokens,
            max_image_tokens=tokens,
            return_tensors="pt",
        )

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


def _filled(part: Tensor, most: int) -> Tensor:
    """With zeros along dimension 1, where patches are counted."""
    if part.shape[1] == 2 and part.ndim == 2:  # heights and widths
        return part
    missing = part.new_zeros(len(part), most - part.shape[1], *part.shape[2:])
    return torch.cat([part, missing], dim=1)
