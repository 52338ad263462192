"""Gemma 3n: one square picture of as many visual tokens, from a convolutional tower."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from mmx_core.models.gemma3 import Gemma3Adapter
from mmx_core.models.head import capped
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.registry import register


@register("gemma3n")
class Gemma3nAdapter(Gemma3Adapter):
    """Adapter of Gemma 3n, for images.

    Its tower (timm's MobileNetV5) makes the same grid of visual tokens whatever it is shown. So
    below scale 1.0 the picture stands smaller on a grey canvas, and above the whole picture is
    followed by crops of it, each as an image of its own, since the model has no other form.

    The model caps its logits; :meth:`logits` does so, too, and the lens reads them before the cap.
    """

    @property
    def placeholder_id(self) -> int:
        return int(self.model.config.image_token_id)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        config, side = self.model.config, self._side
        first, count = self._place(factor)
        shown = [(first + i) * side + first + j for i in range(count) for j in range(count)]
        ids: list[int] = []
        rasters = []
        for index, box in enumerate(self._boxes(image, factor)):
            ids += [*self._between(index), int(config.boi_token_id)]
            rasters.append(Raster([len(ids) + offset for offset in shown], (count, count), box))
            ids += [self.placeholder_id] * (side * side) + [int(config.eoi_token_id)]
        return Layout(tuple(ids), (View(tuple(rasters)),))

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        return {}

    def logits(self, hidden: Tensor) -> Tensor:
        return capped(self.model, super().logits(hidden))

    def _without_blank_line(self, token: int) -> int:
        return token

    def _between(self, index: int) -> list[int]:
        """Blank lines around images that follow each other."""
        text = "\n\n\n\n" if index else ""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @property
    def _size(self) -> int:
        size = dict(self.image_processor.size)
        if size["height"] != size["width"] or size["height"] % self._side:
            raise ValueError(
                f"image processor: expected a square that {self._side} visual tokens on a side "
                f"divide, got {size['height']}x{size['width']} pixels"
            )
        return int(size["height"])

    @property
    def _side(self) -> int:
        tokens = int(self.model.config.vision_soft_tokens_per_image)
        side = round(tokens**0.5)
        if side * side != tokens:
            raise ValueError(f"model: expected a square of visual tokens, got {tokens} of them")
        return side
