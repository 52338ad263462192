"""Samples of like length together: which of them share a forward."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from mmx_core.errors import without_frames
from mmx_core.explanation import Explanation
from mmx_core.models.sharding import RanksApart
from mmx_core.sample import Sample, as_sample
from mmx_core.stages.pipeline import Pipeline
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.references import References

_WINDOW = 64
"""Samples looked at together for like lengths; as many explanations may wait for their turn."""

_AHEAD = 16
"""Samples looked at ahead for other pictures, where they come one by one."""

T = TypeVar("T")
Given = Sample | Mapping[str, Any]


def explained_in_batches(
    pipeline: Pipeline,
    samples: Iterable[Given],
    limit: int,
    references: Iterable[Given] | None = None,
    *,
    image_gain: bool = False,
) -> Iterator[Explanation]:
    """Yields explanations in the samples' order; see :meth:`Explainer.explain_batch`.

    Whatever a sample, or the iterable itself, raises comes when its turn comes, behind all that
    came before it.
    """
    others = None
    if image_gain:
        if references is None:
            references, samples = _known(samples)
        others = References(references)
    waiting = map(as_sample, samples)
    while True:
        window, failure = _taken(waiting, _WINDOW if limit else 1)
        yield from _window(pipeline, window, limit, others)
        if failure is not None:
            raise failure
        if not window:
            return


def _known(samples: Iterable[Given]) -> tuple[Sequence[Given], Iterable[Given]]:
    """Samples whose pictures can stand in for each other's, and all as they were."""
    if isinstance(samples, Sequence):
        return samples, samples
    coming = iter(samples)
    first, failure = _taken(coming, _AHEAD)
    return first, _again(first, failure, coming)


def _again(first: Sequence[T], failure: Exception | None, others: Iterator[T]) -> Iterator[T]:
    yield from first
    if failure is not None:
        raise failure
    yield from others


def _taken(samples: Iterator[T], count: int) -> tuple[list[T], Exception | None]:
    window: list[T] = []
    try:
        window.extend(islice(samples, count))
    except Exception as error:
        return window, error
    return window, None


def _window(
    pipeline: Pipeline, samples: Sequence[Sample], limit: int, references: References | None
) -> Iterator[Explanation]:
    ready: list[tuple[Sample, Prepared]] = []
    failure: Exception | None = None
    for sample in samples:
        try:
            ready.append((sample, pipeline.prepare(sample)))
        except Exception as error:
            # Memory may be what was short.
            failure = without_frames(error)
            break
    lengths = [longest(prepared) if limit else 0 for _, prepared in ready]
    done: dict[int, Explanation | Exception] = {}
    following = 0
    for group in grouped(lengths, limit):
        found = _explained(pipeline, [ready[index] for index in group], references, limit)
        done.update(zip(group, found, strict=True))
        while following in done:
            outcome = done.pop(following)
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
            following += 1
    if failure is not None:
        raise failure


def _explained(
    pipeline: Pipeline,
    members: Sequence[tuple[Sample, Prepared]],
    references: References | None,
    limit: int,
) -> list[Explanation | Exception]:
    """What became of each; one that fails takes none of the others with it."""
    try:
        return list(pipeline.explain(members, references, positions=limit))
    except Exception as error:
        if len(members) == 1 or isinstance(error, RanksApart):
            return [without_frames(error)] * len(members)
    return [
        outcome
        for member in members
        for outcome in _explained(pipeline, [member], references, limit)
    ]


def longest(prepared: Prepared) -> int:
    """Positions of a sample at its finest scale."""
    visual = sum(len(layout.ids) for layout in prepared.layouts[max(prepared.layouts)])
    return visual + len(prepared.rendered.text) + len(prepared.answer_ids)


def grouped(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Indices of samples that share a forward, ordered by their first.

    Like lengths go together, as many as fit with padding; one that does not fit goes alone.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        # Ascending, so that this one is the longest of its group and the others are padded to it.
        if groups and (len(groups[-1]) + 1) * lengths[index] <= limit:
            groups[-1].append(index)
        else:
            groups.append([index])
    return sorted((sorted(group) for group in groups), key=lambda group: group[0])
