"""Families with Qwen-VL's layout and inputs of their own: Omni, ERNIE, PaddleOCR, VideoLLaMA 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.qwen_vl import Qwen3VLAdapter, QwenVLAdapter
from mmx_core.models.registry import register


class QwenLikeAdapter(QwenVLAdapter):
    """Images at native resolution, merged patches in raster order, no videos."""

    def video_layout(self, video: Clip, factor: float) -> Layout:
        return ModelAdapter.video_layout(self, video, factor)

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        return ModelAdapter.video_inputs(self, videos, factor)


@register("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
class QwenOmniAdapter(QwenVLAdapter):
    """The thinker of Qwen-Omni, which writes; it finds pictures by their ids alone."""

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        return {}


@register("ernie4_5_vl_moe")
class ErnieVLAdapter(QwenLikeAdapter):
    """ERNIE-4.5-VL: has experts for pictures, which also get the tokens around them."""

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        config = self.model.config
        kinds = super().token_inputs(sequence, prompt_length)
        experts = kinds["mm_token_type_ids"].clone()
        for marker in (config.image_start_token_id, config.image_end_token_id):
            experts[:, :prompt_length][sequence[:, :prompt_length] == marker] = 1
        return {**kinds, "moe_mm_token_type_ids": experts}


@register("paddleocr_vl")
class PaddleOcrVLAdapter(QwenLikeAdapter):
    """PaddleOCR-VL: its processor hands over patches row by row, and the model merges them."""

    perturbed = ModelAdapter.perturbed

    def _smart_size(self, image: Image.Image, limits: Any) -> tuple[int, int]:
        from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import smart_resize

        height, width = smart_resize(
            image.height,
            image.width,
            factor=self._cell_pixels,
            min_pixels=limits["shortest_edge"],
            max_pixels=limits["longest_edge"],
        )
        return int(height), int(width)


@register("hunyuan_vl")
class HunYuanVLAdapter(QwenLikeAdapter):
    """HunYuan-VL, HunyuanOCR: rows that end with a line break, between a beginning and an end.

    These are visual tokens of the model's own, and show no place. In a batch the class counts the
    images of all samples, so that their positions are counted here, sample by sample.
    """

    perturbed = ModelAdapter.perturbed

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        inputs = super().collate(batch)
        if len(batch) == 1:
            return inputs
        length = inputs["input_ids"].shape[1]
        names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
        places = [
            self.model.model.get_rope_index(**{n: e.inputs[n] for n in names if n in e.inputs})[0]
            for e in batch
        ]
        filled = [torch.nn.functional.pad(p, (0, length - p.shape[2])) for p in places]
        return {**inputs, "position_ids": torch.cat(filled, dim=1)}

    @property
    def video_placeholder_id(self) -> int | None:  # type: ignore[override]
        return None

    def layout(self, image: Image.Image, factor: float) -> Layout:
        rows, columns = self._grid(image, factor)
        offsets = [1 + r * (columns + 1) + c for r in range(rows) for c in range(columns)]
        ids = (self.placeholder_id,) * (rows * (columns + 1) + 2)
        return Layout(ids, (View((Raster(offsets, (rows, columns)),)),))

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        kinds = (sequence == self.placeholder_id).int()
        kinds[:, prompt_length:] = 0
        return {"mm_token_type_ids": kinds}

    def _smart_size(self, image: Image.Image, limits: Any) -> tuple[int, int]:
        from transformers.models.hunyuan_vl.image_processing_pil_hunyuan_vl import smart_resize

        height, width = smart_resize(
            image.height,
            image.width,
            factor=self._cell_pixels,
            min_pixels=limits["shortest_edge"],
            max_pixels=limits["longest_edge"],
        )
        return int(height), int(width)


@register("video_llama_3")
class VideoLlama3Adapter(QwenVLAdapter):
    """VideoLLaMA 3: each picture comes with how many patches become one visual token.

    Of an image every patch is one, of a video's frames two by two are. All of these are kept:
    where the processor drops those that hardly change (``use_token_compression``), the model sees
    more here than there.
    """

    frames_merged = 2
    """Patches along the side of a frame's visual token, where no processor says otherwise."""

    def exchanged(self, videos: Sequence[Clip]) -> tuple[str, list[str]] | None:
        mark = str(self.tokenizer.convert_ids_to_tokens(self.video_placeholder_id))
        return (mark, [f"Time {v.seconds[0]:.1f}s:{mark}" for v in videos]) if videos else None

    def video_layout(self, video: Clip, factor: float) -> Layout:
        grid = self._frame_grid(video.frames[0], factor)
        count = grid[0] * grid[1]
        mark = str(self.tokenizer.convert_ids_to_tokens(self.video_placeholder_id))
        ids: list[int] = []
        views = []
        for index, second in enumerate(video.seconds):
            if index:
                text = f"{mark},Time {second:.1f}s:{mark}"
                ids += self.tokenizer(text, add_special_tokens=False)["input_ids"][1:-1]
            offsets = range(len(ids), len(ids) + count)
            ids += [self.video_placeholder_id] * count
            views.append(View((Raster(offsets, grid),), (index,)))
        return Layout(tuple(ids), tuple(views))

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        patch, merged = int(self.image_processor.patch_size), self._merged
        values, grids = [], []
        for video in videos:
            rows, columns = (cells * merged for cells in self._frame_grid(video.frames[0], factor))
            size = (columns * patch, rows * patch)
            frames = [frame.resize(size, Image.Resampling.BICUBIC) for frame in video.frames]
            made = self.image_processor(
                images=frames, do_resize=False, merge_size=merged, return_tensors="pt"
            )
            values.append(made["pixel_values"])
            grids.append([len(frames), rows, columns])
        return {
            "pixel_values_videos": torch.cat(values),
            "video_grid_thw": torch.tensor(grids),
            "video_merge_sizes": torch.tensor([merged] * len(videos)),
        }

    @property
    def _merged(self) -> int:
        own = getattr(self.processor, "video_processor", None)
        return int(getattr(own, "merge_size", self.frames_merged))

    def _frame_grid(self, frame: Image.Image, factor: float) -> tuple[int, int]:
        """Of a frame that is resized as an image is, in whole cells."""
        height, width = self._pixel_size(frame, factor)
        cell = int(self.image_processor.patch_size) * self._merged
        return max(1, round(height / cell)), max(1, round(width / cell))

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        return {}

    def _processed(self, image: Image.Image, factor: float) -> dict[str, Tensor]:
        made = super()._processed(image, factor)
        merged = made["image_grid_thw"].new_full((1,), int(self.image_processor.merge_size))
        return {**made, "image_merge_sizes": merged}


@register("exaone4_5")
class ExaoneVLAdapter(QwenVLAdapter):
    """EXAONE 4.5: Qwen2.5-VL's tower before text whose positions have one dimension."""

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        return {}


@register("hyperclovax_vision_v2")
class HyperClovaXAdapter(ExaoneVLAdapter):
    """HyperCLOVA X SEED Think: the same, with logits that are scaled."""

    def logits(self, hidden: Tensor) -> Tensor:
        return super().logits(hidden) * self.model.config.text_config.logits_scaling


@register("lfm3_vl")
class Lfm3VLAdapter(Qwen3VLAdapter):
    """LFM3-VL: Qwen3-VL's layout before text whose positions have one dimension."""

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        return {}


@register("cohere_compass")
class CohereCompassAdapter(Qwen3VLAdapter):
    """North Micro Vision: Qwen3-VL's layout, with logits that may be scaled."""

    def logits(self, hidden: Tensor) -> Tensor:
        scale = self.model.config.text_config.logit_scale
        return super().logits(hidden) * (1.0 if scale is None else scale)
