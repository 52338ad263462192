"""One adapter per model family, over one boundary (:mod:`mmx_core.models.base`)."""

from __future__ import annotations

from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import WHOLE, Box, Layout, Raster, View, VisualSpan
from mmx_core.models.registry import adapter_for, families, register

__all__ = [
    "WHOLE",
    "Box",
    "EncodedInput",
    "Layout",
    "ModelAdapter",
    "Raster",
    "RenderedPrompt",
    "View",
    "VisualSpan",
    "adapter_for",
    "families",
    "register",
]
