"""Words: what is one, which tokens make it, and what kind of word it is."""

from __future__ import annotations

from mmx_core.text.categories import CategoryMasks

__all__ = ["CategoryMasks"]
