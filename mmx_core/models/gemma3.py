"""Gemma 3: one square picture of pooled patches, or that and crops of it ("pan and scan")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import ceil
from typing import Any

from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import WHOLE, Box, Layout, Raster, View
from mmx_core.models.registry import register
from mmx_core.models.templates import replacing

# Checkpoints leave these empty, and the model's processor then puts these in.
_LIMITS = {
    "pan_and_scan_min_crop_size": 256,
    "pan_and_scan_max_num_crops": 4,
    "pan_and_scan_min_ratio_to_activate": 1.2,
}
# The processor's own words, as the model saw them in training.
_BEFORE_WHOLE = "Here is the original image \n\n"
_BEFORE_CROPS = "\n\n and here are some crops to help you see better \n\n"
_BETWEEN_CROPS = "\n\n \n\n"
_Spans = list[tuple[int, int]]


@register("gemma3")
class Gemma3Adapter(ModelAdapter):
    """Adapter of Gemma 3.

    Its tower takes one size, and the picture is resized to it whatever its ratio. Below scale 1.0
    the picture is shrunk by whole cells and centred on a grey canvas, whose other tokens show
    nothing and count nowhere. Above, the whole picture is followed by crops in the model's own
    form, each ``1 / factor`` of a side, overlapping where that does not come out even. At scale 1.0
    crops are the processor's own, if it makes any (``do_pan_and_scan``).

    Logits are the head's: this model applies no cap, even where its text configuration names one.
    """

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        tokenizer = self.tokenizer
        if chat_template or getattr(tokenizer, "chat_template", None):
            # Blank lines around a picture become one token with the newlines that they meet, so
            # they have to be there before the text is cut into tokens.
            mark = tokenizer.convert_ids_to_tokens(self.placeholder_id)
            source = tokenizer.get_chat_template(chat_template)
            self.chat_template = replacing(source, mark, "\\n\\n" + mark + "\\n\\n")

    @property
    def placeholder_id(self) -> int:
        return int(self.model.config.boi_token_index)

    def layout(self, image: Image.Image, factor: float) -> Layout:
        config, side = self.model.config, self._side
        first, count = self._place(factor)
        shown = [(first + i) * side + first + j for i in range(count) for j in range(count)]
        boxes = self._boxes(image, factor)
        ids: list[int] = []
        rasters = []
        for index, box in enumerate(boxes):
            ids += [*self._words(index, len(boxes)), self.placeholder_id]
            rasters.append(Raster([len(ids) + offset for offset in shown], (count, count), box))
            ids += [int(config.image_token_id)] * (side * side) + [int(config.eoi_token_index)]
        return Layout(tuple(ids), (View(tuple(rasters)),))

    def encode(
        self,
        pictures: Sequence[Picture],
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
        *,
        factor: float,
        layouts: Sequence[Layout] | None = None,
    ) -> EncodedInput:
        # Before crops stands a sentence in place of the blank line: the newlines before it are two
        # fewer.
        ids = list(rendered.ids)
        layouts = layouts or self.layouts(pictures, factor)
        for at, layout in zip(rendered.placeholders, layouts, strict=False):
            if len(layout.views[0].rasters) > 1 and at > 0:
                ids[at - 1] = self._without_blank_line(ids[at - 1])
        return super().encode(
            pictures,
            replace(rendered, ids=tuple(ids)),
            answer_ids,
            factor=factor,
            layouts=layouts,
        )

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        expected = sum(len(self._boxes(image, factor)) for image in images)
        if factor == 1.0:
            made = self.image_processor(images=list(images), return_tensors="pt", **self._limits)
        elif factor < 1.0:
            made = self.image_processor(
                images=[self._on_canvas(image, factor) for image in images],
                do_resize=False,
                return_tensors="pt",
                **self._uncropped,
            )
        else:
            shown = [part for image in images for part in self._parts(image, factor)]
            made = self.image_processor(images=shown, return_tensors="pt", **self._uncropped)
        pixels = made["pixel_values"]
        size = self._size
        if pixels.shape != (expected, 3, size, size):
            raise ValueError(
                f"image processor: expected pixel values of {(expected, 3, size, size)} at scale "
                f"{factor:g}, got {tuple(pixels.shape)}"
            )
        return {"pixel_values": pixels}

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        types = (sequence == self.model.config.image_token_id).long()
        types[:, prompt_length:] = 0
        return {"token_type_ids": types}

    def input_image(self, image: Image.Image) -> Image.Image:
        if self._crops(image, 1.0):
            return image
        return image.resize((self._size, self._size), Image.Resampling.BILINEAR)

    @property
    def _size(self) -> int:
        """Pixels of a side of what the tower sees."""
        return int(self.model.config.vision_config.image_size)

    @property
    def _side(self) -> int:
        """Visual tokens on a side."""
        config = self.model.config
        size, patch = config.vision_config.image_size, config.vision_config.patch_size
        tokens = config.mm_tokens_per_image
        side = round(tokens**0.5)
        if side * side != tokens or size % (patch * side):
            raise ValueError(
                f"model: expected a square of visual tokens that a picture of {size} pixels in "
                f"patches of {patch} divides into, got {tokens} tokens for {size / patch:g} "
                "patches on a side"
            )
        return side

    @property
    def _limits(self) -> dict[str, Any]:
        """When and how the image processor cuts crops; empty where it does not."""
        processor = self.image_processor
        if not getattr(processor, "do_pan_and_scan", False):
            return {}
        given = {name: getattr(processor, name, None) for name in _LIMITS}
        return {n: default if given[n] is None else given[n] for n, default in _LIMITS.items()}

    @property
    def _uncropped(self) -> dict[str, Any]:
        return (
            {"do_pan_and_scan": False} if hasattr(self.image_processor, "do_pan_and_scan") else {}
        )

    def _crops(self, image: Image.Image, factor: float) -> list[tuple[int, int, int, int]]:
        """``(top, left, bottom, right)`` in pixels of the image."""
        rows, columns = [], []
        if factor > 1.0:
            rows, columns = (_spread(length, factor) for length in (image.height, image.width))
        elif factor == 1.0 and self._limits:
            rows, columns = _pan_and_scan(image.height, image.width, **self._limits)
        return [(row[0], column[0], row[1], column[1]) for row, column in product(rows, columns)]

    def _boxes(self, image: Image.Image, factor: float) -> list[Box]:
        """What each picture that the tower sees shows of the image, the whole of it first."""
        height, width = image.height, image.width
        return [
            WHOLE,
            *(
                (top / height, left / width, bottom / height, right / width)
                for top, left, bottom, right in self._crops(image, factor)
            ),
        ]

    def _parts(self, image: Image.Image, factor: float) -> list[Image.Image]:
        crops = self._crops(image, factor)
        return [image, *(image.crop((c[1], c[0], c[3], c[2])) for c in crops)]

    def _place(self, factor: float) -> tuple[int, int]:
        """Which cells of a side show the picture: the first, and how many."""
        side = self._side
        count = round(side * min(factor, 1.0))
        if count < 1:
            raise ValueError(
                f"scale {factor:g}: {side}x{side} visual tokens leave less than one; the smallest "
                f"usable scale is {1 / side:g}"
            )
        return (side - count) // 2, count

    def _on_canvas(self, image: Image.Image, factor: float) -> Image.Image:
        size, cell = self._size, self._size // self._side
        first, count = self._place(factor)
        grey = tuple(round(255 * mean) for mean in self.image_processor.image_mean)
        canvas = Image.new("RGB", (size, size), grey)
        shrunk = image.resize((count * cell, count * cell), Image.Resampling.BILINEAR)
        canvas.paste(shrunk, (first * cell, first * cell))
        return canvas

    def _words(self, index: int, count: int) -> list[int]:
        if count == 1:
            return []
        words = _BETWEEN_CROPS if index > 1 else (_BEFORE_WHOLE, _BEFORE_CROPS)[index]
        return list(self.tokenizer(words, add_special_tokens=False)["input_ids"])

    def _without_blank_line(self, token: int) -> int:
        text = self.tokenizer.convert_ids_to_tokens(token)
        if set(text) != {"\n"} or len(text) < 3:
            return token
        shorter = self.tokenizer(text[2:], add_special_tokens=False)["input_ids"]
        return shorter[0] if len(shorter) == 1 else token


def _spread(length: int, factor: float) -> _Spans:
    """As few windows of ``1 / factor`` as cover a side, at equal distances."""
    count = ceil(factor)
    window = max(1, round(length / factor))
    starts = [round(index * (length - window) / (count - 1)) for index in range(count)]
    return [(start, start + window) for start in starts]


def _pan_and_scan(height: int, width: int, **limits: Any) -> tuple[_Spans, _Spans]:
    """The processor's crops, rows and columns: the longer side in even parts, or none at all."""
    long, short = max(height, width), min(height, width)
    smallest = limits["pan_and_scan_min_crop_size"]
    fitting = max(2, min(long // smallest, int(long / short + 0.5)))
    count = min(limits["pan_and_scan_max_num_crops"], fitting)
    step = ceil(long / count)
    if long / short < limits["pan_and_scan_min_ratio_to_activate"] or min(step, short) < smallest:
        return [], []
    along = [(i * step, min((i + 1) * step, long)) for i in range(count)]
    return ([(0, short)], along) if width >= height else (along, [(0, short)])
