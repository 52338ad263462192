"""Weights & Biases: ``add_explanation(wandb.run, ...)``, or the module for its current run."""

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

_AXIS = "mmx_step"
_PENDING = "_mmx_pending"


class WandbBoard:
    """A run of Weights & Biases: figures over ``mmx_step``, a picture and a page.

    Values are added to the row that the run is writing, so that its own steps never move: what the
    user logs under a step of his own is not dropped for one of ours. A row is ended where it holds
    an earlier value already.

    Args:
        run: The run; one that was never begun, as in processes that do not log, is None.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        # On the run, as another board of the same run may come.
        self._pending = {} if run is None else run.__dict__.setdefault(_PENDING, {})
        if run is not None and not self._pending:
            for names in ("explanations/*", "mmx_metrics/*", "mmx_sample_metrics/*"):
                run.define_metric(names, step_metric=_AXIS)
            self._pending[_AXIS] = None

    def add_explanation(
        self, tag: str, explanation: Explanation, step: int, *, scalars: bool
    ) -> None:
        """Sends what the tool can show."""
        if self._run is None:
            return
        import wandb

        place = f"explanations/{name_of(tag)}"
        self._log(step, figures_of(tag, explanation) if scalars else {})
        self._log(step, {f"{place}/picture": wandb.Image(picture_of(explanation))})
        page = wandb.Html(page_of(tag, explanation, step), inject=False)
        self._log(step, {f"{place}/page": page})

    def add_metrics(self, set_name: str, figures: Mapping[str, float], step: int) -> None:
        """Sends a set's means."""
        if self._run is not None:
            self._log(step, means_under(set_name, figures))

    def flush(self) -> None:
        """Nothing: the tool sends by itself."""

    def _log(self, step: int, values: Mapping[str, Any]) -> None:
        if any(self._pending.get(name) == self._run.step for name in values) or self._pending[
            _AXIS
        ] not in (None, step):
            self._run.log({}, commit=True)
        self._run.log({**values, _AXIS: step}, commit=False)
        self._pending.update(dict.fromkeys(values, self._run.step))
        self._pending[_AXIS] = step


@logger
def wandb_run(given: Any) -> Board | None:
    """A run, the module, or a logger that holds a run."""
    found = shown_by(given, "wandb")
    if found is None:
        return None
    run = found.run if hasattr(found, "init") and hasattr(found, "Html") else found
    return WandbBoard(run)
