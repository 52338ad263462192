"""DeepSeek-OCR 2: queries that read the picture in an order of their own, tiles then the whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.registry import register

_NAMES = ("pixel_values", "pixel_values_local", "num_local_patches")
_DOWNSAMPLED = 4
"""The first encoder's patches along the side of what its queries look at."""
_MOST_FOR_FEW = 144
"""Of these, up to which the model takes the smaller of its two sets of queries."""


@register("deepseek_ocr2")
class DeepseekOcr2Adapter(ModelAdapter):
    """Adapter of DeepSeek-OCR 2.

    Each of its queries looks at the whole tile, or picture, and at the queries before it, so that
    what can be measured is what the model loses without a part of it.
    """

    placeless = (
        "DeepSeek-OCR 2 makes each visual token by a query that looks at the whole picture, so "
        "that none stands for a place"
    )
    default_chat_template = (
        "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
            get_optimal_tiled_canvas,
        )

        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, DeepSeek-OCR 2 has no other here")
        processor = self.image_processor
        tile, cuts = int(processor.tile_size), bool(processor.crop_to_patches)
        rows = columns = 0
        if cuts and max(image.size) > tile:
            columns, rows = get_optimal_tiled_canvas(
                (image.height, image.width),
                (tile, tile),
                processor.min_patches,
                processor.max_patches,
            )
        whole = self._queries(int(dict(processor.size)["height"]) if cuts else tile)
        # Behind the whole stands what parts it from the next.
        count = rows * columns * self._queries(tile) + whole + 1
        return Layout((self.placeholder_id,) * count, (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {name: torch.as_tensor(made[name]) for name in _NAMES if name in made}

    def _queries(self, side: int) -> int:
        """How many the model has for a square of so many pixels."""
        tower = self.model.model.vision_tower
        few, many = tower.query_768_resolution.weight, tower.query_1024_resolution.weight
        patch = int(self.model.config.vision_config.sam_config.patch_size)
        return len(few if (side // patch // _DOWNSAMPLED) ** 2 <= _MOST_FOR_FEW else many)
