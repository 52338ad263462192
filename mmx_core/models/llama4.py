"""Llama 4: an image filled up to whole tiles, and then squeezed into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.layout import WHOLE, Layout, Raster, View
from mmx_core.models.like_torchvision import (
    check_normalises,
    cut,
    filled_up,
    mode_of,
    pixels_of,
    resized,
)
from mmx_core.models.markers import required_id
from mmx_core.models.registry import register

_Size = tuple[int, int]


@dataclass(frozen=True)
class _Cut:
    """An image at the top left of rows and columns of tiles.

    Attributes:
        tiles: Rows and columns.
        size: ``(height, width)`` of the image there, in pixels.
    """

    tiles: _Size
    size: _Size


@register("llama4")
class Llama4Adapter(ReadsSettings, ModelAdapter):
    """Adapter of Llama 4.

    At scale 1.0 the tiles are the image processor's own. At another scale the image has its size
    there times the factor, on as few tiles as hold it. Tiles keep their size; with more than one,
    the whole image follows in a last one.
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        "size": {"height": 336, "width": 336},
        "resample": 2,
        "max_patches": 16,
        "resize_to_max_canvas": False,
    }

    @property
    def placeholder_id(self) -> int:
        # The template writes it; in the sequence it stands before the last tile.
        return required_id(self.tokenizer, "<|image|>")

    def layout(self, image: Image.Image, factor: float) -> Layout:
        fitted, side = self._cut(image, factor), self._side
        cells = self._cells
        visual = (int(self.model.config.image_token_index),) * (cells * cells)
        ids = [required_id(self.tokenizer, "<|image_start|>")]
        rasters = []
        (rows, columns), (height, width) = fitted.tiles, fitted.size
        for row in range(rows if rows * columns > 1 else 0):
            for column in range(columns):
                box = (
                    row * side / height,
                    column * side / width,
                    (row + 1) * side / height,
                    (column + 1) * side / width,
                )
                offsets = range(len(ids), len(ids) + cells * cells)
                rasters.append(Raster(offsets, (cells, cells), box))
                last = column == columns - 1
                ids += [
                    *visual,
                    required_id(self.tokenizer, f"<|tile_{'y' if last else 'x'}_separator|>"),
                ]
        ids.append(self.placeholder_id)
        # The only tile is filled up; one that follows others holds the whole image, stretched.
        box = WHOLE if rasters else (0.0, 0.0, side / height, side / width)
        rasters.append(Raster(range(len(ids), len(ids) + cells * cells), (cells, cells), box))
        return Layout(
            (*ids, *visual, required_id(self.tokenizer, "<|image_end|>")), (View(tuple(rasters)),)
        )

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        parts = [self._tiles(image, self._cut(image, factor)) for image in images]
        return {"pixel_values": torch.cat(parts)}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        model, ids = self.model, inputs["input_ids"]
        embedded = model.get_input_embeddings()(ids)
        if "pixel_values" in inputs:
            seen = model.get_image_features(inputs["pixel_values"]).last_hidden_state
            features = model.multi_modal_projector(seen.flatten(0, 1)).to(embedded)
            visual = (ids == model.config.image_token_index)[..., None]
            embedded = embedded.masked_scatter(visual, features)
        output = model.language_model.model(
            inputs_embeds=embedded, attention_mask=inputs["attention_mask"], use_cache=False
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    @property
    def _side(self) -> int:
        """Pixels along a tile."""
        size, own = dict(self.image_processor.size), self.model.config.vision_config.image_size
        if {size.get("height"), size.get("width")} != {own}:
            raise ValueError(
                f"image processor: expected tiles of the tower's {own}x{own} pixels, got {size}"
            )
        return int(own)

    @property
    def _cells(self) -> int:
        """Visual tokens along a tile."""
        vision = self.model.config.vision_config
        return int(self._side // int(vision.patch_size) * vision.pixel_shuffle_ratio)

    def _cut(self, image: Image.Image, factor: float) -> _Cut:
        native = self._native(image)
        if factor == 1.0:
            return native
        height, width = (round(pixels * factor) for pixels in native.size)
        least = self._side // self._cells
        if min(height, width) < least:
            raise ValueError(
                f"scale {factor:g}: an image of {native.size[1]}x{native.size[0]} pixels leaves "
                f"less than one visual token of {least}x{least}; the smallest usable scale is "
                f"{least / min(native.size):g}"
            )
        return _Cut((ceil(height / self._side), ceil(width / self._side)), (height, width))

    def _native(self, image: Image.Image) -> _Cut:
        """The processor's canvas: of those that enlarge the least one, or that shrinks least."""
        processor, side = self.image_processor, self._side
        most = int(processor.max_patches)
        canvases = [
            (rows, columns)
            for rows in range(1, most + 1)
            for columns in range(1, most + 1)
            if rows * columns <= most
        ]
        # In the processor's single precision, in which scales can be equal.
        sizes = torch.tensor(canvases) * side
        scales = (sizes / torch.tensor([image.height, image.width])).amin(1)
        larger, best = scales[scales >= 1], scales.max()
        enlarged = bool(processor.resize_to_max_canvas)
        if len(larger) and not enlarged:
            best = larger.min()
        fitting = [tiles for tiles, scale in zip(canvases, scales, strict=True) if scale == best]
        tiles = min(fitting, key=lambda tiles: tiles[0] * tiles[1])
        # Where the canvas is the limit the processor divides in single precision, too, which can
        # make a pixel.
        height, width = (
            torch.tensor(count * side)
            if enlarged or count * side < max(pixels, side)
            else max(pixels, side)
            for count, pixels in zip(tiles, (image.height, image.width), strict=True)
        )
        across, down = width / image.width, height / image.height
        if across < down:
            size = (min(int(image.height * across), int(height)), int(width))
        else:
            size = (int(height), min(int(image.width * down), int(width)))
        return _Cut(tiles, (max(size[0], 1), max(size[1], 1)))

    def _tiles(self, image: Image.Image, fitted: _Cut) -> Tensor:
        check_normalises(self.image_processor)
        side, (rows, columns) = self._side, fitted.tiles
        pixels, mode = pixels_of(image), mode_of(self.image_processor)
        shown = resized(pixels, fitted.size, mode=mode)
        tiles = cut(filled_up(shown, (rows * side, columns * side)), side)
        if len(tiles) > 1:
            tiles = torch.cat([tiles, resized(pixels, (side, side), mode=mode)])
        # In the model's half precision, as it was trained.
        values = tiles.to(torch.bfloat16) * self.image_processor.rescale_factor
        mean, deviation = (
            torch.tensor(numbers, dtype=values.dtype).view(3, 1, 1)
            for numbers in (self.image_processor.image_mean, self.image_processor.image_std)
        )
        return (values - mean) / deviation
