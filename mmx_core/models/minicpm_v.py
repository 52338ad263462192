"""MiniCPM-V 4.6: the whole image at its own shape, then slices of it in raster order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.layout import WHOLE, Box, Layout
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling, marked_layout


@dataclass(frozen=True)
class _Plan:
    """The whole image's height and width in pixels; rows, columns, height, width of slices."""

    whole: tuple[int, int]
    slices: tuple[int, int]
    size: tuple[int, int]

    @property
    def parts(self) -> list[tuple[Box, tuple[int, int]]]:
        """Box and size of each part in the model's order."""
        rows, columns = self.slices
        boxes = Tiling(rows, columns, 0).boxes[:-1] if rows else []
        return [(WHOLE, self.whole), *((box, self.size) for box in boxes)]


@register("minicpmv4_6", "minicpmv4_7")
class MiniCPMVAdapter(ModelAdapter):
    """Adapter of MiniCPM-V 4.6 and 4.7.

    At another scale there are as many slices, and each part is resized by the factor, in whole
    visual tokens.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        return self._layout(image, factor, 0)

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        # Images are numbered, where the processor says so.
        return [
            self.video_layout(picture, factor)
            if isinstance(picture, Clip)
            else self._layout(picture, factor, index)
            for index, picture in enumerate(pictures)
        ]

    def _layout(self, image: Image.Image, factor: float, index: int) -> Layout:
        plan, cell = self._plan(image, factor), self._cell
        grids = [(tall // cell, wide // cell) for _, (tall, wide) in plan.parts]
        boxes = [box for box, _ in plan.parts]
        return marked_layout(self._marked_ids(plan, index), self.placeholder_id, boxes, grids)

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        plans = [self._plan(image, factor) for image in images]
        if factor == 1.0:
            found = self.image_processor(images=list(images), return_tensors="pt")
            made = {name: torch.as_tensor(found[name]) for name in _NAMES}
        else:
            parts = [
                self._part(image, box, size)
                for image, plan in zip(images, plans, strict=True)
                for box, size in plan.parts
            ]
            made = _packed(parts)
        patch = int(self.image_processor.patch_size)
        expected = [[t // patch, w // patch] for plan in plans for _, (t, w) in plan.parts]
        if made["target_sizes"].tolist() != expected:
            raise ValueError(
                f"image processor: expected patches {expected} at scale {factor:g}, got "
                f"{made['target_sizes'].tolist()}"
            )
        return made

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        if self.model.config.model_type == "minicpmv4_6":
            return {}
        kinds = (sequence == self.placeholder_id).int()
        kinds[:, prompt_length:] = 0
        return {"mm_token_type_ids": kinds}

    def can_collate(self, batch: Sequence[EncodedInput]) -> bool:
        return True  # patches of all images stand in one row, whatever their number

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        shown = [e.pixel_inputs for e in batch if "pixel_values" in e.pixel_inputs]
        plain = [replace(e, pixel_inputs={}) for e in batch]
        tokens = super().collate(plain)
        return {**tokens, **(_packed(shown) if shown else {})}

    def _plan(self, image: Image.Image, factor: float) -> _Plan:
        own, size = self.image_processor, (image.height, image.width)
        settings = (own.scale_resolution, own.patch_size)
        grid = own.get_sliced_grid(size, own.max_slice_nums, own.scale_resolution)
        grid = grid if own.slice_mode else None
        whole = own.find_best_resize(
            size, *settings, downsample_mode=own.downsample_mode, allow_upscale=grid is None
        )
        if grid is None:
            return _Plan(self._scaled(whole, factor), (0, 0), (0, 0))
        rows, columns = grid
        refined = own.get_refine_size(
            size, grid, *settings, downsample_mode=own.downsample_mode, allow_upscale=True
        )
        slice_size = (refined[0] // rows, refined[1] // columns)
        return _Plan(self._scaled(whole, factor), (rows, columns), self._scaled(slice_size, factor))

    def _scaled(self, size: tuple[int, int], factor: float) -> tuple[int, int]:
        tall, wide = (round(length * factor / self._cell) * self._cell for length in size)
        if 0 in (tall, wide):
            raise ValueError(
                f"scale {factor:g}: {size[1]}x{size[0]} input pixels leave less than one cell of "
                f"{self._cell}x{self._cell}; the smallest usable scale is "
                f"{self._cell / min(size):g}"
            )
        return tall, wide

    def _part(self, image: Image.Image, box: Box, size: tuple[int, int]) -> dict[str, Tensor]:
        top, left, bottom, right = box
        edges = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        shown = image.resize(size[::-1], Image.Resampling.BICUBIC, box=edges)
        made = self.image_processor(
            images=[shown], slice_mode=False, do_resize=False, return_tensors="pt"
        )
        return {name: torch.as_tensor(made[name]) for name in _NAMES}

    def _marked_ids(self, plan: _Plan, index: int) -> list[int]:
        def mark(name: str, default: str) -> str:
            return str(getattr(self.tokenizer, name, None) or default)

        visual = self.tokenizer.convert_ids_to_tokens(self.placeholder_id)
        text = mark("image_start_token", "<image>") + visual + mark("image_end_token", "</image>")
        one = mark("slice_start_token", "<slice>") + visual + mark("slice_end_token", "</slice>")
        rows, columns = plan.slices
        text += "\n".join([one * columns] * rows)
        if self.image_processor.use_image_id:
            start = mark("image_id_start_token", "<image_id>")
            text = f"{start}{index}{mark('image_id_end_token', '</image_id>')}{text}"
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    @property
    def _cell(self) -> int:
        """Pixels along the side of a visual token."""
        own, config = self.image_processor, self.model.config
        if own.downsample_mode != config.downsample_mode or config.merger_times != 1:
            raise ValueError(
                f"image processor: expected downsample_mode {config.downsample_mode!r} and a model "
                f"that merges once, got {own.downsample_mode!r} and {config.merger_times} times"
            )
        return int(own.patch_size) * (2 if own.downsample_mode == "4x" else 4)


_NAMES = ("pixel_values", "target_sizes")


def _packed(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Parts as one: patches in one row, sizes beneath each other."""
    pixels = torch.cat([part["pixel_values"] for part in parts], dim=-1)
    sizes = torch.cat([part["target_sizes"] for part in parts])
    return {"pixel_values": pixels, "target_sizes": sizes}
