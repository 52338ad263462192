"""PaliGemma 1 and 2: one square picture, a prefix that sees itself, a causal suffix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.head import capped
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.registry import register


@register("paligemma")
class PaliGemmaAdapter(ModelAdapter):
    """Adapter of PaliGemma.

    The picture is resized to a square whatever its ratio. At other scales the square is larger or
    smaller by whole patches, and the tower's position embeddings are interpolated.

    PaliGemma 2 caps its logits, ``cap * tanh(x / cap)``. :meth:`logits` does so, too, so that
    probabilities are the model's own; what is read off states and head directly (the logit lens)
    are the values before the cap, whose ranks are the same.
    """

    default_chat_template = (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endfor %}"
        "{{ bos_token }}{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
        "{% if message['role'] != 'assistant' %}{{ '\\n' }}{% endif %}{% endfor %}"
    )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        side = self._cells(factor)
        # Pixels behind the last whole patch are not seen.
        seen = side * self._patch / self._pixels(factor)
        count = side * side
        raster = Raster(range(count), (side, side), (0.0, 0.0, seen, seen))
        return Layout((self.placeholder_id,) * count, (View((raster,)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        pixels = self._pixels(factor)
        size = {"height": pixels, "width": pixels}
        made = self.image_processor(images=list(images), size=size, return_tensors="pt")
        return {"pixel_values": made["pixel_values"]}

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        # The prefix sees all of itself; an answer token counted to it would be seen by it.
        types = torch.zeros_like(sequence)
        types[:, prompt_length:] = 1
        return {"token_type_ids": types}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = inputs.get("pixel_values")
        if pixels is None or pixels.shape[-1] == self._image_size:
            return super().last_hidden_states(inputs)
        # The model's forward does not hand the switch on to its tower, so its steps are taken here.
        model, ids = self.model.model, inputs["input_ids"]
        features = model.get_image_features(pixels, interpolate_pos_encoding=True).pooler_output
        visual = ids == self.placeholder_id
        embedded = model.get_input_embeddings()(ids.masked_fill(visual, 0))
        embedded = embedded.masked_scatter(visual[..., None], features.to(embedded))
        names = ("attention_mask", "token_type_ids")
        rest = {name: inputs[name] for name in names}
        return super().last_hidden_states({"inputs_embeds": embedded, **rest})

    def logits(self, hidden: Tensor) -> Tensor:
        return capped(self.model, super().logits(hidden))

    def input_image(self, image: Image.Image) -> Image.Image:
        side = self._pixels(1.0)
        return image.resize((side, side), Image.Resampling.BICUBIC)

    @property
    def _image_size(self) -> int:
        return int(self.model.config.vision_config.image_size)

    @property
    def _patch(self) -> int:
        return int(self.model.config.vision_config.patch_size)

    def _cells(self, factor: float) -> int:
        """Visual tokens on a side."""
        size, processor = self._image_size, self.image_processor
        given = (processor.size.get("height"), processor.size.get("width"))
        if given != (size, size) or getattr(processor, "do_center_crop", False):
            raise ValueError(
                f"image processor: expected images resized to {size}x{size} pixels and not "
                f"cropped, as the vision tower takes them; got size {dict(processor.size)}, "
                f"do_center_crop {bool(getattr(processor, 'do_center_crop', False))}"
            )
        native = size // self._patch
        cells = native if factor == 1.0 else round(native * factor)
        if cells < 1:
            raise ValueError(
                f"scale {factor:g}: {native}x{native} visual tokens leave less than one; the "
                f"smallest usable scale is {1 / native:g}"
            )
        return cells

    def _pixels(self, factor: float) -> int:
        """Height and width of the model's input."""
        return self._image_size if factor == 1.0 else self._cells(factor) * self._patch
