"""The ``blobs`` route's answer: several explanations in one binary response (http_api.md)."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepBlobs:
    """The blobs of one step, or why there are none.

    Attributes:
        step: The step that was asked for.
        wall_time: Seconds since the epoch; None where nothing was found.
        blobs: The record's blobs, undecoded.
        error: One sentence in place of the blobs.
    """

    step: int
    wall_time: float | None = None
    blobs: Sequence[bytes] = ()
    error: str | None = None


def finite(wall_time: float | None) -> float | None:
    """A wall time that JSON can hold; event files may hold anything."""
    return wall_time if wall_time is not None and math.isfinite(wall_time) else None


def frame_steps(steps: Sequence[StepBlobs]) -> bytes:
    """Frames the steps in order: length of the JSON, the JSON, the blobs themselves."""
    entries = [
        {"step": step.step, "error": step.error}
        if step.error is not None
        else {
            "step": step.step,
            "wall_time": finite(step.wall_time),
            "blobs": [len(blob) for blob in step.blobs],
        }
        for step in steps
    ]
    text = json.dumps(entries, allow_nan=False).encode()
    bodies = (blob for step in steps if step.error is None for blob in step.blobs)
    return b"".join([struct.pack("<I", len(text)), text, *bodies])
