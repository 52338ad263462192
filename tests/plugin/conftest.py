"""A real log directory, and TensorBoard's own data provider over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext

from mmx_core.events import ExplanationWriter, records
from mmx_core.events.sinks import EventFile
from tb_mmx_plugin.data import ExplanationData
from tests.support.explanations import make_explanation

STEPS = (0, 300, 900)
SAMPLES = ("2", "10")


def wall_time(step: int) -> float:
    return 1_700_000_000.0 + step


def write_logdir(folder: Path) -> Path:
    """Run ``grounded`` with two samples, run ``more/control`` with one, damage in ``broken``."""
    with ExplanationWriter(folder / "grounded") as writer:
        for step in STEPS:
            for sample in SAMPLES:
                explanation = make_explanation(seed=int(sample), id=sample)
                writer.add_explanation(
                    f"val/{sample}", explanation, step, wall_time=wall_time(step)
                )
    with ExplanationWriter(folder / "more" / "control") as writer:
        explanation = make_explanation(seed=3, image=None)
        writer.add_explanation("val/2", explanation, 0, wall_time=wall_time(0))
    _write_damage(folder / "broken")
    return folder


def _write_damage(folder: Path) -> None:
    """Header, index record and image with one byte changed; step 1 is of a newer version."""
    explanation = make_explanation()
    file = EventFile(folder)
    events = [records.image_event(explanation.image, wall_time=1.0)]
    events += [
        records.explanation_event("val/1", explanation, step=step, wall_time=1.0) for step in (0, 1)
    ]
    for event in events:
        for value in event.summary.value:
            for place in range(len(value.tensor.string_val)):
                blob = bytearray(value.tensor.string_val[place])
                if event.step == 1:
                    blob[4] = 2
                else:
                    blob[-1] ^= 0xFF
                value.tensor.string_val[place] = bytes(blob)
        file.write(event)
    file.close()


@pytest.fixture(scope="session")
def logdir(tmp_path_factory) -> Path:
    return write_logdir(tmp_path_factory.mktemp("plugin"))


def open_data(folder: Path) -> ExplanationData:
    """The routes' data over TensorBoard's own loader in Python."""
    return open_reloadable(folder)[0]


def open_reloadable(folder: Path) -> tuple[ExplanationData, Callable[[], object]]:
    """The same, and what reads the files again."""
    multiplexer = EventMultiplexer(tensor_size_guidance={"mmx": 50, "mmx_index": 0})

    def reload() -> None:
        multiplexer.AddRunsFromDirectory(str(folder))
        multiplexer.Reload()

    reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    return ExplanationData(provider), reload


@pytest.fixture(scope="session")
def data(logdir) -> ExplanationData:
    return open_data(logdir)


@pytest.fixture(scope="session")
def context() -> RequestContext:
    return RequestContext()
