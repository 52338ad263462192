"""Ovis2: the whole image, then tiles in raster order, told apart by indicator tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.layout import WHOLE, Box
from mmx_core.models.markers import required_id
from mmx_core.models.one_size import OneSizeTiled
from mmx_core.models.registry import register
from mmx_core.models.templates import replacing
from mmx_core.models.tiles import Tiling


@register("ovis2")
class Ovis2Adapter(OneSizeTiled):
    """Adapter of Ovis2.

    The whole image comes before its tiles.

    Its chat template writes ``<image>``, which is no token of its vocabulary.
    """

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        if chat_template or getattr(self.tokenizer, "chat_template", None):
            source = self.tokenizer.get_chat_template(chat_template)
            mark = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
            self.chat_template = replacing(source, "<image>", mark)

    def _boxes(self, tiling: Tiling) -> list[Box]:
        return [WHOLE, *tiling.boxes[:-1]]

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
        tiles = super()._cut(image, tiling)
        return torch.cat([tiles[-1:], tiles[:-1]])

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        start, grid, column, row, end = (
            required_id(self.tokenizer, f"<IMG_{name}>")
            for name in ("START", "GRID", "COL", "ROW", "END")
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
