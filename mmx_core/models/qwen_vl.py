"""Qwen-VL from Qwen2-VL to Qwen3.5: native resolution, merged patches in raster order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.base import ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.messages import Message
from mmx_core.models.registry import register

_TIMES = {
    "qwen2_5_vl": "second_per_grid_ts",
    "qwen2_5_omni_thinker": "video_second_per_grid",
    "qwen3_omni_moe_thinker": "video_second_per_grid",
}
"""What the seconds of a patch of frames are called, by families whose positions count them."""


@register("qwen2_vl", "qwen2_5_vl")
class QwenVLAdapter(ModelAdapter):
    """Native-resolution adapter.

    At scale 1.0 the image processor resizes as it always does, within its own pixel limits. At
    another scale the original image is resized once to that size times the factor, rounded to
    whole cells (``patch * merge`` pixels), and the processor's limits are lifted.

    A video's frames are resized as images are, and taken in groups of the temporal patch (pairs);
    the last is filled up by repeating its last frame. The families' own video processors need
    torchvision and have pixel limits of their own: shrink the frames where memory is short.
    """

    @property
    def video_placeholder_id(self) -> int:
        return int(self.model.config.video_token_id)

    @property
    def _cell_pixels(self) -> int:
        return int(self.image_processor.patch_size) * int(self.image_processor.merge_size)

    @property
    def _frames_per_patch(self) -> int:
        return int(self.image_processor.temporal_patch_size)

    def _pixel_size(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """``(height, width)`` of the model's input."""
        cell = self._cell_pixels
        # The processor's own rule; it lives beside whichever backend the processor came from.
        found = self.image_processor.get_number_of_image_patches(image.height, image.width, {})
        found = prod(found) if isinstance(found, tuple) else found
        height, width = self._smart_size(image, self.image_processor.size)
        expected = (height // self.image_processor.patch_size) * (
            width // self.image_processor.patch_size
        )
        if found != expected:
            raise ValueError(
                f"image processor: expected {expected} patches for {image.width}x{image.height}, "
                f"{type(self.image_processor).__name__} makes {found}; its resizing rule is "
                "unknown here"
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

    def _smart_size(self, image: Image.Image, limits: Any) -> tuple[int, int]:
        """``(height, width)`` as the processor resizes, within its limits of pixels."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        height, width = smart_resize(
            image.height,
            image.width,
            factor=self._cell_pixels,
            min_pixels=limits["shortest_edge"],
            max_pixels=limits["longest_edge"],
        )
        return int(height), int(width)

    def _grid(self, image: Image.Image, factor: float) -> tuple[int, int]:
        height, width = self._pixel_size(image, factor)
        return height // self._cell_pixels, width // self._cell_pixels

    def layout(self, image: Image.Image, factor: float) -> Layout:
        grid = self._grid(image, factor)
        count = grid[0] * grid[1]
        return Layout((self.placeholder_id,) * count, (View((Raster(range(count), grid),)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        parts = [self._processed(image, factor) for image in images]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _processed(self, image: Image.Image, factor: float) -> dict[str, Tensor]:
        if factor == 1.0:
            pixels = self.image_processor(images=[image], return_tensors="pt")
        else:
            height, width = self._pixel_size(image, factor)
            resized = image.resize((width, height), Image.Resampling.BICUBIC)
            pixels = self.image_processor(images=[resized], do_resize=False, return_tensors="pt")
        frames, rows, columns = (int(n) for n in pixels["image_grid_thw"][0])
        merge, expected = int(self.image_processor.merge_size), self._grid(image, factor)
        if frames != 1 or (rows // merge, columns // merge) != expected:
            raise ValueError(
                f"image processor: expected a grid of {expected} visual tokens at scale "
                f"{factor:g}, got {frames} x {(rows // merge, columns // merge)}"
            )
        return {name: pixels[name] for name in ("pixel_values", "image_grid_thw")}

    def video_layout(self, video: Clip, factor: float) -> Layout:
        grid = self._grid(video.frames[0], factor)
        count = grid[0] * grid[1]
        groups = self._groups(video)
        views = tuple(
            View((Raster(range(index * count, (index + 1) * count), grid),), frames)
            for index, frames in enumerate(groups)
        )
        return Layout((self.video_placeholder_id,) * (count * len(groups)), views)

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        values, sizes = [], []
        for video in videos:
            frames = [self._processed(frame, factor) for frame in video.frames]
            groups = self._groups(video)
            # Of a patch of one frame repeated, the layer that belongs to this frame's place.
            depth, side = self._frames_per_patch, int(self.image_processor.patch_size)
            patches = [f["pixel_values"].view(-1, 3, depth, side, side) for f in frames]
            for group in groups:
                filled = [*group, *[group[-1]] * (depth - len(group))]
                layers = [patches[frame][:, :, place] for place, frame in enumerate(filled)]
                values.append(torch.stack(layers, dim=2).flatten(1))
            _, rows, columns = frames[0]["image_grid_thw"][0].tolist()
            sizes.append([len(groups), rows, columns])
        grids = torch.tensor(sizes, dtype=torch.int64)
        inputs = {"pixel_values_videos": torch.cat(values), "video_grid_thw": grids}
        return {**inputs, **self._video_times(videos)}

    def _groups(self, video: Clip) -> list[tuple[int, ...]]:
        count, size = len(video.frames), self._frames_per_patch
        return [tuple(range(s, min(s + size, count))) for s in range(0, count, size)]

    def _video_times(self, videos: Sequence[Clip]) -> dict[str, Tensor]:
        name = _TIMES.get(self.model.config.model_type)
        if name is None:
            return {}
        steps = [
            (v.seconds[-1] - v.seconds[0]) / (len(v.seconds) - 1) if len(v.seconds) > 1 else 1.0
            for v in videos
        ]
        seconds = torch.tensor(steps, dtype=torch.float32) * self._frames_per_patch
        return {name: seconds}

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        kinds = (sequence == self.placeholder_id).int()
        kinds += 2 * (sequence == self.video_placeholder_id).int()
        kinds[:, prompt_length:] = 0
        return {"mm_token_type_ids": kinds}

    def input_image(self, image: Image.Image) -> Image.Image:
        height, width = self._pixel_size(image, 1.0)
        return image.resize((width, height), Image.Resampling.BICUBIC)

    def perturbed(
        self,
        shown: Image.Image,
        hidden: Image.Image,
        keep: Tensor,
        rendered: RenderedPrompt,
        answer_ids: Sequence[int],
    ) -> Mapping[str, Tensor]:
        # The patches of a cell follow one another, so cells are exchanged without new pixels.
        patches = int(self.image_processor.merge_size) ** 2
        kept = keep.flatten().repeat_interleave(patches)[:, None].to(self.device)
        count = len(keep)
        first, second = (
            self.encode([image], rendered, answer_ids, factor=1.0) for image in (shown, hidden)
        )
        inputs = {
            name: value.repeat(count, *[1] * (value.ndim - 1))
            for name, value in first.inputs.items()
            if name != "pixel_values"
        }
        ours, theirs = (e.inputs["pixel_values"].repeat(count, 1) for e in (first, second))
        return {**inputs, "pixel_values": torch.where(kept, ours, theirs)}


@register("qwen3_vl", "qwen3_vl_moe")
@register("qwen3_5", "qwen3_5_moe", "qwen4_exp", "cosmos3_omni")
class Qwen3VLAdapter(QwenVLAdapter):
    """Qwen3-VL and after: as their elders, but a video's patches stand apart, behind their time."""

    def render(
        self,
        prompt: str | Sequence[Message],
        *,
        pictures: Sequence[Picture] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> RenderedPrompt:
        rendered = super().render(prompt, pictures=pictures, variables=variables)
        # The template writes start and end around a video once; each patch has its own.
        places = zip(rendered.placeholders, pictures, strict=True)
        around = [at for at, picture in places if isinstance(picture, Clip)]
        config = self.model.config
        markers = {-1: config.vision_start_token_id, 1: config.vision_end_token_id}
        return rendered.without(
            {
                at + side
                for at in around
                for side, marker in markers.items()
                if 0 <= at + side < len(rendered.ids) and rendered.ids[at + side] == marker
            }
        )

    def video_layout(self, video: Clip, factor: float) -> Layout:
        plain = super().video_layout(video, factor)
        config, tokenizer = self.model.config, self.tokenizer
        ids: list[int] = []
        views = []
        for view in plain.views:
            first, last = (video.seconds[frame] for frame in (view.frames[0], view.frames[-1]))
            time = f"<{(first + last) / 2:.1f} seconds>"
            ids += tokenizer(time, add_special_tokens=False)["input_ids"]
            ids.append(config.vision_start_token_id)
            raster, start = view.rasters[0], len(ids)
            ids += [self.video_placeholder_id] * len(raster.offsets)
            ids.append(config.vision_end_token_id)
            offsets = range(start, start + len(raster.offsets))
            views.append(View((Raster(offsets, raster.grid),), view.frames))
        return Layout(tuple(ids), tuple(views))
