"""Qwen2-VL, Qwen2.5-VL, Qwen3-VL: native resolution, merged patches in raster order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import EncodedInput, ModelAdapter, RenderedPrompt, VisualSpan
from mmx_core.models.chat import render_chat
from mmx_core.models.registry import register


@register("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
class QwenVLAdapter(ModelAdapter):
    """Native-resolution adapter.

    At scale 1.0 the image processor resizes as it always does, within its own pixel limits. At
    another scale the original image is resized once to that size times the factor, rounded to
    whole cells (``patch * merge`` pixels), and the processor's limits are lifted.
    """

    @property
    def _cell_pixels(self) -> int:
        return int(self.image_processor.patch_size) * int(self.image_processor.merge_size)

    def render(self, prompt: str, *, images: int) -> RenderedPrompt:
        return render_chat(
            self.tokenizer,
            prompt,
            images=images,
            placeholder_id=self.model.config.image_token_id,
            chat_template=self.chat_template,
        )

    def pixel_size(self, image: Image.Image, factor: float) -> tuple[int, int]:
        cell = self._cell_pixels
        # The processor's own rule; it lives beside whichever backend the processor came from.
        patches = self.image_processor.get_number_of_image_patches
        height, width = _smart_size(image, cell, self.image_processor.size)
        expected = (height // self.image_processor.patch_size) * (
            width // self.image_processor.patch_size
        )
        if patches(image.height, image.width, {}) != expected:
            raise ValueError(
                f"image processor: expected {expected} patches for {image.width}x{image.height}, "
                f"{type(self.image_processor).__name__} makes "
                f"{patches(image.height, image.width, {})}; its resizing rule is unknown here"
            )
        if factor == 1.0:
            return height, width
        scaled = (round(height * factor / cell) * cell, round(width * factor / cell) * cell)
        if 0 in scaled:
            raise ValueError(
                f"scale {factor:g}: an image of {width}x{height} input pixels leaves less than one "
                f"cell of {cell}x{cell}; the smallest usable scale is {cell / min(height, width):g}"
            )
        return scaled

    def grid(self, image: Image.Image, factor: float) -> tuple[int, int]:
        height, width = self.pixel_size(image, factor)
        return height // self._cell_pixels, width // self._cell_pixels

    def encode(
        self, image: Image.Image, rendered: RenderedPrompt, answer_ids: list[int], *, factor: float
    ) -> EncodedInput:
        expected = self.grid(image, factor)
        if factor == 1.0:
            pixels = self.image_processor(images=[image], return_tensors="pt")
        else:
            height, width = self.pixel_size(image, factor)
            resized = image.resize((width, height), Image.Resampling.BICUBIC)
            pixels = self.image_processor(images=[resized], do_resize=False, return_tensors="pt")
        frames, rows, columns = (int(n) for n in pixels["image_grid_thw"][0])
        merge = int(self.image_processor.merge_size)
        grid = (rows // merge, columns // merge)
        if frames != 1 or grid != expected:
            raise ValueError(
                f"image processor: expected a grid of {expected} visual tokens at scale "
                f"{factor:g}, got {frames} x {grid}"
            )
        ids, visual_positions, text_positions = _expand(
            rendered.ids, self.model.config.image_token_id, grid[0] * grid[1]
        )
        prompt_length = len(ids)
        sequence = torch.tensor([ids + answer_ids], dtype=torch.int64)
        token_types = (sequence == self.model.config.image_token_id).int()
        token_types[:, prompt_length:] = 0
        device = self.device
        inputs = {
            "input_ids": sequence.to(device),
            "attention_mask": torch.ones_like(sequence).to(device),
            "mm_token_type_ids": token_types.to(device),
            "pixel_values": pixels["pixel_values"].to(device),
            "image_grid_thw": pixels["image_grid_thw"].to(device),
        }
        return EncodedInput(
            inputs=inputs,
            visual=(VisualSpan(torch.tensor(visual_positions, device=device), grid),),
            text_positions=torch.tensor(text_positions, device=device),
            prompt_length=prompt_length,
            answer_length=len(answer_ids),
        )

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        output = self.model.model(**inputs, use_cache=False, return_dict=True)
        return output.last_hidden_state

    def blend(
        self, shown: EncodedInput, hidden: EncodedInput, keep: Tensor
    ) -> Mapping[str, Tensor]:
        # The patches of a cell follow one another.
        patches = int(self.image_processor.merge_size) ** 2
        kept = keep.flatten().repeat_interleave(patches)[:, None].to(self.device)
        count = len(keep)
        inputs = {
            name: value.repeat(count, *[1] * (value.ndim - 1))
            for name, value in shown.inputs.items()
            if name != "pixel_values"
        }
        first, second = (e.inputs["pixel_values"].repeat(count, 1) for e in (shown, hidden))
        return {**inputs, "pixel_values": torch.where(kept, first, second)}


def _expand(
    ids: tuple[int, ...], placeholder: int, count: int
) -> tuple[list[int], list[int], list[int]]:
    """Replaces the one placeholder by ``count``: ids, visual positions, text positions."""
    at = ids.index(placeholder)
    expanded = [*ids[:at], *[placeholder] * count, *ids[at + 1 :]]
    visual = list(range(at, at + count))
    text = [*range(at), *range(at + count, len(expanded))]
    return expanded, visual, text


def _smart_size(image: Image.Image, cell: int, limits: Any) -> tuple[int, int]:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    height, width = smart_resize(
        image.height,
        image.width,
        factor=cell,
        min_pixels=limits["shortest_edge"],
        max_pixels=limits["longest_edge"],
    )
    return int(height), int(width)
