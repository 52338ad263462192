"""Hooks into training frameworks; each is imported when it is asked for.

Those of tools that show runs (``wandb``, ``mlflow``, ``trackio``, ``aim``, ``clearml``) are
imported by ``add_explanation``, which knows what it is given by the name of its package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmx_core.integrations import accelerate as accelerate
    from mmx_core.integrations import inspect_ai as inspect_ai
    from mmx_core.integrations import lightning as lightning
    from mmx_core.integrations import lmms_eval as lmms_eval
    from mmx_core.integrations import transformers as transformers
    from mmx_core.integrations import trl as trl

__all__ = ["accelerate", "inspect_ai", "lightning", "lmms_eval", "transformers", "trl"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"mmx_core.integrations.{name}")
    raise AttributeError(f"module 'mmx_core.integrations' has no {name!r}; it has {__all__}")
