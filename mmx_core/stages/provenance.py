"""Where an explanation came from."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

_OURS = Path(__file__).resolve().parents[1]
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
"""What stands between a person's line and ours, such as a progress bar or a trainer."""


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
    """File and line of the user's call: the nearest frame outside of what is installed.

    Where all frames are installed, the nearest that is not this library's.
    """
    frames: list[FrameType] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not Path(frame.f_code.co_filename).is_relative_to(_OURS):
            frames.append(frame)
        frame = frame.f_back
    own = [found for found in frames if not _is_installed(found.f_code.co_filename)]
    for found in [*own, *frames][:1]:
        return {"file": found.f_code.co_filename, "line": found.f_lineno}
    return None


def _is_installed(name: str) -> bool:
    return name.startswith("<frozen ") or any(map(Path(name).is_relative_to, _INSTALLED))
