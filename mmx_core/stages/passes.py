"""The forwards: one teacher-forced pass per scale, for all tokens.

Only what is needed of a pass is kept: the states of visual positions and of those that predict the
answer (at scale 1.0, of all text).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.layout import VisualSpan
from mmx_core.models.logits import in_turn
from mmx_core.stages.flow import Wanted, watched
from mmx_core.stages.prepare import Prepared

LOGIT_ELEMENTS = 1 << 25
"""Entries of the largest vocabulary-wide temporary: 128 MB in float32. Smaller ones read the head
too often."""

_POSITIONS, _CPU_POSITIONS = 8192, 2048
"""Of one forward, over all of its batch. On a CPU larger ones leave the cache and gain nothing."""

_PATCH_VALUES = 3 * 14 * 14
"""Pixel values that count as a position, where a tower sees more of them than the text model."""


@dataclass(frozen=True)
class States:
    """Kept states of one pass: ``(N, d)`` visual, of all views, and ``(T + E, d)`` predicting."""

    spans: tuple[VisualSpan, ...]
    visual: Tensor
    predicting: Tensor

    def on_planes(self, values: Tensor) -> list[Tensor]:
        """``(T, N)`` values to ``(T, H, W)`` for each view."""
        sizes = [len(span.positions) for span in self.spans]
        parts = torch.split(values, sizes, dim=1)
        return [span.on_plane(part) for span, part in zip(self.spans, parts, strict=True)]


@dataclass(frozen=True)
class Text:
    """Text at scale 1.0: ids, positions, states at and before each of the ``C`` tokens."""

    ids: Tensor
    positions: Tensor
    own: Tensor
    before: Tensor


@dataclass(frozen=True)
class Passes:
    """What is kept of one sample's passes.

    Attributes:
        states: Per scale.
        text: At scale 1.0.
        base: The index of that scale.
        flow: ``(R, C)`` what flowed to the answer's tokens there; or why it could not be read.
    """

    states: list[States]
    text: Text
    base: int
    flow: Tensor | str


def run_passes(
    adapter: ModelAdapter, batch: Sequence[Prepared], scales: Sequence[float]
) -> list[Passes]:
    """One forward per scale for all samples of a batch; what is kept of it, sample by sample.

    Raises:
        ValueError: 1.0 is not among the scales.
    """
    if 1.0 not in scales:
        raise ValueError(f"scales: expected 1.0 among them, got {tuple(scales)}")
    states: list[list[States]] = [[] for _ in batch]
    texts: dict[int, Text] = {}
    flows: list[Tensor | str] = []
    for factor in scales:
        inputs = [
            adapter.encode(
                p.pictures, p.rendered, p.answer_ids, factor=factor, layouts=p.layouts.get(factor)
            )
            for p in batch
        ]
        if factor == 1.0:
            whole, flows = _watched_together(adapter, inputs, batch)
        else:
            whole = forward_together(adapter, inputs)
        for index, (prepared, encoded) in enumerate(zip(batch, inputs, strict=True)):
            hidden, context = whole[index], encoded.context_positions
            rows = prepared.targets(len(context))[0].to(context.device)
            # Indexing copies, so the pass itself is freed before the next.
            states[index].append(
                States(
                    spans=encoded.visual,
                    visual=hidden[torch.cat([span.positions for span in encoded.visual])],
                    predicting=hidden[(context[rows] - 1).clamp_min(0)],
                )
            )
            if factor == 1.0:
                texts[index] = Text(
                    ids=encoded.token_inputs["input_ids"][0].to(context.device)[context],
                    positions=context,
                    own=hidden[context],
                    before=hidden[(context - 1).clamp_min(0)],
                )
        del whole, hidden
    base = list(scales).index(1.0)
    return [Passes(kept, texts[index], base, flows[index]) for index, kept in enumerate(states)]


def forward_together(adapter: ModelAdapter, inputs: Sequence[EncodedInput]) -> Sequence[Tensor]:
    """``(L, d)`` of each input: in one forward, unless their pictures cannot stand in one batch."""
    if len(inputs) > 1 and adapter.can_collate(inputs):
        return adapter.forward(adapter.collate(inputs)).unbind()
    return [adapter.hidden_states(encoded) for encoded in inputs]


def _watched_together(
    adapter: ModelAdapter, inputs: Sequence[EncodedInput], batch: Sequence[Prepared]
) -> tuple[Sequence[Tensor], list[Tensor | str]]:
    """As :func:`forward_together`, and what flows to each sample's answer."""
    wanted = []
    for prepared, encoded in zip(batch, inputs, strict=True):
        context = encoded.context_positions
        # The answer's alone: it is estimated alike, whatever is explained beside it.
        index, ids = (
            values[: len(prepared.answer_ids)].to(context.device)
            for values in prepared.targets(len(context))
        )
        wanted.append(Wanted((context[index] - 1).clamp_min(0), context, ids))
    if len(inputs) > 1 and adapter.can_collate(inputs):
        together = adapter.collate(inputs)
        whole, found = watched(adapter, wanted, lambda: adapter.forward(together))
        return whole.unbind(), [found] * len(inputs) if isinstance(found, str) else [*found]
    states: list[Tensor] = []
    flows: list[Tensor | str] = []
    for encoded, one in zip(inputs, wanted, strict=True):
        hidden, found = watched(adapter, [one], partial(adapter.hidden_states, encoded))
        states.append(hidden)
        flows += [found] if isinstance(found, str) else found
    return states, flows


