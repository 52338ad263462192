"""Methods side by side on one model and one set of samples: what ``mmx evaluate`` runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmx_core.evaluation.registry import Attribution as Attribution
    from mmx_core.evaluation.registry import method as method
    from mmx_core.evaluation.registry import methods as methods

__all__ = ["Attribution", "method", "methods"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("mmx_core.evaluation.registry"), name)
    raise AttributeError(f"module 'mmx_core.evaluation' has no {name!r}; it has {__all__}")
