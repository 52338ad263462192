"""One adapter per model family, over one boundary (:mod:`mmx_core.models.base`)."""

from __future__ import annotations

from mmx_core.models.base import EncodedInput, ModelAdapter, VisualSpan
from mmx_core.models.registry import adapter_for, families, register

__all__ = ["EncodedInput", "ModelAdapter", "VisualSpan", "adapter_for", "families", "register"]
