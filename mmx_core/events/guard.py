"""Logging must not kill training: errors are warned about once, or raised where asked for."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_warned: set[tuple[str, str]] = set()


class LoggingWarning(UserWarning):
    """Something could not be logged; the run goes on."""


def is_strict(strict: bool | None = None) -> bool:
    """Whether errors are raised: the argument, else ``MMX_STRICT=1`` in the environment."""
    return os.environ.get("MMX_STRICT", "") not in ("", "0") if strict is None else strict


class LogLost(OSError):
    """What was logged is gone; what has followed it is logged."""


@contextmanager
def guarded(what: str, *, strict: bool | None = None) -> Iterator[None]:
    """Turns an exception of the body into one warning per process, activity and kind.

    Args:
        what: The activity in a few words, such as ``"logging explanations"``.
        strict: Raise instead; None reads the environment variable ``MMX_STRICT``.
    """
    try:
        yield
    except Exception as error:
        if is_strict(strict):
            raise
        cost = "has lost records" if isinstance(error, LogLost) else "failed and is skipped"
        warn_once(
            what,
            f"{type(error).__name__} {getattr(error, 'errno', None)}",
            f"{cost}; the run goes on. Further errors of this kind are not shown; "
            f"MMX_STRICT=1 raises them. {type(error).__name__}: {error}",
        )


def warn_once(what: str, kind: str, message: str) -> None:
    """Warns, at the user's own line, once per process, activity and kind."""
    if (what, kind) not in _warned:
        _warned.add((what, kind))
        warnings.warn(f"{what} {message}", LoggingWarning, stacklevel=_frames_to_caller())


def _frames_to_caller() -> int:
    """How far above :func:`warn_once` the user's own code is, so that the warning points there."""
    level, frame = 1, sys._getframe(1)
    inside = ("mmx_core.", "contextlib")
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(inside):
        level, frame = level + 1, frame.f_back
    return level
