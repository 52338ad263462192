"""Whether what a user gives to be logged can be."""

from __future__ import annotations

import math
import operator
import re
import time
from typing import Any

from mmx_core.events.blob import quoted
from mmx_core.events.checks import MAX_INTEGER
from mmx_core.explanation import EncodedImage, Explanation

_HASH = re.compile(r"[0-9a-f]{8,128}")


def check_explanation(explanation: Any) -> None:
    """Refuses what is none.

    Raises:
        TypeError: It is of another type.
    """
    if not isinstance(explanation, Explanation):
        raise TypeError(f"explanation: expected an Explanation, got {type(explanation).__name__}")


def check_hash(image: EncodedImage) -> None:
    """Refuses an image by whose hash it could not be stored.

    Raises:
        ValueError: The hash is none.
    """
    if not _HASH.fullmatch(image.hash):
        raise ValueError(f"image.hash: expected 8 to 128 hexadecimal digits, got {image.hash!r}")


def checked_step(step: Any, name: str = "global_step") -> int:
    """A step as the log holds it.

    Args:
        step: What was given; integers of numpy and torch are taken, too.
        name: The argument's.

    Raises:
        TypeError: It is no whole number.
        ValueError: The panel could not tell it from its neighbours.
    """
    try:
        if isinstance(step, bool):
            raise TypeError
        number = operator.index(step)
    except TypeError:
        raise TypeError(
            f"{name}: expected a whole number, got {quoted(step)} ({type(step).__name__})"
        ) from None
    if abs(number) > MAX_INTEGER:
        raise ValueError(
            f"{name}: expected a whole number within 2^53, beyond which the panel cannot tell one "
            f"from the next, got {quoted(number)}; count in larger units"
        )
    return number


def checked_time(wall_time: Any) -> float:
    """Seconds since the epoch; now for None.

    Raises:
        TypeError: It is no number.
        ValueError: It is not finite.
    """
    if wall_time is None:
        return time.time()
    try:
        seconds = None if isinstance(wall_time, (str, bytes)) else float(wall_time)
    except (TypeError, ValueError):
        seconds = None
    if seconds is None:
        raise TypeError(
            "wall_time: expected seconds since the epoch, such as time.time(), got "
            f"{quoted(wall_time)} ({type(wall_time).__name__})"
        )
    if not math.isfinite(seconds):
        raise ValueError(f"wall_time: expected a finite number of seconds, got {seconds}")
    return seconds
