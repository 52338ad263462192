"""DeepSeek-VL and Janus: the whole image on a square, through one tower."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.llava import LlavaAdapter
from mmx_core.models.registry import register


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
        shrunk = side / max(image.size)
        tall, wide = (
            max(round(length * shrunk), int(processor.min_size))
            for length in (image.height, image.width)
        )
        top, left = (max(tall, wide) - tall) // 2, (max(tall, wide) - wide) // 2
        end = cells * self._patch
        box = (-top / tall, -left / wide, (end - top) / tall, (end - left) / wide)
        before, after = self._around()
        offsets = range(len(before), len(before) + cells * cells)
        ids = (*before, *[self.placeholder_id] * (cells * cells), *after)
        return Layout(ids, (View((Raster(offsets, (cells, cells), box),)),))

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


@register("janus")
class JanusAdapter(DeepSeekVLAdapter):
    """Adapter of Janus and Janus-Pro, whose images stand between two markers."""

    def _around(self) -> tuple[list[int], list[int]]:
        found = []
        for name, marker in (("boi_token", "<begin_of_image>"), ("eoi_token", "<end_of_image>")):
            text = getattr(self.tokenizer, name, None) or marker
            token = self.tokenizer.convert_tokens_to_ids(text)
            if token is None or token == self.tokenizer.unk_token_id:
                raise ValueError(f"tokenizer: expected {text!r} in its vocabulary")
            found.append([int(token)])
        return found[0], found[1]
