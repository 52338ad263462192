"""Aya Vision and Cohere's Command A Vision: tiles in raster order, then the whole image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmx_core.models.internvl import InternVLAdapter
from mmx_core.models.registry import register
from mmx_core.models.square import forward_with_features
from mmx_core.models.templates import replacing
from mmx_core.models.tiles import Tiling


@register("cohere2_vision")
class Cohere2VisionAdapter(InternVLAdapter):
    """Adapter of Command A Vision, whose tiles end with a line break each.

    Tiles and scales are as in InternVL; the tower interpolates its position embeddings where the
    only tile is smaller than its own.
    """

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        start, end, line = (
            self._id(getattr(self.tokenizer, name, default))
            for name, default in (
                ("boi_token", "<|START_OF_IMG|>"),
                ("eoi_token", "<|END_OF_IMG|>"),
                ("img_line_break_token", "<|IMG_LINE_BREAK|>"),
            )
        )
        return [start, *[self.placeholder_id, line] * len(tiling.boxes), end]

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


@register("aya_vision")
class AyaVisionAdapter(Cohere2VisionAdapter):
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
