"""inspect_ai: chosen samples of any task are explained once they are answered and scored."""

from __future__ import annotations

import base64
import dataclasses
import io
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

from PIL import Image

from mmx_core.events.guard import guarded
from mmx_core.events.writer import ExplanationWriter, add_explanation, add_metrics
from mmx_core.explainer import Explainer
from mmx_core.integrations.probing import ExplainWarning

_EXPLAINING = "explaining samples of inspect_ai"
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""What inspect_ai's scorers say in a letter, as its metrics count it."""


@contextmanager
def explaining(
    explainer: Explainer,
    *,
    logdir: str | os.PathLike[str],
    samples: Iterable[int | str],
    step: int = 0,
    seconds: float = 600.0,
    private: bool | None = None,
    strict: bool | None = None,
    also: Iterable[Any] = (),
) -> Iterator[None]:
    """Explains chosen samples of what ``inspect_ai.eval`` evaluates within.

    A hook: the evaluation runs as it would. Whatever provider has answered, the text of its last
    answer is put into ``explainer``'s model word by word, which therefore has to be the model that
    answers. Each sample is logged as ``TASK/ID`` (of a further epoch as ``TASK/ID.2``...) with its
    numeric scores as metrics, and each task's own metrics as its means. Samples that were chosen
    and not explained are warned of at the end.

    Args:
        explainer: Of the model that answers.
        logdir: The run's directory.
        samples: Ids of samples, of every task.
        step: The training's.
        seconds: Explain no more once explaining has taken so long.
        private: Leave out the paths of files (docs/privacy.md).
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``. What a
            hook raises inspect_ai writes to its log, and goes on.
        also: Where explanations go beside the event file: whatever ``add_explanation`` takes.

    Raises:
        TypeError: No samples are named, or by something else than numbers and texts.

    Example:
        >>> with mmx_core.integrations.inspect_ai.explaining(
        ...     explainer, logdir="runs/a", samples=["7", "12"]
        ... ):
        ...     inspect_ai.eval(task, model="vllm/Qwen/Qwen2.5-VL-3B-Instruct")
    """
    from inspect_ai import hooks

    chosen = frozenset(samples)
    if not chosen or not all(isinstance(one, (int, str)) for one in chosen):
        raise TypeError(f"samples: expected ids, such as [1, 'seven'], got {samples!r}")
    left = set(chosen)
    tasks: dict[str, str] = {}
    running, spent = True, 0.0

    with ExplanationWriter(logdir, private=private, strict=strict) as writer:
        places = (writer, *also)

        @hooks.hooks(name="mmx", description="explains chosen samples, token by token")
        class Explaining(hooks.Hooks):
            def enabled(self) -> bool:
                return running

            async def on_task_start(self, data: Any) -> None:
                tasks[data.eval_id] = data.spec.task.rpartition("/")[2]

            async def on_sample_end(self, data: Any) -> None:
                nonlocal spent
                if data.sample.id not in chosen or spent >= seconds:
                    return
                begun = time.monotonic()
                try:
                    with guarded(_EXPLAINING, strict=strict):
                        _log(explainer, data.sample, tasks[data.eval_id], places, step, strict)
                        left.discard(data.sample.id)
                finally:
                    spent += time.monotonic() - begun

            async def on_task_end(self, data: Any) -> None:
                for place in places:
                    figures = _aggregated(data.log.results)
                    add_metrics(place, tasks[data.eval_id], figures, step, strict=strict)

        try:
            yield
        finally:
            running = False
    if left:
        warnings.warn(
            f"{', '.join(map(str, left))}: chosen, and not explained: no sample of that id was "
            "answered, it shows no picture, came after what `seconds` allow, or failed (see above)",
            ExplainWarning,
            stacklevel=3,
        )


def _log(
    explainer: Explainer, given: Any, task: str, places: Sequence[Any], step: int, strict: Any
) -> None:
    name = f"{given.id}" if given.epoch == 1 else f"{given.id}.{given.epoch}"
    explanation = explainer.explain(messages=_messages(given.messages), id=name)
    metrics = {**explanation.metrics, **_figures(given.scores or {})}
    explanation = dataclasses.replace(explanation, metrics=metrics)
    for place in places:
        add_explanation(place, f"{task}/{name}", explanation, step, strict=strict)


def _messages(given: Sequence[Any]) -> list[dict[str, Any]]:
    """A conversation up to its last answer, in the form of chat templates."""
    last = max((at for at, one in enumerate(given) if one.role == "assistant"), default=-1)
    if last < 0 or not given[last].text:
        raise ValueError("messages: expected an answer in words, got none")
    return [{"role": one.role, "content": _content(one.content)} for one in given[: last + 1]]


def _content(given: str | Sequence[Any]) -> str | list[dict[str, Any]]:
    return given if isinstance(given, str) else [_part(one) for one in given]


def _part(given: Any) -> dict[str, Any]:
    if given.type == "text":
        return {"type": "text", "text": given.text}
    if given.type != "image" or not given.image.startswith("data:"):
        raise ValueError(
            f"messages: expected text and pictures, got {given.type} "
            "(a picture from the web is not fetched; give it as a file)"
        )
    content = base64.b64decode(given.image.partition(",")[2])
    return {"type": "image", "image": Image.open(io.BytesIO(content))}


def _figures(scores: Mapping[str, Any]) -> dict[str, float]:
    """A sample's scores that are numbers, or letters that stand for some."""
    values = {name: score.value for name, score in scores.items()}
    graded = {n: _GRADES.get(v) if isinstance(v, str) else v for n, v in values.items()}
    return {name: float(value) for name, value in graded.items() if isinstance(value, Real)}


def _aggregated(results: Any) -> dict[str, float]:
    """A task's own metrics, as ``SCORER.METRIC``."""
    return {
        f"{score.name}.{name}": float(metric.value)
        for score in (results.scores if results else ())
        for name, metric in score.metrics.items()
    }
