"""Idefics, the first: text that looks at pictures by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.idefics2 import with_shared_marks
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.markers import known_id, required_id
from mmx_core.models.registry import register

_MASK = "image_attention_mask"
_AROUND, _IMAGE, _END = "<fake_token_around_image>", "<image>", "<end_of_utterance>"
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% elif loop.first %} {{ part['text'] }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "END\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


@register("idefics")
class IdeficsAdapter(ModelAdapter):
    """Adapter of Idefics, the first.

    A token marks where an image is in the text; what it shows comes into the text behind it
    through cross-attention, spread over all its positions, so that what can be measured is what
    the model loses without a part of the picture.
    """

    goes_on = False
    placeless = (
        "Idefics looks at a picture by cross-attention, and no visual token stands in its sequence"
    )

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        if not (chat_template or getattr(self.tokenizer, "chat_template", None)):
            # The instructed checkpoints close a turn, the others do not.
            end = _END if known_id(self.tokenizer, _END) is not None else ""
            self.chat_template = _TEMPLATE.replace("END", end)

    @property
    def placeholder_id(self) -> int:
        return required_id(self.tokenizer, _IMAGE)

    @property
    def head_weight(self) -> Tensor:
        head = self.model.get_output_embeddings()
        more = getattr(head, "additional_fc", None)
        return super().head_weight if more is None else torch.cat([head.weight, more.weight])

    @property
    def vocabulary_size(self) -> int:
        return len(self.head_weight)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, Idefics has no other here")
        around = required_id(self.tokenizer, _AROUND)
        return Layout((around, self.placeholder_id, around), (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {"pixel_values": torch.as_tensor(made)[None]}

    def encode(
        self,
        pictures: Sequence[Picture],
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
        *,
        factor: float,
        layouts: Sequence[Layout] | None = None,
    ) -> EncodedInput:
        from transformers.models.idefics.processing_idefics import (
            image_attention_mask_for_packed_input_ids as last_images,
        )
        from transformers.models.idefics.processing_idefics import (
            incremental_to_binary_attention_mask as one_hot,
        )

        found = with_shared_marks(layouts or self.layouts(pictures, factor), rendered.placeholders)
        encoded = super().encode(pictures, rendered, answer_ids, factor=factor, layouts=found)
        ids = encoded.token_inputs["input_ids"]
        last, _ = last_images(ids.cpu(), self.tokenizer, "pt")
        mask = one_hot(last, "pt", num_classes=max(1, len(pictures))).to(ids.device)
        return replace(encoded, token_inputs={**encoded.token_inputs, _MASK: mask})

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        if len(batch) == 1:
            return super().collate(batch)
        length = max(encoded.length for encoded in batch)
        images = max(encoded.token_inputs[_MASK].shape[2] for encoded in batch)
        masks = [
            torch.nn.functional.pad(mask, (0, images - mask.shape[2], 0, length - mask.shape[1]))
            for mask in (encoded.token_inputs[_MASK] for encoded in batch)
        ]
        plain = [
            replace(e, token_inputs={n: v for n, v in e.token_inputs.items() if n != _MASK})
            for e in batch
        ]
        return {**super().collate(plain), _MASK: torch.cat(masks)}
