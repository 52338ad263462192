"""LLaVA-NeXT and LLaVA-OneVision: the whole image, then tiles of it, rows ended by newlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.registry import register
from mmx_core.models.square import forward_with_features, square_box
from mmx_core.models.square_frames import SquareFrames
from mmx_core.models.tiles import Canvas, tile_rasters


@register("llava_next")
class LlavaNextAdapter(ModelAdapter):
    """Any-resolution adapter.

    At scale 1.0 the model's own tiling. At another scale there are ``factor`` times as many tiles
    along each side (at least one), cut of the image at that resolution, beside the same view of the
    whole; the tower sees them as it sees any, and the features are laid out in the model's own
    order. Every tile is a grid of its own; where tiles and whole overlap, maps are averaged. Tiles
    being whole, near factors can mean the same tiles: one tile stays one down to any scale.

    Where LLaVA-OneVision pools the features of many tiles, the factor counts from the pooled grid,
    and nothing is pooled at other scales: twice as fine are the tiles' features themselves.

    LLaVA-OneVision shows each of several images whole, padded to a square, without tiles; at other
    scales its tower then interpolates its position embeddings.
    """

    @property
    def _side(self) -> int:
        return int(self.model.config.vision_config.image_size)

    @property
    def _patch(self) -> int:
        return int(self.model.config.vision_config.patch_size)

    def _check_parts(self) -> None:
        """Refuses a tower or a processor whose cells it cannot place."""
        config, own = self.model.config, self.image_processor
        clip = "clip" in config.vision_config.model_type
        strategy = config.vision_feature_select_strategy
        if clip != (strategy == "default"):
            raise ValueError(
                f"model: vision_feature_select_strategy {strategy!r} with a "
                f"{config.vision_config.model_type}: expected 'default' with CLIP, whose class "
                "token breaks the tiles' rows, and 'full' with a tower that has none"
            )
        sides = {n for size in (own.size, own.crop_size) if size for n in dict(size).values()}
        if sides != {self._side}:
            raise ValueError(
                f"image processor: expected size and crop_size of the tower's {self._side} pixels, "
                f"got {sorted(sides)}"
            )

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        if self._whole_only(sum(not isinstance(picture, Clip) for picture in pictures)):
            return [
                self.video_layout(picture, factor)
                if isinstance(picture, Clip)
                else self._square_layout(picture, factor)
                for picture in pictures
            ]
        return super().layouts(pictures, factor)

    def _whole_only(self, images: int) -> bool:
        return images > 1 and self.model.config.model_type == "llava_onevision"

    def _square_layout(self, image: Image.Image, factor: float) -> Layout:
        side = self._square_side(factor)
        cells = side // self._patch
        box = square_box(image.size, cells * self._patch / side)
        raster = Raster(range(cells * cells), (cells, cells), box)
        return Layout((self.placeholder_id,) * (cells * cells + 1), (View((raster,)),))

    def _square_side(self, factor: float) -> int:
        side = (
            self._side if factor == 1.0 else round(self._side * factor / self._patch) * self._patch
        )
        if side == 0:
            raise ValueError(
                f"scale {factor:g}: leaves less than one patch of {self._patch} pixels"
            )
        return side

    def layout(self, image: Image.Image, factor: float) -> Layout:
        canvas = self._canvas(image, factor)
        base = canvas.cells**2
        whole = canvas.cells * canvas.patch / canvas.side
        rasters = [Raster(range(base), (canvas.cells, canvas.cells), (0.0, 0.0, whole, whole))]
        rows, columns = canvas.kept((image.height, image.width))
        pooled = self._pooled(canvas, rows, columns) if factor == 1.0 else None
        if pooled is not None:
            tall, wide = pooled
            offsets = [base + r * (wide + 1) + c for r in range(tall) for c in range(wide)]
            first = canvas.box((rows.start, rows.start + 1), (columns.start, columns.start + 1))
            last = canvas.box((rows.stop - 1, rows.stop), (columns.stop - 1, columns.stop))
            rasters.append(Raster(offsets, pooled, (first[0], first[1], last[2], last[3])))
        else:
            tall, wide = rows.stop - rows.start, columns.stop - columns.start
            rasters += tile_rasters(canvas, rows, columns, base)
        ids = (self.placeholder_id,) * (base + tall * (wide + 1))
        return Layout(ids, (View(tuple(rasters)),))

    def _canvas(self, image: Image.Image, factor: float) -> Canvas:
        from transformers.image_processing_utils import select_best_resolution

        self._check_parts()
        size, side = (image.height, image.width), self._side
        best, cut = (
            tuple(select_best_resolution(size, part.image_grid_pinpoints))
            for part in (self.model.config, self.image_processor)
        )
        if best != cut:
            raise ValueError(
                f"image processor: its image_grid_pinpoints cut {size[1]}x{size[0]} pixels out of "
                f"{cut[1]}x{cut[0]}, the model's expect {best[1]}x{best[0]}"
            )
        cells = side // self._patch
        canvas = Canvas.fit(size, (best[0] // side, best[1] // side), side, cells, self._patch)
        if factor == 1.0:
            return canvas
        step = factor / max(1.0, self._shrinkage(canvas, *canvas.kept(size)))
        down, across = (max(1, round(count * step)) for count in canvas.tiles)
        return Canvas.fit(size, (down, across), side, cells, self._patch)

    def _pooled(self, canvas: Canvas, rows: slice, columns: slice) -> tuple[int, int] | None:
        """The grid that LLaVA-OneVision shrinks the tiles' features to, where there are many."""
        ratio = self._shrinkage(canvas, rows, columns)
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        return (int(tall // ratio), int(wide // ratio)) if ratio > 1.0 else None

    def _shrinkage(self, canvas: Canvas, rows: slice, columns: slice) -> float:
        """How many of the tiles' cells, along a side, become one of the pooled grid."""
        if self.model.config.model_type != "llava_onevision":
            return 1.0
        kind = str(self.model.config.vision_aspect_ratio)
        most = kind.removeprefix("anyres_max_")
        if not most.isdecimal() or not int(most):
            raise ValueError(
                f"model: expected a vision_aspect_ratio of anyres_max_ and a number, got {kind!r}"
            )
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        ratio = sqrt(tall * wide / (int(most) * canvas.cells**2))
        return ratio if ratio > 1.1 else 1.0

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        if factor == 1.0:
            # Nested, so that a processor which treats several images otherwise knows how many.
            nested = [list(images)] if self._whole_only(len(images)) else list(images)
            made = self.image_processor(images=nested, return_tensors="pt")
            names = ("pixel_values", "image_sizes", "batch_num_images")
            return {name: torch.as_tensor(made[name]) for name in names if name in made}
        if self._whole_only(len(images)):
            side = self._square_side(factor)
            fill = tuple(int(255 * mean) for mean in self.image_processor.image_mean)
            squares = [_padded(image, fill).resize((side, side), _BICUBIC) for image in images]
            kept = torch.zeros(len(images), 6, dtype=torch.int64)
            return {"tiles": self._normalised(squares), "tile_layouts": kept}
        pictures: list[Image.Image] = []
        kept_rows = []
        for image in images:
            canvas = self._canvas(image, factor)
            pictures += _cut(image, canvas)
            rows, columns = canvas.kept((image.height, image.width))
            kept_rows.append([*canvas.tiles, rows.start, rows.stop, columns.start, columns.stop])
        return {"tiles": self._normalised(pictures), "tile_layouts": torch.tensor(kept_rows)}

    def _normalised(self, pictures: Sequence[Image.Image]) -> Tensor:
        from transformers import CLIPImageProcessorPil

        own = self.image_processor
        plain = CLIPImageProcessorPil(
            do_resize=False,
            do_center_crop=False,
            image_mean=own.image_mean,
            image_std=own.image_std,
            rescale_factor=own.rescale_factor,
        )
        made: Tensor = plain(images=list(pictures), return_tensors="pt")["pixel_values"]
        return made

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        if "tiles" not in inputs:
            return super().last_hidden_states(inputs)
        features = self._packed(inputs["tiles"], inputs["tile_layouts"].tolist())
        rest = {n: value for n, value in inputs.items() if n not in ("tiles", "tile_layouts")}
        return forward_with_features(self.model, rest, SimpleNamespace(pooler_output=features))

    def _packed(self, tiles: Tensor, layouts: list[list[int]]) -> list[Tensor]:
        """Features of each image in the model's order: the whole, then rows with newlines."""
        config, parts = self.model.config, self.model.model
        options = {} if tiles.shape[-1] == self._side else {"interpolate_pos_encoding": True}
        seen = parts.vision_tower(tiles, output_hidden_states=True, return_dict=True, **options)
        chosen = config.vision_feature_layer
        layers = [chosen] if isinstance(chosen, int) else chosen
        states = torch.cat([seen.hidden_states[layer] for layer in layers], dim=-1)
        if config.vision_feature_select_strategy == "default":
            states = states[:, 1:]
        features = parts.multi_modal_projector(states)
        newline = parts.image_newline.to(features)
        packed, done = [], 0
        for rows, columns, top, bottom, left, right in layouts:
            whole = features[done]
            count = rows * columns
            if not count:
                packed.append(torch.cat([whole, newline[None]]))
                done += 1
                continue
            cells = round(sqrt(len(whole)))
            grid = features[done + 1 : done + 1 + count].view(rows, columns, cells, cells, -1)
            grid = grid.permute(0, 2, 1, 3, 4).flatten(0, 1).flatten(1, 2)
            kept = grid[top:bottom, left:right]
            ends = newline.expand(len(kept), 1, -1)
            packed.append(torch.cat([whole, torch.cat([kept, ends], dim=1).flatten(0, 1)]))
            done += 1 + count
        return packed


@register("llava_next_video")
class LlavaNextVideoAdapter(SquareFrames, LlavaNextAdapter):
    """LLaVA-NeXT-Video: as LLaVA-NeXT, and frames whose centre's patches are pooled."""

    def frame_cells(self) -> tuple[int, int, int]:
        pooled = int(self.model.config.spatial_pool_stride)
        cells = self._side // self._patch // pooled
        return cells, cells * pooled * self._patch, 0


@register("llava_onevision")
class LlavaOnevisionAdapter(SquareFrames, LlavaNextAdapter):
    """LLaVA-OneVision: as LLaVA-NeXT, and frames that are stretched, pooled 2 by 2."""

    crops_frames = False

    def frame_cells(self) -> tuple[int, int, int]:
        patches = self._side // self._patch
        return ceil(patches / 2), patches * self._patch, 0

    def tokens_after_frames(self) -> int:
        return 1


_BICUBIC = Image.Resampling.BICUBIC


def _cut(image: Image.Image, canvas: Canvas) -> list[Image.Image]:
    """The whole image as a square, then the tiles of its canvas."""
    side = canvas.side
    height, width = canvas.size
    ground = Image.new("RGB", (canvas.tiles[1] * side, canvas.tiles[0] * side))
    top, left = canvas.margins
    ground.paste(image.resize((width, height), _BICUBIC), (left, top))
    boxes = [
        (c * side, r * side, (c + 1) * side, (r + 1) * side)
        for r in range(canvas.tiles[0])
        for c in range(canvas.tiles[1])
    ]
    return [image.resize((side, side), _BICUBIC), *(ground.crop(box) for box in boxes)]


def _padded(image: Image.Image, fill: Any) -> Image.Image:
    side = max(image.size)
    start = ((side - image.width) // 2, (side - image.height) // 2)
    square = Image.new("RGB", (side, side), fill)
    square.paste(image, start)
    return square
