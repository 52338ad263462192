"""Rows of a text that lack something: how they share forwards, and what the targets lose."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.stages.passes import own_log_probability
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.text_pass import TextPass, read_text
from mmx_core.text.tokens import neutral_token

_CALL = {"cpu": 32}
_CALL_ELSEWHERE = 512
"""Positions that a forward of its own is worth, whatever it runs over: accelerators idle before."""

_KEYS_PER_POSITION = 8
"""Kept keys that may be copied for each position that a forward runs over."""


@dataclass(frozen=True)
class Task:
    """One row: what is taken away, and over which positions the text is run for which targets.

    Attributes:
        word: Whatever the row is about, as an index.
        places: Positions taken away.
        begin: The first position to run over.
        end: Behind the last.
        hidden: Whether their keys are hidden; else their embeddings are exchanged.
        targets: Indices of the targets that are read.
    """

    word: int
    places: tuple[int, ...]
    begin: int
    end: int
    hidden: bool
    targets: tuple[int, ...]


def tasks_of(
    text: TextPass, places: Sequence[Sequence[int]], order: Sequence[int], predicting: Tensor
) -> tuple[list[Task], list[Task]]:
    """The rows of words, the most important first, and those for what a word itself predicts.

    Args:
        text: The sample's.
        places: Each word's positions.
        order: The words to take away.
        predicting: ``(R,)`` int64, where each target is predicted.
    """
    begins, at = text.begins, predicting.tolist()
    long: list[Task] = []
    short: list[Task] = []
    for word in order:
        first, last = places[word][0], places[word][-1]
        own = tuple(row for row, position in enumerate(at) if position == last)
        after = tuple(row for row, position in enumerate(at) if position > last)
        # Without its own key the sequence's first position would attend to nothing.
        if text.no_holes is not None or first == 0:
            after, own, hidden = own + after, (), False
        else:
            hidden = True
        where, begin = tuple(places[word]), begins[first]
        if after:
            end = max(at[row] for row in after) + 1
            long.append(Task(word, where, begin, end, hidden, after))
        if own:
            short.append(Task(word, where, begin, last + 1, False, own))
    return long, short


def in_batches(tasks: Sequence[Task], text: TextPass, bound: int) -> list[list[Task]]:
    """Neighbours together where that runs over little more than each needs, up to a bound.

    Those with the most important row come first; the order of ``tasks`` says which it is.
    """
    rank = {id(task): place for place, task in enumerate(tasks)}
    sorted_tasks = sorted(tasks, key=lambda task: task.begin)
    count = len(sorted_tasks)
    call = _CALL.get(text.embeddings.device.type, _CALL_ELSEWHERE)
    spans = [_span(text, task.begin, task.end) for task in sorted_tasks]
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first so many, and the last batch's
    for stop in range(1, count + 1):
        found = (best[stop - 1][0] + spans[stop - 1] + call, stop - 1)
        end, alone = sorted_tasks[stop - 1].end, spans[stop - 1]
        for start in range(stop - 2, -1, -1):
            end = max(end, sorted_tasks[start].end)
            size, span = stop - start, _span(text, sorted_tasks[start].begin, end)
            alone += spans[start]
            # The earlier the first begins, the more the others run over what they do not need.
            if size * span > alone + size * call or size > _most_rows(text, span, bound):
                break
            found = min(found, (best[start][0] + size * span + call, start))
        best.append(found)
    batches = []
    stop = count
    while stop:
        start = best[stop][1]
        batches.append(sorted_tasks[start:stop])
        stop = start
    return sorted(batches, key=lambda batch: min(rank[id(task)] for task in batch))


def in_short_batches(tasks: Sequence[Task], text: TextPass, bound: int) -> Iterator[list[Task]]:
    """Rows of about one length, each ending at its own place."""
    begins = text.begins
    sizes: dict[int, list[Task]] = {}
    for task in tasks:
        sizes.setdefault((task.end - task.begin - 1).bit_length(), []).append(task)
    for group in sizes.values():
        span = max(task.end - task.begin for task in group)
        together = [t for t in group if t.end >= span and begins[t.end - span] == t.end - span]
        yield from ([task] for task in group if task not in together)
        rows = _most_rows(text, span, bound)
        for start in range(0, len(together), rows):
            yield together[start : start + rows]


def _span(text: TextPass, begin: int, end: int) -> int:
    """Positions of a row; all of them where none can be left out."""
    return text.length if text.cache is None else end - begin


def _most_rows(text: TextPass, span: int, bound: int) -> int:
    return max(1, min(bound // span, _KEYS_PER_POSITION * bound // text.length))


class Reader:
    """Reads how likely a sample's targets are in rows of its text that lack something.

    The targets are the answer's ``T`` tokens, then those beside them.

    Args:
        adapter: The model's.
        prepared: The sample; one forward reads it.

    Attributes:
        text: What the text model was given.
        visual: The views' tokens.
        context: ``(C,)`` int64 on the CPU, the positions of all text.
        predicting: ``(R,)`` int64 on the CPU, where each target is predicted; -1 where nothing
            predicts it.
        whole: ``(R,)`` float32, ``log p`` of each with nothing taken away.
    """

    def __init__(self, adapter: ModelAdapter, prepared: Prepared) -> None:
        encoded = adapter.encode(
            prepared.pictures,
            prepared.rendered,
            prepared.answer_ids,
            factor=1.0,
            layouts=prepared.layouts.get(1.0),
        )
        self.text = read_text(adapter, encoded)
        self.visual = encoded.visual
        self.context = encoded.context_positions.cpu()
        rows, ids = prepared.targets(len(self.context))
        self.predicting = self.context[rows] - 1
        self._adapter, device = adapter, self.text.states.device
        self._ids = ids.to(device)
        states = self.text.states[self.predicting.clamp_min(0).to(device)]
        self.whole = own_log_probability(adapter, states, self._ids)

    def late(self, begun: float, seconds: float) -> bool:
        """Whether more time than that has gone by since, on the first rank: all stop together."""
        late = time.monotonic() - begun > seconds
        sharding = self._adapter.sharding
        return late if sharding is None else bool(sharding.first(late))

    @cached_property
    def neutral(self) -> int:
        """The token in a word's place."""
        return neutral_token(self._adapter.tokenizer)

    @property
    def neutral_text(self) -> str:
        """:attr:`neutral` as a person reads it."""
        return self._adapter.token_text(self.neutral)

    def lost(self, batch: Sequence[Task], *, short: bool = False) -> list[NDArray[Any]]:
        """Of each row ``log p`` of its targets less what it is there, float32 nats.

        Args:
            batch: The rows.
            short: Whether each ends at its own place, instead of all running over the same.
        """
        text = self.text
        if text.cache is None:
            places = torch.arange(text.length).expand(len(batch), -1)
        elif short:
            size = max(task.end - task.begin for task in batch)
            ends = torch.tensor([task.end for task in batch])
            places = ends[:, None] - size + torch.arange(size)
        else:
            span = torch.arange(min(t.begin for t in batch), max(t.end for t in batch))
            places = span.expand(len(batch), -1)
        states = text.run(places, **self._changes(batch, places))
        rows = [row for row, task in enumerate(batch) for _ in task.targets]
        targets = [target for task in batch for target in task.targets]
        columns = self.predicting[targets] - places[rows, 0]
        at = torch.tensor(targets, device=states.device)
        found = states[rows, columns.to(states.device)]
        left = own_log_probability(self._adapter, found, self._ids[at])
        counts = [len(task.targets) for task in batch]
        return [values.numpy() for values in torch.split((self.whole[at] - left).cpu(), counts)]

    def _changes(self, batch: Sequence[Task], places: Tensor) -> dict[str, Tensor]:
        text = self.text
        hidden = torch.zeros(len(batch), text.length, dtype=torch.bool)
        exchanged = torch.zeros_like(hidden)
        for row, task in enumerate(batch):
            (hidden if task.hidden else exchanged)[row, list(task.places)] = True
        changes = {"hidden": hidden} if hidden.any() else {}
        if exchanged.any():
            device = text.embeddings.device
            where, at = exchanged.gather(1, places).to(device), places.to(device)
            neutral = torch.tensor([[self.neutral]], device=device)
            embedded = self._adapter.model.get_input_embeddings()(neutral)
            own = text.embeddings[0, at]
            changes["embeddings"] = torch.where(where[..., None], embedded.to(own), own)
            per_layer = text.others.get("per_layer_inputs")
            if per_layer is not None:
                other = text.module.get_per_layer_inputs(neutral).to(per_layer)
                changes["per_layer"] = torch.where(where[..., None, None], other, per_layer[0, at])
        return changes
