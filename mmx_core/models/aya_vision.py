"""Aya Vision and Cohere's Command A Vision: tiles in raster order, then the whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.internvl import TiledAdapter
from mmx_core.models.like_torchvision import mode_of, normalised, pixels_of, resized
from mmx_core.models.markers import required_id
from mmx_core.models.registry import register
from mmx_core.models.square import forward_with_features
from mmx_core.models.templates import replacing
from mmx_core.models.tiles import Tiling, closest_tiles


class _CohereAdapter(TiledAdapter):
    """Tiles and scales are as in InternVL.

    The tower interpolates its position embeddings where the only tile is smaller than its own.
    """

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = inputs.get("pixel_values")
        if pixels is None or pixels.shape[-1] == self.model.config.vision_config.image_size:
            return super().last_hidden_states(inputs)
        features = self.model.model.get_image_features(
            pixels, interpolate_pos_encoding=True, return_dict=True
        )
        rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
        return forward_with_features(self.model, rest, features)

    @property
    def _shuffle(self) -> int:
        return int(self.model.config.downsample_factor)


@register("cohere2_vision")
class Cohere2VisionAdapter(ReadsSettings, _CohereAdapter):
    """Adapter of Command A Vision, whose tiles end with a line break each."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "size": {"height": 512, "width": 512},
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "crop_to_patches": True,
        "max_patches": 12,
    }

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        parts = [self._cut(image, self._tiling(image, factor)) for image in images]
        return {"pixel_values": torch.cat(parts)}

    def _own_tiles(self, image: Image.Image, side: int) -> tuple[int, int]:
        most = int(self.image_processor.max_patches) if self.image_processor.crop_to_patches else 1
        # As many tiles in fewer columns come first.
        grids = [(rows, columns) for columns in range(1, most + 1) for rows in range(1, most + 1)]
        size = (image.height, image.width)
        return closest_tiles(grids, most, side, size, dtype=torch.float64)

    def _resized(self, image: Image.Image, height: int, width: int) -> Tensor:
        processor = self.image_processor
        pixels = resized(pixels_of(image), (height, width), mode=mode_of(processor))
        return normalised(pixels[0], processor)

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        start, end, line = (
            required_id(self.tokenizer, getattr(self.tokenizer, name, default))
            for name, default in (
                ("boi_token", "<|START_OF_IMG|>"),
                ("eoi_token", "<|END_OF_IMG|>"),
                ("img_line_break_token", "<|IMG_LINE_BREAK|>"),
            )
        )
        return [start, *[self.placeholder_id, line] * len(tiling.boxes), end]


@register("aya_vision")
class AyaVisionAdapter(_CohereAdapter):
    """Adapter of Aya Vision, whose tiles are named and numbered.

    Its chat template writes ``<image>``, which is no token of its vocabulary.
    """

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        if chat_template or getattr(self.tokenizer, "chat_template", None):
            source = self.tokenizer.get_chat_template(chat_template)
            mark = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
            self.chat_template = replacing(source, "<image>", mark)

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        mark = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
        tiles = "".join(f"TILE_{number}{mark}" for number in range(1, len(tiling.boxes)))
        text = f"<|START_OF_IMG|>{tiles}TILE_GLOBAL{mark}<|END_OF_IMG|>"
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]
