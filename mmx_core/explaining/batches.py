"""Samples of like length together: which of them share a forward."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mmx_core.errors import without_frames
from mmx_core.explaining.pipeline import Pipeline
from mmx_core.explaining.prepare import Prepared
from mmx_core.explanation import Explanation
from mmx_core.models.sharding import RanksApart
from mmx_core.sample import Sample

_WINDOW = 64
"""Samples looked at together for like lengths; as many explanations may wait for their turn."""


def explained_in_batches(
    pipeline: Pipeline, samples: Iterable[Sample], limit: int
) -> Iterator[Explanation]:
    """Yields explanations in the samples' order; see :meth:`Explainer.explain_batch`.

    Whatever a sample, or the iterable itself, raises comes when its turn comes, behind all that
    came before it.
    """
    waiting = iter(samples)
    while True:
        window, failure = _taken(waiting, _WINDOW if limit else 1)
        yield from _window(pipeline, window, limit)
        if failure is not None:
            raise failure
        if not window:
            return


def _taken(samples: Iterator[Sample], count: int) -> tuple[list[Sample], Exception | None]:
    window: list[Sample] = []
    try:
        window.extend(islice(samples, count))
    except Exception as error:
        return window, error
    return window, None


def _window(pipeline: Pipeline, samples: Sequence[Sample], limit: int) -> Iterator[Explanation]:
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
        found = _explained(pipeline, [ready[index] for index in group])
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
    pipeline: Pipeline, members: Sequence[tuple[Sample, Prepared]]
) -> list[Explanation | Exception]:
    """What became of each; one that fails takes none of the others with it."""
    try:
        return list(pipeline.explain(members))
    except Exception as error:
        if len(members) == 1 or isinstance(error, RanksApart):
            return [without_frames(error)] * len(members)
    return [outcome for member in members for outcome in _explained(pipeline, [member])]


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
