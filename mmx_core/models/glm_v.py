"""GLM-4.1V, GLM-4.5V, GLM-4.6V and GLM-OCR: Qwen-VL's layout under another resizing rule."""

from __future__ import annotations

from typing import Any

from PIL import Image

from mmx_core.models.qwen_like import QwenLikeAdapter
from mmx_core.models.qwen_vl import Qwen3VLAdapter
from mmx_core.models.registry import register


@register("glm4v", "glm4v_moe", "glm46v", "glm_ocr", "glmga")
class GlmVAdapter(QwenLikeAdapter):
    """Adapter of GLM-V: images at native resolution; the pixel limits count a patch's frames."""

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
