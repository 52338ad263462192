"""Samples of like length together: which of them share a forward."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from mmx_core.explanation import Explanation
from mmx_core.prepare import Prepared
from mmx_core.sample import Sample

if TYPE_CHECKING:
    from mmx_core.explainer import Explainer

_WINDOW = 64
"""Samples looked at together for like lengths; as many explanations may wait for their turn."""


def explained_in_batches(
    explainer: Explainer, samples: Iterable[Sample], limit: int
) -> Iterator[Explanation]:
    """Yields explanations in the samples' order; see :meth:`Explainer.explain_batch`.

    A sample that cannot be explained raises when its turn comes, behind those before it.
    """
    waiting = iter(samples)
    while window := list(islice(waiting, _WINDOW if limit else 1)):
        yield from _window(explainer, window, limit)


def _window(explainer: Explainer, samples: Sequence[Sample], limit: int) -> Iterator[Explanation]:
    ready: list[tuple[int, Prepared]] = []
    failures: dict[int, Exception] = {}
    for index, sample in enumerate(samples):
        try:
            ready.append((index, explainer.prepare(sample)))
        except Exception as error:  # raised below, behind the samples before it
            failures[index] = error
            break
    lengths = [longest(explainer, prepared) if limit else 0 for _, prepared in ready]
    done: dict[int, Explanation] = {}
    following = 0
    for group in grouped(lengths, limit):
        members = [ready[place] for place in group]
        explained = explainer.explain_together([(samples[i], p) for i, p in members])
        for index, _ in members:
            try:
                done[index] = next(explained)
            except Exception as error:  # as above
                failures[index] = error
                break
        while following in done:
            yield done.pop(following)
            following += 1
        if following in failures:
            break
    if failures:
        raise failures[min(failures)]


def longest(explainer: Explainer, prepared: Prepared) -> int:
    """Positions of a sample at its finest scale."""
    layouts = explainer.adapter.layouts(prepared.pictures, max(explainer.scales))
    visual = sum(len(layout.ids) for layout in layouts)
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
