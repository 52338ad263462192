"""Whether what a user gives to be logged can be."""

from __future__ import annotations

import re
from typing import Any

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
