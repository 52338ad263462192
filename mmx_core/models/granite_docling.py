"""Granite Docling: tiles named by row and column, then the whole where there are several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.one_size import OneSizeTiled
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling


@register("granite_docling")
class GraniteDoclingAdapter(OneSizeTiled):
    """Adapter of Granite Docling, on its coarse path or (``fine_route``) its fine one."""

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        tilings = [self._tiling(image, factor) for image in images]
        expected = [(tiling.rows, tiling.columns) for tiling in tilings]
        if factor == 1.0:
            made = self.image_processor(images=[list(images)], return_tensors="pt")
            found = list(zip(made["rows"][0], made["cols"][0], strict=True))
            if found != expected:
                raise ValueError(
                    f"image processor: expected (rows, columns) of tiles {expected}, got {found}"
                )
            pixels = torch.as_tensor(made["pixel_values"])
        else:
            parts = [self._cut(*pair) for pair in zip(images, tilings, strict=True)]
            pixels = torch.cat(parts)[None]
        fine = {"tile_fine_mask": torch.ones(1, dtype=torch.bool)} if self._fine else {}
        shown = torch.ones(pixels.shape[:2], dtype=torch.bool)
        return {"pixel_values": pixels, "pixel_attention_mask": shown, **fine}

    def logits(self, hidden: Tensor) -> Tensor:
        return super().logits(hidden) / self.model.config.text_config.logits_scaling

    def _own_tiles(self, image: Image.Image, side: int) -> tuple[int, int]:
        rows, columns = self.image_processor.get_tile_grid(image.height, image.width, {})
        return rows, columns

    def _resized(self, image: Image.Image, height: int, width: int) -> Tensor:
        # The processor takes images of samples, and hands out the tiles of each.
        tile: Tensor = super()._resized(image, height, width)[0]
        return tile

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        around, image = (
            "<fake_token_around_image>",
            self.tokenizer.convert_ids_to_tokens(self.placeholder_id),
        )
        text = ""
        for row in range(tiling.rows):
            for column in range(tiling.columns):
                text += f"{around}<row_{row + 1}_col_{column + 1}>{image}"
            text += "\n"
        if len(tiling.boxes) > 1:
            text += f"\n{around}<global-img>{image}{around}"
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    @property
    def _fine(self) -> bool:
        return bool(getattr(self.image_processor, "fine_route", False))

    @property
    def _shuffle(self) -> int:
        scale = int(self.model.config.vision_config.scale_factor)
        return scale // 2 if self._fine else scale
