"""lmms-eval: chosen documents of any task are explained while they are evaluated.

``python -m mmx_core.integrations.lmms_eval --logdir DIR --documents ID... -- ARGUMENTS`` runs
lmms-eval's own command with these arguments.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

from torch import distributed

from mmx_core.events.guard import guarded, warn_once
from mmx_core.events.writer import ExplanationWriter, add_explanation, add_metrics
from mmx_core.explainer import Explainer
from mmx_core.explanation import Explanation
from mmx_core.integrations.probing import ExplainWarning
from mmx_core.integrations.watching import Watch
from mmx_core.settings import check_settings, require_positive

Documents = Iterable[int] | Mapping[str, Iterable[int]]

_EXPLAINING = "explaining documents of lmms-eval"
_DESCRIBING = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "token_counts"}
    | {"doc_hash", "input_media"}
)
"""What lmms-eval's record of a document holds beside its scores."""


@contextmanager
def explaining(
    *,
    logdir: str | os.PathLike[str],
    documents: Documents,
    step: int = 0,
    samples: int = 64,
    seconds: float = 600.0,
    processor: Any = None,
    private: bool | None = None,
    strict: bool | None = None,
    also: Iterable[Any] = (),
    **settings: Any,
) -> Iterator[None]:
    """Explains chosen documents in whatever lmms-eval evaluates within.

    The evaluation runs as it would: batches, answers and scores are lmms-eval's own. Each document
    is logged as ``TASK/DOC_ID`` (further answers to it as ``TASK/DOC_ID.2``...), with its numeric
    scores as metrics, and each task's own aggregated scores as its means. What is explained is what
    ``generate`` was given and has answered; where that is another text than what was scored,
    nothing is logged. Documents that were chosen and not explained are warned of at the end.

    Args:
        logdir: The run's directory.
        documents: Ids of documents, of every task, or by the task's name.
        step: The training's.
        samples: Explain at most so many answers, in each process.
        seconds: Explain no more once explaining has taken so long.
        processor: The model's; found in the lmms-eval model where it is None.
        private: Leave out the paths of files (docs/privacy.md).
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        also: Where explanations go beside the event file: whatever ``add_explanation`` takes.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Raises:
        TypeError: An unknown setting, or documents that are no ids; once evaluation begins, a model
            whose answers are generated elsewhere than in a model of transformers.
        ValueError: A setting out of its range, or the model is not supported.

    Example:
        >>> with mmx_core.integrations.lmms_eval.explaining(logdir="runs/a", documents=[0, 7]):
        ...     evaluator.simple_evaluate(model="qwen2_5_vl", tasks=["mme"], batch_size=1)
    """
    from lmms_eval import evaluator

    chosen = _checked(documents)
    check_settings(settings)
    require_positive(samples=samples)
    original = evaluator.evaluate

    def evaluate(*arguments: Any, **named: Any) -> Any:
        lm = named["lm"] if "lm" in named else arguments[0]
        model, own = _parts(lm, processor)
        reading = _Reading(chosen)
        explained: dict[str, Explanation] = {}
        explainer = Explainer(model, own, **settings)
        watch = Watch(
            explainer,
            reading.tags,
            explained.__setitem__,
            samples=samples,
            seconds=seconds,
            step=step,
            strict=strict,
        )
        with reading.watching(lm), watch.watching(model, own):
            results = original(*arguments, **{**named, "log_samples": True})
        with guarded(_EXPLAINING, strict=strict):
            explained = _gathered(explained)
            if results is not None:  # the first process's
                with ExplanationWriter(logdir, private=private, strict=strict) as writer:
                    _log(explained, results, chosen, (writer, *also), step, strict)
        if results is not None and not named.get("log_samples", True):
            results.pop("samples", None)
        return results

    evaluator.evaluate = evaluate
    try:
        yield
    finally:
        evaluator.evaluate = original


class _Reading:
    """Which documents a model reads, in order, so that its next batch is known to be theirs."""

    def __init__(self, chosen: Callable[[str, int], bool]) -> None:
        self._chosen = chosen
        self._read: list[tuple[str, int]] = []
        self._answers: dict[str, int] = {}

    @contextmanager
    def watching(self, lm: Any) -> Iterator[None]:
        """Within, the model's documents tell that they are read."""
        given = lm.task_dict
        lm.task_dict = {
            task: {name: _Split(split, task, self._read.append) for name, split in data.items()}
            for task, data in given.items()
        }
        try:
            yield
        finally:
            lm.task_dict = given

    def tags(self, prompts: int, answers: int) -> list[str | None]:
        """Those of the answers to what was read since the last call."""
        read, self._read[:] = list(self._read), []
        if len(read) != prompts:
            read = list(dict.fromkeys(read))  # once for the pictures, say, and once for the words
        if len(read) != prompts:
            warn_once(
                _EXPLAINING,
                "reading",
                f"leaves out a batch of {prompts}: this model has read {len(read)} documents for "
                "it, so that it is not known which prompt is whose; batch_size=1 may help",
            )
            return [None] * answers
        each = answers // prompts
        return [self._tag(*one) for one in read for _ in range(each)]

    def _tag(self, task: str, doc_id: int) -> str | None:
        if not self._chosen(task, doc_id):
            return None
        tag = f"{task}/{doc_id}"
        count = self._answers[tag] = self._answers.get(tag, 0) + 1
        return tag if count == 1 else f"{tag}.{count}"


