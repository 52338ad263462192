"""MLflow: ``add_explanation(mlflow.active_run(), ...)``, or the module for its active run."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from mmx_core.events.sinks import Board, logger
from mmx_core.explanation import Explanation
from mmx_core.integrations.boards import (
    figures_of,
    file_of,
    means_under,
    page_of,
    picture_of,
    shown_by,
)

_UNSAFE = re.compile(r"[^\w.\-/ :]")
_LONGEST_NAME = 250


class MlflowBoard:
    """A run of MLflow: figures as metrics, the page and a picture as artefacts.

    Args:
        client: An ``MlflowClient``.
        run_id: The run's.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def add_explanation(
        self, tag: str, explanation: Explanation, step: int, *, scalars: bool
    ) -> None:
        """Sends what the tool can show."""
        if scalars:
            self._log(figures_of(tag, explanation), step)
        path = file_of(tag, step)
        self._client.log_image(self._run_id, picture_of(explanation), f"{path}.png")
        self._client.log_text(self._run_id, page_of(tag, explanation, step), f"{path}.html")

    def add_metrics(self, set_name: str, figures: Mapping[str, float], step: int) -> None:
        """Sends a set's means."""
        self._log(means_under(set_name, figures), step)

    def flush(self) -> None:
        """Nothing: each call has sent what it had."""

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._client.log_batch(
            self._run_id,
            metrics=[
                Metric(_UNSAFE.sub("-", name)[-_LONGEST_NAME:], float(value), now, step)
                for name, value in figures.items()
            ],
        )


@logger
def mlflow_run(given: Any) -> Board | None:
    """A run, the module, or a logger that holds a run or a client with a run's id.

    Raises:
        ValueError: The module has no active run.
    """
    found = shown_by(given, "mlflow")
    if found is None:
        return None
    import mlflow

    if hasattr(found, "active_run"):
        found = found.active_run()
        if found is None:
            raise ValueError("mlflow: expected an active run, got none; begin one: start_run()")
    if hasattr(found, "log_batch"):
        return MlflowBoard(found, given.run_id)
    return MlflowBoard(mlflow.MlflowClient(), found.info.run_id)
