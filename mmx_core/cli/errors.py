"""Wrong input, said in one sentence."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from difflib import get_close_matches

from mmx_core.export.printable import printable

_MOST_NAMED = 6
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class CommandError(Exception):
    """Wrong input; the message says what was expected, what came and what to do."""


def missing(flag: str, kind: str, wanted: str, there: Sequence[str]) -> CommandError:
    """The error for a name that is not there; it names what is.

    Args:
        flag: The option, such as ``--run``.
        kind: What ``there`` holds, in the plural.
        wanted: What came.
        there: At least one name.
    """
    close = get_close_matches(wanted, there, n=3, cutoff=0.6)
    if close:
        advice = f"did you mean {' or '.join(close)}?"
    elif len(there) <= _MOST_NAMED:
        advice = f"there is {', '.join(there)}"
    else:
        advice = f"there are {len(there)}, from {there[0]} to {there[-1]}; `mmx list` tells more"
    return CommandError(printable(f"{flag}: expected one of the {kind}, got {wanted!r}; {advice}"))


def is_full(error: BaseException) -> bool:
    """Whether a disk has no room left, for which no input is to blame."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def one_line(error: BaseException) -> str:
    """An error's first sentence on one line."""
    text = re.sub(r"\s+", " ", str(error)).strip().rstrip(".")
    return printable(text.split(". ")[0]) or type(error).__name__