class _Split:
    """A split of a task's data set that tells which of its documents are read."""

    def __init__(self, split: Any, task: str, told: Callable[[tuple[str, int]], None]) -> None:
        self._split, self._task, self._told = split, task, told

    def __getitem__(self, key: Any) -> Any:
        found = self._split[key]
        if isinstance(key, int):
            self._told((self._task, key))
        return found

    def __len__(self) -> int:
        return len(self._split)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._split, name)


def _log(
    explained: Mapping[str, Explanation],
    results: Mapping[str, Any],
    chosen: Callable[[str, int], bool],
    places: Iterable[Any],
    step: int,
    strict: bool | None,
) -> None:
    """Each explanation with its document's scores, and each task's own figures."""
    places, missing = tuple(places), []
    for task, records in results["samples"].items():
        scored = {record["doc_id"]: record for record in reversed(records)}  # the first filter's
        for doc_id, record in sorted(scored.items()):
            if not chosen(task, doc_id):
                continue
            name = f"{task}/{doc_id}"
            tags = [tag for tag in explained if tag == name or tag.startswith(f"{name}.")]
            own = [t for t in tags if _is_scored(explained[t].answer, record["resps"])]
            if not own or len(own) < len(tags):
                missing.append(name)
            for tag in own:
                metrics = {**explained[tag].metrics, **_figures(record)}
                explanation = dataclasses.replace(explained[tag], metrics=metrics)
                for place in places:
                    add_explanation(place, tag, explanation, step, strict=strict)
        for place in places:
            add_metrics(place, task, _aggregated(results["results"][task]), step, strict=strict)
    if missing or not explained:
        warnings.warn(
            f"{', '.join(missing) or 'no document'}: chosen, and evaluated without an explanation "
            "of all its answers: they were not generated here (scored by likelihood, taken from a "
            "cache), show no picture, came after what `samples` and `seconds` allow, or are other "
            "texts than were scored",
            ExplainWarning,
            stacklevel=2,
        )


def _is_scored(answer: str, given: Any) -> bool:
    """Whether an answer is among the texts that were scored, which may be cut at a stop word."""
    if isinstance(given, str):
        return bool(given.strip()) and given.strip() in answer
    return isinstance(given, (list, tuple)) and any(_is_scored(answer, one) for one in given)


def _figures(record: Mapping[str, Any]) -> dict[str, float]:
    """A document's scores; of those that are mappings, their ``score``."""
    scores = {
        name: value.get("score") if isinstance(value, Mapping) else value
        for name, value in record.items()
        if name not in _DESCRIBING
    }
    return {name: float(value) for name, value in scores.items() if isinstance(value, Real)}


def _aggregated(result: Mapping[str, Any]) -> dict[str, float]:
    """A task's scores, which lmms-eval names ``METRIC,FILTER``."""
    named = {name.removesuffix(",none"): value for name, value in result.items() if "," in name}
    return {
        name.replace(",", "."): float(value)
        for name, value in named.items()
        if isinstance(value, Real) and "_stderr" not in name
    }


def _gathered(explained: dict[str, Explanation]) -> dict[str, Explanation]:
    """Those of all processes, in the first; its own documents go before those that padded it."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return explained
    every: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, explained)
    return {tag: one for own in reversed(every) for tag, one in own.items()}


def _parts(lm: Any, processor: Any) -> tuple[Any, Any]:
    """The model that generates, and its processor."""
    model = getattr(lm, "model", None)
    if not hasattr(model, "generate") or not hasattr(model, "config"):
        raise TypeError(
            f"lm: expected a model of transformers as its `model`, got {type(lm).__name__}, whose "
            "answers are generated elsewhere; evaluate with lmms-eval's model that runs it by "
            "transformers"
        )
    if processor is None:
        held = vars(lm).values()
        parts = ("image_processor", "tokenizer")
        processor = next((one for one in held if all(hasattr(one, p) for p in parts)), None)
    if processor is None:
        raise TypeError(
            f"processor: expected the model's, got None, and {type(lm).__name__} holds none"
        )
    return model, processor


def _checked(documents: Documents) -> Callable[[str, int], bool]:
    """Whether a task's document is among those."""
    tasks = documents if isinstance(documents, Mapping) else {None: documents}
    ids = {task: frozenset(own) for task, own in tasks.items()}
    if not any(ids.values()) or not all(isinstance(i, int) for own in ids.values() for i in own):
        raise TypeError(f"documents: expected ids, such as [0, 7], got {documents!r}")
    return lambda task, doc_id: doc_id in ids.get(task, ids.get(None, ()))


def main() -> None:
    """Runs lmms-eval's command with the arguments after ``--``."""
    parser = argparse.ArgumentParser(
        prog="python -m mmx_core.integrations.lmms_eval",
        usage="%(prog)s --logdir DIR --documents ID [ID ...] [--step N] -- LMMS_EVAL_ARGUMENTS",
        description=main.__doc__,
    )
    parser.add_argument("--logdir", required=True, help="the run's directory")
    parser.add_argument("--documents", type=int, nargs="+", required=True, help="of every task")
    parser.add_argument("--step", type=int, default=0, help="the training's")
    given = sys.argv[1:]
    cut = given.index("--") if "--" in given else len(given)
    own = parser.parse_args(given[:cut])
    from lmms_eval.__main__ import cli_evaluate

    sys.argv = ["lmms-eval", *given[cut + 1 :]]
    with explaining(logdir=own.logdir, documents=own.documents, step=own.step):
        cli_evaluate()


if __name__ == "__main__":
    main()
