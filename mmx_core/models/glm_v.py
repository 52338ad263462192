"""GLM-4.1V, GLM-4.5V, GLM-4.6V and GLM-OCR: Qwen-VL's layout under another resizing rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.qwen_vl import Qwen3VLAdapter, QwenVLAdapter
from mmx_core.models.registry import register


@register("glm4v", "glm4v_moe", "glm46v", "glm_ocr", "glmga")
class GlmVAdapter(QwenVLAdapter):
    """Adapter of GLM-V: images at native resolution; the pixel limits count a patch's frames.

    Each patch of a video's frames stands like an image, before its time. The models tell a video's
    tokens from an image's by what stands around them, and take one kind in a sample.
    """

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        if len({isinstance(picture, Clip) for picture in pictures}) > 1:
            raise ValueError("pictures: expected images or videos, GLM-V takes no mixture of them")
        return super().layouts(pictures, factor)

    def video_layout(self, video: Clip, factor: float) -> Layout:
        plain = super().video_layout(video, factor)
        config, tokenizer = self.model.config, self.tokenizer
        ids: list[int] = []
        views = []
        for view in plain.views:
            raster, seconds = view.rasters[0], video.seconds[view.frames[0]]
            # The first two write whole seconds, and no unit.
            whole = config.model_type in ("glm4v", "glm4v_moe")
            time = str(int(seconds)) if whole else f"{seconds:.1f} seconds"
            ids.append(config.image_start_token_id)
            offsets = range(len(ids), len(ids) + len(raster.offsets))
            ids += [self.placeholder_id] * len(raster.offsets)
            ids.append(config.image_end_token_id)
            ids += tokenizer(time, add_special_tokens=False)["input_ids"]
            views.append(View((Raster(offsets, raster.grid),), view.frames))
        return Layout(tuple(ids), tuple(views))

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        config = self.model.config
        starts, ends = (
            (sequence == marker).cumsum(1)
            for marker in (config.video_start_token_id, config.video_end_token_id)
        )
        kinds = (sequence == self.placeholder_id).int() * (1 + (starts > ends).int())
        kinds[:, prompt_length:] = 0
        return {"mm_token_type_ids": kinds}

    def _smart_size(self, image: Image.Image, limits: Any) -> tuple[int, int]:
        from transformers.models.glm4v.image_processing_pil_glm4v import smart_resize

        frames = self._frames_per_patch
        height, width = smart_resize(
            num_frames=frames,
            height=image.height,
            width=image.width,
            temporal_factor=frames,
            factor=self._cell_pixels,
            min_pixels=limits["shortest_edge"],
            max_pixels=limits["longest_edge"],
        )
        return int(height), int(width)


@register("cosmos3_edge")
class Cosmos3EdgeAdapter(Qwen3VLAdapter):
    """Cosmos 3 Edge: Qwen3-VL's layout, resized as GLM-V's images are."""

    _smart_size = GlmVAdapter._smart_size
