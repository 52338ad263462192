"""Mistral 3, and LLaVA with a Pixtral tower: native resolution, rows that end with a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, floor

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.head import capped
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.registry import register


@register("mistral3", "llava/pixtral")
class PixtralAdapter(ModelAdapter):
    """Native-resolution adapter of models with a Pixtral tower.

    At scale 1.0 the image processor resizes as it always does: within its longest edge, rounded
    up to whole cells (a patch, or ``spatial_merge_size`` squared patches that become one token).
    At another scale the original image is resized once to that size times the factor, rounded to
    whole cells, and the limit is lifted.

    In the sequence each row of cells is followed by a token that ends it.
    """

    def pixel_size(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """``(height, width)`` of the model's input at a scale."""
        if factor == 1.0:
            return self._native_size(image)
        rows, columns = self._cells(image, factor)
        return rows * self._cell_pixels, columns * self._cell_pixels

    def layout(self, image: Image.Image, factor: float) -> Layout:
        rows, columns = self._cells(image, factor)
        ids, offsets = self._row_ids(rows, columns)
        # What of the picture whole cells cover.
        height, width = self.pixel_size(image, factor)
        cell = self._cell_pixels
        box = (0.0, 0.0, rows * cell / height, columns * cell / width)
        return Layout(tuple(ids), (View((Raster(offsets, (rows, columns), box),)),))

    def _row_ids(self, rows: int, columns: int) -> tuple[list[int], Sequence[int]]:
        """What stands for an image, and which of it are visual tokens."""
        visual, row_end, image_end = self._marks()
        row = [*[visual] * columns, row_end]
        ids = [*(row * rows)[:-1], image_end]
        return ids, [i * len(row) + j for i in range(rows) for j in range(columns)]

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        sizes = [self.pixel_size(image, factor) for image in images]
        shown = list(images)
        if factor != 1.0:
            bicubic = Image.Resampling.BICUBIC
            shown = [
                image.resize((width, height), bicubic)
                for image, (height, width) in zip(images, sizes, strict=True)
            ]
        made = self.image_processor(
            images=shown,
            patch_size=self._rounding,
            do_resize=factor == 1.0,
            return_tensors="pt",
        )
        found = [tuple(size) for size in torch.as_tensor(made["image_sizes"]).tolist()]
        if found != sizes:
            raise ValueError(
                f"image processor: expected (height, width) {sizes} at scale {factor:g}, got "
                f"{found}"
            )
        return {"pixel_values": made["pixel_values"], "image_sizes": torch.tensor(sizes)}

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        shown = [encoded for encoded in batch if "pixel_values" in encoded.pixel_inputs]
        largest = [
            max((e.pixel_inputs["pixel_values"].shape[axis] for e in shown), default=0)
            for axis in (-2, -1)
        ]

        # The image processor fills smaller images of one call up with zeros in the same way.
        def fill(encoded: EncodedInput) -> EncodedInput:
            pixels = encoded.pixel_inputs["pixel_values"]
            below, beside = (largest[axis] - pixels.shape[axis] for axis in (-2, -1))
            filled = torch.nn.functional.pad(pixels, (0, beside, 0, below))
            return replace(encoded, pixel_inputs={**encoded.pixel_inputs, "pixel_values": filled})

        return super().collate([fill(e) if "pixel_values" in e.pixel_inputs else e for e in batch])

    def input_image(self, image: Image.Image) -> Image.Image:
        height, width = self.pixel_size(image, 1.0)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    @property
    def _cell_pixels(self) -> int:
        config = self.model.config
        return int(config.vision_config.patch_size) * int(getattr(config, "spatial_merge_size", 1))

    @property
    def _rounding(self) -> int:
        """Pixels to whose multiples the image processor rounds sides up."""
        return self._cell_pixels

    def _native_size(self, image: Image.Image) -> tuple[int, int]:
        """``(height, width)`` that the image processor makes."""
        if getattr(self.image_processor, "do_center_crop", False):
            raise ValueError("image processor: expected do_center_crop False, got True")
        size, step = self.image_processor.size, self._rounding
        longest = size.get("longest_edge")
        limits = (longest, longest) if longest else (size["height"], size["width"])
        height, width = image.height, image.width
        excess = max(height / limits[0], width / limits[1])
        if excess > 1:
            height, width = floor(height / excess), floor(width / excess)
        native = (ceil(height / step) * step, ceil(width / step) * step)
        if min(native) < self._cell_pixels:
            rows, columns = (side // self._cell_pixels for side in native)
            raise ValueError(
                f"image: {image.width}x{image.height} pixels within {limits[1]}x{limits[0]} leave "
                f"{rows}x{columns} visual tokens"
            )
        return native

    def _cells(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """Rows and columns of visual tokens."""
        height, width = self._native_size(image)
        native = (height // self._cell_pixels, width // self._cell_pixels)
        strategy = getattr(self.model.config, "vision_feature_select_strategy", "full")
        if strategy != "full":
            count = native[0] * native[1]
            raise ValueError(
                f"model: expected {native[0]} x {native[1]} = {count} visual tokens, but "
                f"vision_feature_select_strategy {strategy!r} keeps {count - 1}; expected 'full'"
            )
        if factor == 1.0:
            return native
        rows, columns = (round(cells * factor) for cells in native)
        if rows < 1 or columns < 1:
            raise ValueError(
                f"scale {factor:g}: {native[0]}x{native[1]} visual tokens leave less than one in a "
                f"row or column; the smallest usable scale is {1 / min(native):g}"
            )
        return rows, columns

    def _marks(self) -> tuple[int, int, int]:
        """Ids of a visual token, of a row's end and of the image's."""
        ends = ("[IMG_BREAK]", "[IMG_END]")
        ids = [self.tokenizer.convert_tokens_to_ids(token) for token in ends]
        unknown = getattr(self.tokenizer, "unk_token_id", None)
        for token, found in zip(ends, ids, strict=True):
            if found is None or found == unknown:
                raise ValueError(f"tokenizer: expected one that knows {token}, got id {found}")
        return self.placeholder_id, int(ids[0]), int(ids[1])


@register("lighton_ocr")
class LightOnOcrAdapter(PixtralAdapter):
    """LightOnOCR: Mistral 3's tower and merging, without tokens between rows.

    Its image processor rounds sides as it is set to; patches that make no whole cell are not seen.
    """

    @property
    def _rounding(self) -> int:
        given, patch = self.image_processor.patch_size, self.model.config.vision_config.patch_size
        step = int(given["height"] if isinstance(given, Mapping) else given)
        if step % patch:
            raise ValueError(
                f"image processor: expected a patch_size of {patch} pixels, the tower's, or a "
                f"multiple, got {given}"
            )
        return step

    def _row_ids(self, rows: int, columns: int) -> tuple[list[int], Sequence[int]]:
        return [self.placeholder_id] * (rows * columns), range(rows * columns)


@register("mistral_large4")
class MistralLarge4Adapter(PixtralAdapter):
    """Mistral Large 4: Mistral 3's pictures, and logits that are capped.

    :meth:`logits` caps them, too; the lens reads them before the cap.
    """

    def logits(self, hidden: Tensor) -> Tensor:
        return capped(self.model, super().logits(hidden))
