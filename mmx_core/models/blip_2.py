"""BLIP-2 and InstructBLIP: a Q-Former's queries, each of the whole image, before the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.chat import RenderedPrompt, special_ids
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.registry import register


@register("blip-2")
class Blip2Adapter(ModelAdapter):
    """Adapter of BLIP-2 with a decoder (OPT).

    Its queries look at the whole image each, so that what can be measured is what the model loses
    without a part of it.

    Raises:
        ValueError: The text model is an encoder-decoder (T5).
    """

    placeless = (
        "BLIP-2's Q-Former makes each visual token of the whole picture, so that none stands for "
        "a place"
    )
    default_chat_template = (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endfor %}"
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %} "
        "{% endif %}{% for part in message['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )

    def __init__(self, model: Any, **parts: Any) -> None:
        super().__init__(model, **parts)
        text = model.config.text_config
        if text.is_encoder_decoder:
            raise ValueError(
                f"model: expected {type(model).__name__} with a decoder, got an encoder-decoder "
                f"({text.model_type}), whose answer is no part of its input"
            )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, {self._name} has no other here")
        ids = (self.placeholder_id,) * int(self.model.config.num_query_tokens)
        return Layout(ids, (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=list(images), return_tensors="pt")
        return {"pixel_values": made["pixel_values"]}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        model, given = self.model, dict(inputs)
        ids, mask = given.pop("input_ids"), given.pop("attention_mask")
        embedded = model.get_input_embeddings()(ids)
        if "pixel_values" in given:
            found = model.get_image_features(**given, return_dict=True)
            visual = (ids == self.placeholder_id)[..., None]
            embedded = embedded.masked_scatter(visual, found.pooler_output.to(embedded))
        output = model.language_model.model(
            inputs_embeds=embedded, attention_mask=mask, use_cache=False, return_dict=True
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    @property
    def _name(self) -> str:
        return type(self.model).__name__.removesuffix("ForConditionalGeneration")


@register("instructblip")
class InstructBlipAdapter(Blip2Adapter):
    """Adapter of InstructBLIP with a decoder (Vicuna): its Q-Former reads the prompt, too.

    It does so with a tokenizer of its own, which the processor holds.
    """

    goes_on = False  # its Q-Former reads the prompt, too: no word goes with its keys alone
    placeless = Blip2Adapter.placeless.replace("BLIP-2", "InstructBLIP")

    def layout(self, image: Image.Image, factor: float) -> Layout:
        self._own_tokenizer()
        return super().layout(image, factor)

    def encode(
        self,
        pictures: Sequence[Picture],
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
        *,
        factor: float,
        layouts: Sequence[Layout] | None = None,
    ) -> EncodedInput:
        encoded = super().encode(pictures, rendered, answer_ids, factor=factor, layouts=layouts)
        special = special_ids(self.tokenizer)
        text = self.tokenizer.decode([t.id for t in rendered.text if t.id not in special])
        # Every picture of a prompt is looked at with all of it.
        read = self._own_tokenizer()([text.strip()] * len(pictures), return_tensors="pt")
        names = ("input_ids", "attention_mask")
        more = {f"qformer_{name}": self._placed(read[name]) for name in names}
        return replace(encoded, pixel_inputs={**encoded.pixel_inputs, **more})

    def _own_tokenizer(self) -> Any:
        """The Q-Former's.

        Raises:
            ValueError: Nobody gave it.
        """
        places = (self.processor, self.tokenizer)
        found = (getattr(place, "qformer_tokenizer", None) for place in places)
        tokenizer = next((each for each in found if each is not None), None)
        if tokenizer is None:
            raise ValueError(
                "processor: expected InstructBLIP's, which holds its Q-Former's tokenizer; give "
                "Explainer the processor itself, or set tokenizer.qformer_tokenizer"
            )
        return tokenizer
