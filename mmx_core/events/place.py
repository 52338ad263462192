"""Paths as a shell would have read them: TensorBoard, too, takes ``~`` for the home directory."""

from __future__ import annotations

import os


def expanded(path: str | os.PathLike[str]) -> str:
    """A path with the home directory in place of ``~``; a URL, and ``./~``, as they are."""
    given = os.fspath(path)
    return given if "://" in given else os.path.expanduser(given)