def positions_of(encoded: EncodedInput) -> int:
    """Positions that one input counts for in a batch."""
    pixels = sum(v.numel() for v in encoded.pixel_inputs.values() if v.is_floating_point())
    return max(encoded.length, pixels // _PATCH_VALUES)


def forward_positions(adapter: ModelAdapter) -> int:
    """Positions of one forward, where nobody gives a bound."""
    return _CPU_POSITIONS if adapter.device.type == "cpu" else _POSITIONS


def log_probabilities(adapter: ModelAdapter, hidden: Tensor, ids: Tensor) -> Tensor:
    """``(B, R, d)`` predicting states to ``(B, R)`` float32, of the explained tokens ``(R,)``."""
    found = own_log_probability(adapter, hidden.flatten(0, 1), ids.repeat(len(hidden)))
    return found.view(hidden.shape[:2])


def own_log_probability(adapter: ModelAdapter, states: Tensor, ids: Tensor) -> Tensor:
    """``(N, d)`` predicting states to ``(N,)`` float32, each of its own token ``(N,)``."""
    parts = [_own(logits, some) for logits, some in _in_chunks(adapter, states, ids)]
    return torch.cat([states.new_empty(0, dtype=torch.float32), *parts])


def predictions(adapter: ModelAdapter, states: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """What ``(N, d)`` predicting states say, each of its own token ``(N,)``; at least one.

    Returns:
        ``(N,)`` float32 log-probabilities, and the first choices ``(N,)`` int64.
    """
    parts = [
        (_own(logits, some), logits.argmax(dim=1))
        for logits, some in _in_chunks(adapter, states, ids)
    ]
    values, top = (torch.cat(part) for part in zip(*parts, strict=True))
    return values, top


def _own(logits: Tensor, ids: Tensor) -> Tensor:
    return logits.gather(1, ids[:, None])[:, 0] - logits.logsumexp(dim=1)


def _in_chunks(
    adapter: ModelAdapter, states: Tensor, ids: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """``(n, V)`` float32 logits and the ids ``(n,)`` that they are asked about."""
    if not len(states):
        return
    size = max(1, min(len(states), LOGIT_ELEMENTS // adapter.vocabulary_size))
    chunks = in_turn(adapter, torch.split(states, size), size)
    for logits, own in zip(chunks, torch.split(ids, size), strict=True):
        yield logits.float(), own
