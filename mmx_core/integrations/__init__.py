"""Hooks into training frameworks; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmx_core.integrations import transformers as transformers

__all__ = ["transformers"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"mmx_core.integrations.{name}")
    raise AttributeError(f"module 'mmx_core.integrations' has no {name!r}; it has {__all__}")
