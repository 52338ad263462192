"""accelerate's probe and tracker in one process; test_examples.py has two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from accelerate.state import AcceleratorState

import mmx_core as mmx
from examples.scenes import probe
from mmx_core.events import sinks
from mmx_core.integrations.accelerate import ExplainProbe, ExplanationTracker
from mmx_core.integrations.probing import ExplainWarning
from tests.support.explanations import make_explanation


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def logged(folder: Path) -> list[tuple[str, int | None]]:
    return [(e.tag.removeprefix("mmx/"), e.step) for e in mmx.read_explanations(folder)]


def test_a_registered_tracker_takes_the_explanations_among_what_is_logged(tmp_path: Path) -> None:
    tracker = ExplanationTracker(tmp_path / "log")
    accelerator = Accelerator(cpu=True, log_with=["tensorboard", tracker], project_dir=tmp_path)
    accelerator.init_trackers("run", config={"rate": 0.1})
    accelerator.log({"val/7": make_explanation(), "loss": 2.0}, step=3)
    accelerator.get_tracker("mmx").log({"val/8": make_explanation()}, step=4)
    mmx.add_explanation(accelerator.get_tracker("mmx", unwrap=True), "val/9", make_explanation(), 5)
    accelerator.end_training()
    assert logged(tmp_path / "log") == [("val/7", 3), ("val/8", 4), ("val/9", 5)]


def test_a_probe_explains_a_step_once_resumes_and_sends_along(
    parts: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    class Sending:
        def add_explanation(self, tag: str, explanation: Any, step: int, *, scalars: bool) -> None:
            sent.append(step)

        def add_metrics(self, set_name: str, figures: Any, step: int) -> None:
            pass

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sinks, "_LOGGERS", [*sinks._LOGGERS])
    sinks.logger(lambda given: given if isinstance(given, Sending) else None)
    accelerator = Accelerator(cpu=True, project_dir=tmp_path)
    model, processor = parts
    settings: dict[str, Any] = {"processor": processor, "scales": (1.0,), "also": [Sending()]}
    (sample,) = probe(1)
    for first, steps in ((0, (1, 2, 2, 3)), (3, (3, 4))):
        with ExplainProbe(accelerator, [sample], first_step=first, **settings) as explain:
            for step in steps:
                explain(accelerator.prepare(model), step)
    # The second began at step 3: what was logged there before is void.
    assert logged(tmp_path / "explanations") == [(f"val/{sample.id}", s) for s in (1, 2, 3, 4)]
    assert sent == [1, 2, 3, 3, 4]


def test_what_a_probe_cannot_do_is_said_when_it_is_made_and_at_its_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a directory, got none, and the Accelerator"):
        ExplainProbe(Accelerator(cpu=True), probe(1))
    accelerator = Accelerator(cpu=True, project_dir=tmp_path)
    with pytest.raises(TypeError, match="scale: expected one of the settings"):
        ExplainProbe(accelerator, probe(1), scale=(1.0,))
    with pytest.raises(TypeError, match="writer: expected"):
        ExplainProbe(accelerator, probe(1), also=[object()])
    explain = ExplainProbe(accelerator, probe(1))
    with pytest.warns(ExplainWarning, match="no evaluation took place; call the probe"):
        explain.close()
