"""BLIP-2: a Q-Former's queries, each of the whole image, before the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.registry import register


@register("blip-2", "instructblip", "instructblipvideo")
class Blip2Adapter(ModelAdapter):
    """Adapter of BLIP-2 with a decoder (OPT).

    Its queries look at the whole image each, so that what can be measured is what the model loses
    without a part of it. Encoder-decoders (T5), and InstructBLIP, whose Q-Former reads the prompt
    with a tokenizer of its own, are refused.
    """

    placeless = (
        "BLIP-2's Q-Former makes each visual token of the whole picture, so that none stands for "
        "a place"
    )
    default_chat_template = (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endfor %}"
        "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )

    def __init__(self, model: Any, **parts: Any) -> None:
        super().__init__(model, **parts)
        config = model.config
        if config.model_type != "blip-2":
            raise ValueError(
                f"model: {type(model).__name__} reads the prompt in its Q-Former, with a tokenizer "
                "of its own, and no visual token stands for a place of the picture; neither lens "
                "nor occlusion is there for it, expected another model"
            )
        if config.text_config.is_encoder_decoder:
            raise ValueError(
                "model: expected BLIP-2 with a decoder such as OPT, got an encoder-decoder "
                f"({config.text_config.model_type}), whose answer is no part of its input"
            )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, BLIP-2 has no other here")
        ids = (self.placeholder_id,) * int(self.model.config.num_query_tokens)
        return Layout(ids, (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {"pixel_values": made["pixel_values"]}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        model, ids = self.model, inputs["input_ids"]
        embedded = model.get_input_embeddings()(ids)
        if "pixel_values" in inputs:
            found = model.get_image_features(inputs["pixel_values"], return_dict=True)
            visual = (ids == self.placeholder_id)[..., None]
            embedded = embedded.masked_scatter(visual, found.pooler_output.to(embedded))
        output = model.language_model.model(
            inputs_embeds=embedded,
            attention_mask=inputs["attention_mask"],
            use_cache=False,
            return_dict=True,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden
