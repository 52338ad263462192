"""Errors that are raised later than they happened; what to install where a package is missing."""

from __future__ import annotations

import re
import traceback
from importlib import metadata
from typing import TypeVar

AnError = TypeVar("AnError", bound=BaseException)
_EXTRA = re.compile(r"""extra == ['"]([^'"]+)['"]""")


def without_frames(error: AnError) -> AnError:
    """The error with its lines, but without what its frames hold: activations, an explanation."""
    seen: set[int] = set()
    chain: BaseException | None = error
    while chain is not None and id(chain) not in seen:  # ``raise error from error`` is a circle
        seen.add(id(chain))
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__context__ if chain.__cause__ is None else chain.__cause__
    return error


def install_hint(extra: str) -> str:
    """The command that installs what an extra of ours needs, wherever we came from ourselves."""
    try:
        required = metadata.requires("mmx-explain") or []
    except metadata.PackageNotFoundError:
        required = []
    wanted = [line.partition(";")[0].strip() for line in required if extra in _EXTRA.findall(line)]
    return " ".join(["pip install", *(f"'{package}'" for package in wanted or [f".[{extra}]"])])
