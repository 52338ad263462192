"""ClearML: ``add_explanation(task, ...)`` with a ``clearml.Task``."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from mmx_core.events.sinks import Board, logger
from mmx_core.explanation import Explanation
from mmx_core.integrations.boards import (
    figures_of,
    means_under,
    name_of,
    page_of,
    picture_of,
    shown_by,
)


class ClearmlBoard:
    """A task of ClearML: figures as scalars, a picture and the page as debug samples.

    Args:
        reports: The task's logger.
    """

    def __init__(self, reports: Any) -> None:
        self._reports = reports

    def add_explanation(
        self, tag: str, explanation: Explanation, step: int, *, scalars: bool
    ) -> None:
        """Sends what the tool can show."""
        if scalars:
            self._log(figures_of(tag, explanation), step)
        name = name_of(tag)
        self._reports.report_image("explanations", name, step, image=picture_of(explanation))
        page = io.BytesIO(page_of(tag, explanation, step).encode("utf-8"))
        self._reports.report_media("explanations", name, step, stream=page, file_extension="html")

    def add_metrics(self, set_name: str, figures: Mapping[str, float], step: int) -> None:
        """Sends a set's means."""
        self._log(means_under(set_name, figures), step)

    def flush(self) -> None:
        """Sends what is waiting."""
        self._reports.flush()

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            title, _, metric = name.rpartition("/")
            self._reports.report_scalar(title, metric, float(value), step)


@logger
def clearml_task(given: Any) -> Board | None:
    """A task, or a logger that holds one."""
    found = shown_by(given, "clearml")
    return ClearmlBoard(found.get_logger()) if hasattr(found, "get_logger") else None
