"""Ovis2: the whole image, then tiles in raster order, told apart by indicator tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.internvl import TiledAdapter
from mmx_core.models.layout import WHOLE, Layout, Raster, View
from mmx_core.models.registry import register
from mmx_core.models.templates import replacing
from mmx_core.models.tiles import Tiling, covered, marked_layout, shuffled_grid


@register("ovis2")
class Ovis2Adapter(TiledAdapter):
    """Adapter of Ovis2.

    Tiles are as in InternVL, but the whole image comes before them. Its tower takes one size: where
    less than one tile would be left, the image is shrunk by whole cells and centred on a grey
    canvas, whose other tokens show nothing and count nowhere.

    Its chat template writes ``<image>``, which is no token of its vocabulary.
    """

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        if chat_template or getattr(self.tokenizer, "chat_template", None):
            source = self.tokenizer.get_chat_template(chat_template)
            mark = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
            self.chat_template = replacing(source, "<image>", mark)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        tiling = self._tiling(image, factor)
        count, seen = shuffled_grid(tiling.side, self._patch, self._shuffle)
        boxes = [covered(box, seen) for box in (WHOLE, *tiling.boxes[:-1])]
        layout = marked_layout(
            self._marked_ids(tiling), self.placeholder_id, boxes, [(count, count)] * len(boxes)
        )
        shown = tiling.settings.get("shown", count)
        if shown == count:
            return layout
        (raster,) = layout.views[0].rasters
        places = range((count - shown) // 2, (count - shown) // 2 + shown)
        offsets = [raster.offsets[i * count + j] for i in places for j in places]
        return Layout(layout.ids, (View((Raster(offsets, (shown, shown)),)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        tilings = [self._tiling(image, factor) for image in images]
        if factor != 1.0:
            parts = [self._cut(*pair) for pair in zip(images, tilings, strict=True)]
            return {"pixel_values": torch.cat(parts)}
        made = self.image_processor(images=list(images), return_tensors="pt")
        expected = [[tiling.rows, tiling.columns] for tiling in tilings]
        if torch.as_tensor(made["grids"]).tolist() != expected:
            raise ValueError(
                f"image processor: expected rows and columns of tiles {expected}, got "
                f"{made['grids'].tolist()}"
            )
        return {"pixel_values": made["pixel_values"]}

    def _tiling(self, image: Image.Image, factor: float) -> Tiling:
        tiling = super()._tiling(image, factor)
        side = int(self.image_processor.size["height"])
        if tiling.side == side:
            return tiling
        return Tiling(1, 1, side, {"shown": tiling.side // (self._patch * self._shuffle)})

    def _own_tiles(self, image: Image.Image, side: int) -> tuple[int, int]:
        own, size = self.image_processor, (image.height, image.width)
        if not own.crop_to_patches or own.max_patches <= 1:
            return 1, 1
        if own.use_covering_area_grid:
            found = self._beside_processor("get_min_tile_covering_grid")(
                size, target_patch_size=side, max_image_tiles=own.max_patches
            )
        else:
            found = self._canvas(size, (side, side), own.min_patches, own.max_patches)
        # The first counts rows and is taken for columns: so the released models were trained.
        columns, rows = found
        return rows, columns

    def _cut(self, image: Image.Image, tiling: Tiling) -> Tensor:
        shown, side = tiling.settings.get("shown"), tiling.side
        if shown is None:
            tiles = super()._cut(image, tiling)
            return torch.cat([tiles[-1:], tiles[:-1]])
        cell = self._patch * self._shuffle
        count = side // cell
        grey = tuple(round(255 * mean) for mean in self.image_processor.image_mean)
        canvas = Image.new("RGB", (side, side), grey)
        start = (count - shown) // 2 * cell
        shrunk = image.resize((shown * cell, shown * cell), Image.Resampling.BICUBIC)
        canvas.paste(shrunk, (start, start))
        return self._resized(canvas, side, side)[None]

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        start, grid, column, row, end = (
            self._id(f"<IMG_{name}>") for name in ("START", "GRID", "COL", "ROW", "END")
        )
        mark = self.placeholder_id
        ids = [start, mark, grid]
        if len(tiling.boxes) > 1:
            line = [mark, *[column, mark] * (tiling.columns - 1)]
            ids += [*line, *[row, *line] * (tiling.rows - 1)]
        return [*ids, end]

    @property
    def _shuffle(self) -> int:
        return int(self.model.config.vision_config.hidden_stride)
