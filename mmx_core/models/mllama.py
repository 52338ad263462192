"""Llama 3.2 Vision: text that looks at tiles of the picture by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.registry import register

_MASK = "cross_attention_mask"


@register("mllama")
class MllamaAdapter(ModelAdapter):
    """Adapter of Llama 3.2 Vision (mllama).

    One token marks where an image is in the text; what the image shows comes into the text through
    cross-attention, spread over all its positions. So there is nothing to read at a place of the
    image, and what can be measured is what the model loses without it.
    """

    placeless = (
        "Llama 3.2 Vision looks at a picture by cross-attention, and no visual token stands in its "
        "sequence"
    )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, Llama 3.2 Vision has no other here")
        return Layout((self.placeholder_id,), (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=[list(images)], return_tensors="pt")
        names = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")
        return {name: torch.as_tensor(made[name]) for name in names}

    def encode(
        self,
        pictures: Sequence[Picture],
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
        *,
        factor: float,
        layouts: Sequence[Layout] | None = None,
    ) -> EncodedInput:
        from transformers.models.mllama.processing_mllama import (
            convert_sparse_cross_attention_mask_to_dense,
            get_cross_attention_token_mask,
        )

        encoded = super().encode(pictures, rendered, answer_ids, factor=factor, layouts=layouts)
        if not pictures:
            return encoded
        # The prompt's, as the processor makes it; what is answered goes on as the last row has it.
        prompt = encoded.token_inputs["input_ids"][0, : encoded.prompt_length].tolist()
        tiles = encoded.pixel_inputs["aspect_ratio_mask"]
        dense = convert_sparse_cross_attention_mask_to_dense(
            [get_cross_attention_token_mask(prompt, self.placeholder_id)],
            num_tiles=[tiles[0].sum(1).tolist()],
            max_num_tiles=tiles.shape[-1],
            length=len(prompt),
        )
        mask = torch.from_numpy(dense).to(tiles.device)
        mask = torch.cat([mask, mask[:, -1:].expand(-1, len(answer_ids), -1, -1)], dim=1)
        return replace(encoded, token_inputs={**encoded.token_inputs, _MASK: mask})

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        if len(batch) == 1 or _MASK not in batch[0].token_inputs:
            return super().collate(batch)
        length = max(encoded.length for encoded in batch)
        masks = [
            torch.nn.functional.pad(e.token_inputs[_MASK], (0, 0, 0, 0, 0, length - e.length))
            for e in batch
        ]
        plain = [
            replace(e, token_inputs={n: v for n, v in e.token_inputs.items() if n != _MASK})
            for e in batch
        ]
        return {**super().collate(plain), _MASK: torch.cat(masks)}
