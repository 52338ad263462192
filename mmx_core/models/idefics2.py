"""Idefics2: a resampler makes as many visual tokens of every image, none of them of a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import Layout, placeless
from mmx_core.models.markers import required_id
from mmx_core.models.registry import register
from mmx_core.models.templates import replacing


@register("idefics2")
class Idefics2Adapter(ModelAdapter):
    """Adapter of Idefics2.

    Between vision tower and text stands a perceiver whose latents each look at the whole image, so
    that what can be measured is what the model loses without a part of it.
    """

    placeless = (
        "Idefics2's perceiver makes each visual token of the whole picture, so that none stands "
        "for a place"
    )

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        if chat_template or getattr(self.tokenizer, "chat_template", None):
            mark = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
            # The processor parts an image from a word that follows it by a blank.
            steps = [(mark, f"{mark} "), (f"{mark}  ", f"{mark} ")]
            steps += [(f"{mark} {end}", f"{mark}{end}") for end in ("<", "\\n")]
            source = self.tokenizer.get_chat_template(chat_template)
            self.chat_template = reduce(lambda text, step: replacing(text, *step), steps, source)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, Idefics2 has no other here")
        around = getattr(self.tokenizer, "image_boundary_token", "<fake_token_around_image>")
        fake = required_id(self.tokenizer, around)
        latents = int(self.model.config.perceiver_config.resampler_n_latents)
        pictures = 5 if self.image_processor.do_image_splitting else 1
        ids = [fake, *[self.placeholder_id] * latents] * pictures
        return Layout((*ids, fake), (placeless(image.size),))

    def encode(
        self,
        pictures: Sequence[Picture],
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
        *,
        factor: float,
        layouts: Sequence[Layout] | None = None,
    ) -> EncodedInput:
        found = with_shared_marks(layouts or self.layouts(pictures, factor), rendered.placeholders)
        return super().encode(pictures, rendered, answer_ids, factor=factor, layouts=found)

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = self.image_processor(images=[list(images)], return_tensors="pt")
        names = ("pixel_values", "pixel_attention_mask")
        return {name: torch.as_tensor(made[name]) for name in names if name in made}


def with_shared_marks(layouts: Sequence[Layout], places: Sequence[int]) -> list[Layout]:
    """Images side by side share the marker between them.

    Args:
        layouts: Each with its markers.
        places: Of the placeholders.
    """
    found = list(layouts)
    for index in range(1, min(len(found), len(places))):
        if places[index] == places[index - 1] + 1:
            found[index] = replace(found[index], ids=found[index].ids[1:])
    return found
