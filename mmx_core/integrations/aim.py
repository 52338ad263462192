"""Aim: ``add_explanation(run, ...)`` with an ``aim.Run``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmx_core.events.sinks import Board, logger
from mmx_core.explanation import Explanation
from mmx_core.integrations.boards import (
    figures_of,
    file_of,
    means_under,
    name_of,
    page_of,
    picture_of,
    shown_by,
)


class AimBoard:
    """A run of Aim: figures and a picture; the page where the run keeps artefacts.

    Args:
        run: The run. Aim shows no pages, and keeps files only under an address that was given with
            ``run.set_artifacts_uri``.
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    def add_explanation(
        self, tag: str, explanation: Explanation, step: int, *, scalars: bool
    ) -> None:
        """Sends what the tool can show."""
        import aim

        if scalars:
            self._log(figures_of(tag, explanation), step)
        picture = aim.Image(picture_of(explanation), caption=explanation.answer)
        self._run.track(picture, name=f"explanations/{name_of(tag)}", step=step)
        if getattr(self._run, "artifacts_uri", None):
            name = f"{file_of(tag, step)}.html"
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, os.path.basename(name))
                path.write_text(page_of(tag, explanation, step), encoding="utf-8")
                self._run.log_artifact(str(path), name=name.replace("/", "-"), block=True)

    def add_metrics(self, set_name: str, figures: Mapping[str, float], step: int) -> None:
        """Sends a set's means."""
        self._log(means_under(set_name, figures), step)

    def flush(self) -> None:
        """Nothing: each call has sent what it had."""

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            self._run.track(float(value), name=name, step=step)


@logger
def aim_run(given: Any) -> Board | None:
    """A run, or a logger that holds a run."""
    found = shown_by(given, "aim")
    return AimBoard(found) if hasattr(found, "track") else None
