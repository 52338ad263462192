"""trackio: ``add_explanation(trackio.init(...), ...)``, or the module for its current run."""

from __future__ import annotations

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


class TrackioBoard:
    """A run of trackio: figures, a picture and a page under the step.

    Args:
        log: The run's, which takes values and a step.
    """

    def __init__(self, log: Any) -> None:
        self._log = log

    def add_explanation(
        self, tag: str, explanation: Explanation, step: int, *, scalars: bool
    ) -> None:
        """Sends what the tool can show."""
        import trackio

        place = f"explanations/{name_of(tag)}"
        values: dict[str, Any] = figures_of(tag, explanation) if scalars else {}
        self._log({**values, f"{place}/picture": trackio.Image(picture_of(explanation))}, step=step)
        page = trackio.Html(page_of(tag, explanation, step), inject=False)
        self._log({f"{place}/page": page}, step=step)

    def add_metrics(self, set_name: str, figures: Mapping[str, float], step: int) -> None:
        """Sends a set's means."""
        self._log(means_under(set_name, figures), step=step)

    def flush(self) -> None:
        """Nothing: the tool sends by itself."""


@logger
def trackio_run(given: Any) -> Board | None:
    """A run, the module, or a logger that holds a run."""
    found = shown_by(given, "trackio")
    return None if found is None else TrackioBoard(found.log)
