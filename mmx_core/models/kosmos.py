"""Kosmos-2 and Kosmos-2.5: latent queries, each of the whole picture, in places of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.markers import required_id
from mmx_core.models.registry import register

_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endfor %}"
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}BLANK{{ part['text'] }}{% endif %}{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)


@register("kosmos-2")
class Kosmos2Adapter(ModelAdapter):
    """Adapter of Kosmos-2.

    Its queries look at the whole picture each, so that what can be measured is what the model
    loses without a part of it. Pictures go before the text, as the processor puts its only one.
    """

    goes_on = False
    placeless = (
        "Kosmos-2 makes each visual token by a query that looks at the whole picture, so that none "
        "stands for a place"
    )
    default_chat_template = _TEMPLATE.replace("BLANK", " ")
    takes: ClassVar[Mapping[str, str]] = {"pixel_values": "pixel_values"}
    """What the image processor makes, by what the vision model calls it."""

    @property
    def placeholder_id(self) -> int:
        return required_id(self.tokenizer, "<image>")

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            name = type(self.model).__name__.removesuffix("ForConditionalGeneration")
            raise ValueError(f"scale {factor:g}: expected 1, {name} has no other here")
        ids = (self.placeholder_id, *self._filled(), required_id(self.tokenizer, "</image>"))
        return Layout(ids, (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {name: torch.as_tensor(made[name]) for name in self.takes}

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        # Between the two marks stand the pictures' places, and nothing else.
        begun, ended = (
            (sequence == mark).cumsum(1)
            for mark in (self.placeholder_id, required_id(self.tokenizer, "</image>"))
        )
        inside = (begun > ended) & (sequence != self.placeholder_id)
        inside[:, prompt_length:] = False
        return {"image_embeds_position_mask": inside.long()}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        given = dict(inputs)
        pixels = {own: given.pop(name) for name, own in self.takes.items() if name in given}
        embeds = None
        if pixels:
            seen = self.model.vision_model(**pixels)[0]
            seen = torch.nn.functional.normalize(self._normed(seen), dim=-1)
            embeds = self.model.image_to_text_projection(seen)[0]
        output = self.model.text_model.model(**given, image_embeds=embeds, use_cache=False)
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _normed(self, states: Tensor) -> Tensor:
        normed: Tensor = self.model.vision_model.model.post_layernorm(states)
        return normed

    def _filled(self) -> list[int]:
        """Ids of the places, whose embeddings are the picture's: as the processor numbers them."""
        first = int(self.tokenizer.unk_token_id) + 1
        return list(range(first, first + int(self.model.config.latent_query_num)))


@register("kosmos-2.5")
class Kosmos25Adapter(Kosmos2Adapter):
    """Adapter of Kosmos-2.5: the same, of a picture at its own proportions."""

    placeless = Kosmos2Adapter.placeless.replace("Kosmos-2", "Kosmos-2.5")
    default_chat_template = _TEMPLATE.replace("BLANK", "")
    takes: ClassVar[Mapping[str, str]] = {"flattened_patches": "flattened_patches"}

    def _normed(self, states: Tensor) -> Tensor:
        return states

    def _filled(self) -> list[int]:
        places = int(self.model.config.latent_query_num)
        return [int(self.tokenizer.bos_token_id)] * places
