"""Starts' directories, and logs as older versions wrote them, by their files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from mmx_core.events import records
from mmx_core.events.sinks import EventFile
from tests.support.explanations import make_explanation, make_image

SCALES = ((1.0, (4, 4)),)


def start_folder(number: int, mark: str = "") -> str:
    """The name of the start of that minute, such as ``-from-6``'s."""
    return f"mmx-20261128T12{number:02d}56.000001-{number:06x}{mark}"


def write_start(
    folder: Path, logged: Mapping[str, Sequence[int]], *, seed: int, wall_time: float = 1000.0
) -> Path:
    """Explanations with the image of the seed, one after the other; their id is the seed's."""
    file = EventFile(folder)
    image = make_image(seed=seed)
    file.write(records.image_event(image, wall_time=wall_time))
    for sample, steps in logged.items():
        for step in steps:
            explanation = make_explanation(2, 3, SCALES, seed=seed, id=str(seed), image=image)
            event = records.explanation_event(
                sample, explanation, step=step, wall_time=wall_time + step
            )
            file.write(event)
    file.close()
    return folder


def write_lost(folder: Path, *, scalar_first: bool) -> Path:
    """A sample ``val/grounding`` whose tag a scalar took, or takes back, and ``val/whole``."""
    file = EventFile(folder)
    file.write(records.image_event(make_image(), wall_time=1.0))
    for step in range(3):
        value = Summary.Value(tag="mmx/val/grounding", simple_value=0.5)
        scalar = Event(step=step, wall_time=1.0, summary=Summary(value=[value]))
        explanation = make_explanation(2, 3, SCALES)
        lost = records.explanation_event("val/grounding", explanation, step=step, wall_time=1.0)
        for event in (scalar, lost) if scalar_first else (lost, scalar):
            file.write(event)
        file.write(records.explanation_event("val/whole", explanation, step=step, wall_time=1.0))
    file.close()
    return folder
