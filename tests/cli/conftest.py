"""A log to read, and a stand-in for the panel."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmx_core.events.writer import ExplanationWriter
from tests.support.explanations import make_explanation

SCALES = ((0.5, (3, 4)), (1.0, (6, 8)))
STEPS = (0, 100, 250)
# Everything that could end or nest a script element, in strings that a test can evaluate.
BUNDLE = (
    """const tags = ["</script>", "</SCRIPT >", "<!--", "<script>"]; document.title = tags[0];"""
)


@pytest.fixture(scope="session")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs; `grounded` has two samples and three steps, `control` one of each."""
    folder = tmp_path_factory.mktemp("runs")
    with ExplanationWriter(folder / "grounded") as writer:
        for step in STEPS:
            for sample in ("2", "10"):
                explanation = make_explanation(seed=step + int(sample), scales=SCALES, id=sample)
                writer.add_explanation(f"val/{sample}", explanation, step, wall_time=50.0 + step)
    with ExplanationWriter(folder / "control") as writer:
        writer.add_explanation("val/2", make_explanation(scales=SCALES), 7)
    return folder


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> str:
    """A small bundle in the panel's place."""
    monkeypatch.setattr("mmx_core.export.standalone.read_bundle", lambda: BUNDLE)
    return BUNDLE
