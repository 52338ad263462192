"""Errors that are raised later than they happened."""

from __future__ import annotations

import traceback
from typing import TypeVar

AnError = TypeVar("AnError", bound=BaseException)


def without_frames(error: AnError) -> AnError:
    """The error with its lines, but without what its frames hold: activations, an explanation."""
    seen: set[int] = set()
    chain: BaseException | None = error
    while chain is not None and id(chain) not in seen:  # ``raise error from error`` is a circle
        seen.add(id(chain))
        traceback.clear_frames(chain.__traceback__)
        chain = chain.__context__ if chain.__cause__ is None else chain.__cause__
    return error
