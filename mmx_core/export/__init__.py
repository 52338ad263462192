"""Explanations in other people's formats: a standalone page, a picture, arrays. Free of torch."""

from __future__ import annotations

from mmx_core.export.bundle import BundleMissing
from mmx_core.export.registry import export_format, formats
from mmx_core.export.standalone import standalone_html

__all__ = ["BundleMissing", "export_format", "formats", "standalone_html"]
