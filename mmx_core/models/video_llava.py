"""Video-LLaVA: LLaVA-1.5's square for images, a square with its class token for each frame."""

from __future__ import annotations

from inspect import signature
from typing import Any

from mmx_core.models.llava import LlavaAdapter
from mmx_core.models.registry import register
from mmx_core.models.square_frames import SquareFrames


@register("video_llava")
class VideoLlavaAdapter(SquareFrames, LlavaAdapter):
    """Adapter of Video-LLaVA.

    Raises:
        ValueError: The model takes images under their older name.
    """

    def __init__(self, model: Any, **parts: Any) -> None:
        super().__init__(model, **parts)
        if "pixel_values" not in signature(model.model.forward).parameters:
            raise ValueError(
                "model: expected a VideoLlavaForConditionalGeneration that takes pixel_values, as "
                "of transformers 5.23; upgrade it"
            )

    def frame_cells(self) -> tuple[int, int, int]:
        cells = self._side(1.0) // self._patch
        return cells, cells * self._patch, 1
