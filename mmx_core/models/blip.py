"""BLIP: a caption that looks at the picture by cross-attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.head import bias_of_head, device_of, vocabulary_size, weight_of_head
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.messages import Message
from mmx_core.models.registry import register


@register("blip")
class BlipAdapter(ModelAdapter):
    """Adapter of BLIP's captioning models.

    The prompt is the caption's beginning. What the picture shows comes into the text through
    cross-attention, spread over all its positions, so that what can be measured is what the model
    loses without a part of it.

    Raises:
        ValueError: Another of BLIP's models, whose answer is no part of its input.
    """

    goes_on = False
    placeless = (
        "BLIP looks at a picture by cross-attention, and no visual token stands in its sequence"
    )
    # The padding token stands for the picture, and goes.
    default_chat_template = (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}{{ pad_token }}{% endif %}{% endfor %}{% endfor %}"
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'text' %} {{ part['text'] }}{% endif %}{% endfor %}"
        "{% if message['role'] == 'assistant' %} {{ sep_token }}{% endif %}{% endfor %}"
    )

    def __init__(self, model: Any, **parts: Any) -> None:
        super().__init__(model, **parts)
        if not hasattr(model, "text_decoder") or hasattr(model, "text_encoder"):
            raise ValueError(
                f"model: expected BlipForConditionalGeneration, got {type(model).__name__}: of "
                "BLIP's models only the captioning one goes on with its own text"
            )

    @property
    def placeholder_id(self) -> int:
        return int(self.tokenizer.pad_token_id)

    @property
    def head_device(self) -> torch.device:
        return device_of(self.model.text_decoder.get_output_embeddings())

    @property
    def head_weight(self) -> Tensor:
        return weight_of_head(self.model.text_decoder)

    @property
    def head_bias(self) -> Tensor | None:
        return bias_of_head(self.model.text_decoder)

    @property
    def vocabulary_size(self) -> int:
        return vocabulary_size(self.model.text_decoder)

    def logits(self, hidden: Tensor) -> Tensor:
        made: Tensor = self.model.text_decoder.get_output_embeddings()(hidden)
        return made

    def render(
        self,
        prompt: str | Sequence[Message],
        *,
        pictures: Sequence[Picture] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> RenderedPrompt:
        rendered = super().render(prompt, pictures=pictures, variables=variables)
        # The tokenizer is one of sentences; the decoder has a beginning of its own.
        ends = {self.tokenizer.cls_token_id, self.tokenizer.sep_token_id}
        plain = rendered.without({i for i, token in enumerate(rendered.ids) if token in ends})
        return replace(
            plain,
            ids=(int(self.model.config.text_config.bos_token_id), *plain.ids),
            written=(False, *plain.written),
            turns=(0, *plain.turns),
            placeholders=tuple(at + 1 for at in plain.placeholders),
        )

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        if len(pictures) > 1:
            raise ValueError(f"images: expected one, BLIP takes no more; got {len(pictures)}")
        return super().layouts(pictures, factor)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, BLIP has no other here")
        return Layout((), (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {"pixel_values": torch.as_tensor(made["pixel_values"])}

    def generate(self, **inputs: Any) -> Tensor:
        # The model's own takes the last token of a prompt for the end of a sentence.
        pixels = inputs.pop("pixel_values")
        made: Tensor = self.model.text_decoder.generate(**self._looking(pixels), **inputs)
        return made

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        given = dict(inputs)
        decoder, pixels = self.model.text_decoder, given.pop("pixel_values")
        output = decoder.bert(**given, **self._looking(pixels), use_cache=False, is_decoder=True)
        hidden: Tensor = decoder.cls.predictions.transform(output.last_hidden_state)
        return hidden

    def _looking(self, pixels: Tensor) -> dict[str, Tensor]:
        seen = self.model.vision_model(pixel_values=pixels)[0]
        mask = torch.ones(seen.shape[:-1], dtype=torch.long, device=seen.device)
        return {"encoder_hidden_states": seen, "encoder_attention_mask": mask}
