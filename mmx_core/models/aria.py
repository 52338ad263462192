"""Aria: queries, as many for every picture, each of the whole of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.registry import register


@register("aria")
class AriaAdapter(ModelAdapter):
    """Adapter of Aria.

    Its projector's queries look at all patches each, so that what can be measured is what the
    model loses without a part of the picture. A processor that cuts large images is taken at its
    word.
    """

    placeless = (
        "Aria's projector makes each visual token by a query that looks at the whole picture, so "
        "that none stands for a place"
    )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, Aria has no other here")
        processor, config = self.image_processor, self.model.config
        patches = (int(processor.max_image_size) // config.vision_config.patch_size) ** 2
        queries = {int(n): int(q) for n, q in config.projector_patch_to_query_dict.items()}
        if patches not in queries:
            raise ValueError(
                f"image processor: expected max_image_size to make one of {sorted(queries)} "
                f"patches, got {processor.max_image_size}, which makes {patches}"
            )
        parts = processor.get_number_of_image_patches(image.height, image.width, {})
        ids = (self.placeholder_id,) * (queries[patches] * int(parts))
        return Layout(ids, (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {name: torch.as_tensor(made[name]) for name in ("pixel_values", "pixel_mask")}
