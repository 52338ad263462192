"""A small but real multimodal model, the scenes it describes, and its checkpoints.

`evaluation_samples` is handed on lazily, so that importing the package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from demo.sets import evaluation_samples as evaluation_samples

__all__ = ["evaluation_samples"]


def __getattr__(name: str) -> Any:
    if name == "evaluation_samples":
        from demo.sets import evaluation_samples

        return evaluation_samples
    raise AttributeError(f"module 'demo' has no attribute {name!r}; it has {__all__}")


def __dir__() -> list[str]:
    return __all__
