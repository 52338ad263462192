"""DeepSeek-VL and Janus: the whole image on a square."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from types import SimpleNamespace

from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.llava import LlavaAdapter
from mmx_core.models.markers import required_id
from mmx_core.models.registry import register
from mmx_core.models.square import forward_with_features


@register("deepseek_vl")
class DeepSeekVLAdapter(LlavaAdapter):
    """Adapter of DeepSeek-VL.

    The image is resized to the tower's longest side and padded to a square around it. At another
    scale the square is ``factor`` times as large, in whole patches, and the tower interpolates its
    position embeddings.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        side = self._side(factor)
        cells = side // self._patch
        processor = self.image_processor
        if not (processor.do_resize and processor.do_pad):
            raise ValueError(
                "image processor: expected do_resize and do_pad, got "
                f"{bool(processor.do_resize)} and {bool(processor.do_pad)}"
            )
        end, side = cells * self._patch / side, self._padded_side(side)
        shrunk = side / max(image.size)
        tall, wide = (
            max(round(length * shrunk), int(processor.min_size))
            for length in (image.height, image.width)
        )
        top, left = (max(tall, wide) - tall) // 2, (max(tall, wide) - wide) // 2
        end *= side
        box = (-top / tall, -left / wide, (end - top) / tall, (end - left) / wide)
        before, after = self._around()
        offsets = range(len(before), len(before) + cells * cells)
        ids = (*before, *[self.placeholder_id] * (cells * cells), *after)
        return Layout(ids, (View((Raster(offsets, (cells, cells), box),)),))

    def _padded_side(self, side: int) -> int:
        """Pixels of the square that an image is padded to, of which ``side`` are made."""
        return side

    def _around(self) -> tuple[list[int], list[int]]:
        """Ids before and after an image's visual tokens."""
        return [], []

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        side = self._side(factor)
        size = {} if factor == 1.0 else {"size": {"height": side, "width": side}}
        made: Tensor = self.image_processor(images=list(images), return_tensors="pt", **size)[
            "pixel_values"
        ]
        if tuple(made.shape[-2:]) != (side, side):
            raise ValueError(
                f"image processor: expected {side}x{side} pixels at scale {factor:g}, got "
                f"{made.shape[-1]}x{made.shape[-2]}"
            )
        return {"pixel_values": made}


@register("deepseek_vl_hybrid")
class DeepSeekVLHybridAdapter(DeepSeekVLAdapter):
    """Adapter of DeepSeek-VL's 7B, where a second tower sees the same square, always finely.

    Both towers make the same grid. At another scale the first is given another square, and what
    the second makes is spread over as many cells.
    """

    def _padded_side(self, side: int) -> int:
        return int(self.image_processor.high_res_size["height"])

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        made = super().pixel_inputs(images, factor)
        high = self.image_processor(images=list(images), return_tensors="pt")
        return {**made, _HIGH: high[_HIGH]}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = inputs.get("pixel_values")
        if pixels is None or pixels.shape[-1] == self._side(1.0):
            return ModelAdapter.last_hidden_states(self, inputs)
        inner = self.model.model
        # Another size of what its second tower hands over, the model itself left as it is.
        parts, spread = copy(inner), copy(inner.high_res_vision_proj)
        spread.output_size = pixels.shape[-1] // self._patch
        parts._modules = {**inner._modules, "high_res_vision_proj": spread}
        low = parts.get_low_res_image_features(pixels, interpolate_pos_encoding=True)
        high = parts.get_high_res_image_features(inputs[_HIGH])
        features = parts.aligner(low.last_hidden_state, high.last_hidden_state)
        rest = {n: value for n, value in inputs.items() if n not in ("pixel_values", _HIGH)}
        return forward_with_features(self.model, rest, SimpleNamespace(pooler_output=features))


_HIGH = "high_res_pixel_values"


@register("janus")
class JanusAdapter(DeepSeekVLAdapter):
    """Adapter of Janus and Janus-Pro, whose images stand between two markers."""

    def _around(self) -> tuple[list[int], list[int]]:
        found = []
        for name, marker in (("boi_token", "<begin_of_image>"), ("eoi_token", "<end_of_image>")):
            text = getattr(self.tokenizer, name, None) or marker
            found.append([required_id(self.tokenizer, text)])
        return found[0], found[1]
