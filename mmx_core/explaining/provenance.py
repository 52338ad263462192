"""Where an explanation came from."""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

_OWN_ROOM = str(Path(__file__).resolve().parent)


def describe_model(model: Any) -> dict[str, Any]:
    """Class, name and size of a model."""
    return {
        "class": type(model).__name__,
        "name": str(getattr(model.config, "_name_or_path", "") or ""),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": str(getattr(model, "dtype", "")).removeprefix("torch."),
    }


@cache
def describe_versions() -> dict[str, str]:
    """Versions of what shapes the numbers."""
    versions = {}
    for name in ("torch", "transformers", "mmx-explain"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_caller() -> dict[str, Any] | None:
    """File and line of the user's call: the nearest frame outside this library."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_OWN_ROOM):
            return {"file": name, "line": frame.f_lineno}
        frame = frame.f_back
    return None
