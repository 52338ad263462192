"""Values of a header's JSON: of the kind that the wire format says, or damage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mmx_core.events.blob import DamagedBlob, quoted

MAX_INTEGER = 2**53 - 1
"""What both languages can count to."""


def expect(value: Any, kind: type[Any], where: str) -> Any:
    """The value, if it is of that JSON kind (a bool is no number, 1.0 is an integer)."""
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DamagedBlob(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
    if kind is int and abs(value) > MAX_INTEGER:
        raise DamagedBlob(f"{where}: expected an integer within 2^53, got {quoted(value)}")
    return value


def listed(value: Any, count: int, where: str) -> Sequence[Any]:
    """The value, if it is a list of that length."""
    values: list[Any] = expect(value, list, where)
    if len(values) != count:
        raise DamagedBlob(f"{where}: expected {count} entries, got {len(values)}")
    return values


def float_or_nan(value: Any, where: str) -> float:
    """The value, if it is a number; null is NaN."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DamagedBlob(f"{where}: expected a number, got {type(value).__name__}")
    return float(value)
