"""Sets of samples by name: the published evaluation's, and anybody's own."""

from __future__ import annotations

from mmx_core.data.categories import CategoryMasks
from mmx_core.data.load import load_samples

__all__ = ["CategoryMasks", "load_samples"]
