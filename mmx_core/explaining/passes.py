"""The forwards and what is read from them: one teacher-forced pass per scale, for all tokens.

Only what is needed of a pass is kept: the states of visual positions and of those that predict the
answer (at scale 1.0, of all text). Vocabulary-wide logits exist for text positions alone, in
chunks. Results cross to the host once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmx_core.attribution.agreement import Agreement, agreement
from mmx_core.attribution.arc import rank_biased_overlap
from mmx_core.attribution.logit_lens import gathered_logits, lens, view_grounding
from mmx_core.attribution.msea import aggregate
from mmx_core.attribution.rank_filter import rank_gaussian_filter
from mmx_core.attribution.ranking import Ranked, leading
from mmx_core.attribution.suppression import (
    share,
    share_weights,
    subtract,
    subtractive_weights,
)
from mmx_core.explaining.prepare import Prepared
from mmx_core.explanation import FloatArray
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.layout import VisualSpan
from mmx_core.models.running import to_host
from mmx_core.settings import Settings

_CHUNK_ELEMENTS = 1 << 25
"""Entries of the largest vocabulary-wide temporary: 128 MB in float32. Smaller ones read the head
too often."""


@dataclass(frozen=True)
class Measured:
    """Everything read from the passes, on the host. Lists have one entry per scale.

    Rows are the ``T`` answer tokens, then the ``E`` targets asked for beside them; ``maps`` and
    ``heatmaps`` have one array per view. ``frames`` are those of each view of a picture, by its
    index; empty for an image.
    """

    text_positions: NDArray[np.int64]
    frames: dict[int, list[tuple[int, ...]]]
    predicted: NDArray[np.bool_]
    grids: list[tuple[tuple[int, int], ...]]
    maps: list[tuple[FloatArray, ...]]
    probability: list[FloatArray]
    rank: list[NDArray[np.int64]]
    divergence: list[FloatArray]
    top_ids: list[NDArray[np.int64]]
    top_probability: list[FloatArray]
    heatmaps: tuple[FloatArray, ...]
    relevance: FloatArray
    text_activation: FloatArray
    interference_weights: FloatArray
    view_grounding: FloatArray
    candidate_ids: NDArray[np.int64]
    candidate_probabilities: FloatArray


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


def measure(
    adapter: ModelAdapter, prepared: Prepared, scales: Sequence[float], settings: Settings
) -> Measured:
    """Runs one pass per scale and computes the whole explanation on the model's device.

    Raises:
        ValueError: Hidden states are not finite.
    """
    states, text = run_passes(adapter, [prepared], scales)[0]
    return read_passes(adapter, prepared, states, text, scales, settings)


def read_passes(
    adapter: ModelAdapter,
    prepared: Prepared,
    states: Sequence[States],
    text: Text,
    scales: Sequence[float],
    settings: Settings,
) -> Measured:
    """Computes the whole explanation from what was kept of the passes.

    Raises:
        ValueError: Hidden states are not finite.
    """
    base = scales.index(1.0)
    context_size, device = len(text.ids), text.ids.device
    # Read once: an offloaded or quantised head is fetched or unpacked each time.
    head = adapter.head_weight, adapter.head_bias
    rows, targets = (values.to(device) for values in prepared.targets(context_size))
    everything = torch.cat([text.ids, targets])
    classes, all_classes = torch.unique(everything, return_inverse=True)
    class_of, target_class = all_classes[:context_size], all_classes[context_size:]

    agreed, ranked = _predictions(adapter, prepared, text, states, targets, base, settings, head)
    first = text.positions == 0
    rankings = ranked.ids[:, : settings.top_k]
    overlap = rank_biased_overlap(
        rankings[rows], rankings, persistence=settings.persistence
    ).masked_fill(first, 0.0)

    column = torch.arange(context_size, device=device)
    before = column < rows[:, None]
    written = prepared.counted(context_size).to(device)
    activation = lens(gathered_logits(text.own, head[0], targets, head[1]))

    logits = [gathered_logits(s.visual, head[0], classes, head[1]) for s in states]
    raw = [lens(z[target_class]) for z in logits]
    checked = [*logits, activation, ranked.probability, agreed.probability]
    finite = torch.stack([torch.isfinite(values).all() for values in checked]).all()
    clean, weights = _suppress(
        raw,
        logits,
        base,
        settings,
        overlap=overlap,
        activation=activation,
        before=before,
        own=column == rows[:, None],
        written=written,
        class_of=class_of,
        target_class=target_class,
    )
    planes = [s.on_planes(values) for s, values in zip(states, clean, strict=True)]
    highest = [values.amax(dim=1) for values in clean]
    heatmaps = [
        aggregate(
            maps,
            aggregation=settings.aggregation,
            probability=agreed.probability,
            highest=highest if len(spans) > 1 else None,
            partial=any(span.view.partial for span in spans),
        )
        for maps, spans in zip(
            zip(*planes, strict=True), zip(*(s.spans for s in states), strict=True), strict=True
        )
    ]
    if settings.rank_filter:
        heatmaps = [rank_gaussian_filter(maps) for maps in heatmaps]
    counted = torch.where(before & written, activation, 0.0)
    by_view = view_grounding(raw[base], counted, [len(s.positions) for s in states[base].spans])

    hidden = ~before
    # Everything crosses to the host in one copy per dtype: each copy waits for the device.
    whole = [text.positions, ~first, finite, agreed.rank, agreed.top_id, ranked.ids]
    unsuppressed = [s.on_planes(values) for s, values in zip(states, raw, strict=True)]
    real = [
        *(maps for scale in unsuppressed for maps in scale),
        agreed.probability,
        agreed.divergence,
        agreed.top_probability,
        *heatmaps,
        overlap.masked_fill(hidden, torch.nan),
        activation.masked_fill(hidden, torch.nan),
        weights,
        by_view,
        ranked.probability,
    ]
    positions, predicted, is_finite, rank, top_id, leaders = to_host(whole)
    if not is_finite:
        raise ValueError("the model's logits are not finite (NaN or infinity); check its weights")
    floats = iter(to_host(real))
    return Measured(
        text_positions=positions,
        frames=_frames(states[base].spans),
        predicted=predicted.astype(bool),
        grids=[tuple(span.grid for span in s.spans) for s in states],
        maps=[tuple(next(floats) for _ in scale) for scale in unsuppressed],
        probability=list(next(floats)),
        rank=list(rank),
        divergence=list(next(floats)),
        top_ids=list(top_id),
        top_probability=list(next(floats)),
        heatmaps=tuple(next(floats) for _ in heatmaps),
        relevance=next(floats),
        text_activation=next(floats),
        interference_weights=next(floats),
        view_grounding=next(floats),
        candidate_ids=leaders[:, : settings.candidates],
        candidate_probabilities=next(floats)[:, : settings.candidates],
    )


def _frames(spans: Sequence[VisualSpan]) -> dict[int, list[tuple[int, ...]]]:
    found: dict[int, list[tuple[int, ...]]] = {}
    for span in spans:
        found.setdefault(span.picture, []).append(span.view.frames)
    return found


def run_passes(
    adapter: ModelAdapter, batch: Sequence[Prepared], scales: Sequence[float]
) -> list[tuple[list[States], Text]]:
    """One forward per scale for all samples of a batch; what is kept of it, sample by sample.

    Raises:
        ValueError: 1.0 is not among the scales.
    """
    if 1.0 not in scales:
        raise ValueError(f"scales: expected 1.0 among them, got {tuple(scales)}")
    states: list[list[States]] = [[] for _ in batch]
    texts: dict[int, Text] = {}
    for factor in scales:
        inputs = [
            adapter.encode(p.pictures, p.rendered, p.answer_ids, factor=factor) for p in batch
        ]
        whole = _forward(adapter, inputs)
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
    return [(kept, texts[index]) for index, kept in enumerate(states)]


def _forward(adapter: ModelAdapter, inputs: Sequence[EncodedInput]) -> Sequence[Tensor]:
    """``(L, d)`` of each input: in one forward, unless their pictures cannot stand in one batch."""
    if len(inputs) > 1 and adapter.can_collate(inputs):
        return adapter.forward(adapter.collate(inputs)).unbind()
    return [adapter.hidden_states(encoded) for encoded in inputs]


def _predictions(
    adapter: ModelAdapter,
    prepared: Prepared,
    text: Text,
    kept: Sequence[States],
    targets: Tensor,
    base: int,
    settings: Settings,
    head: tuple[Tensor, Tensor | None],
) -> tuple[Agreement, Ranked]:
    """Agreement ``(S, T + E)``, and the leading predictions of all ``C`` text tokens."""
    vocabulary = len(head[0])
    depth = min(max(settings.top_k, settings.candidates), vocabulary)
    answer = len(prepared.answer_ids)
    prompt = len(text.ids) - answer
    ranked: list[Ranked] = []
    parts: list[Agreement] = []

    def rank(hidden: Tensor, logits: Tensor) -> None:
        ranked.append(leading(hidden, logits, *head, depth))

    chunk = max(1, _CHUNK_ELEMENTS // vocabulary)
    for start in range(0, prompt, chunk):
        hidden = text.before[start : min(start + chunk, prompt)]
        rank(hidden, adapter.logits(hidden))
    # All scales of a chunk go through the head together: it is read once for them.
    states = torch.stack([s.predicting for s in kept])
    chunk = max(1, chunk // len(states))
    for start in range(0, states.shape[1], chunk):
        hidden = states[:, start : start + chunk]
        logits = adapter.logits(hidden.flatten(0, 1)).view(*hidden.shape[:2], vocabulary)
        if start < answer:
            rank(hidden[base, : answer - start], logits[base, : answer - start])
        parts.append(agreement(logits, targets[start : start + chunk], reference=base))
    return Agreement.concatenate(parts), Ranked.concatenate(ranked)


def _suppress(
    raw: Sequence[Tensor],
    logits: Sequence[Tensor],
    base: int,
    settings: Settings,
    *,
    overlap: Tensor,
    activation: Tensor,
    before: Tensor,
    own: Tensor,
    written: Tensor,
    class_of: Tensor,
    target_class: Tensor,
) -> tuple[list[Tensor], Tensor]:
    """Suppressed maps per scale, and the weights ``(T, C)`` they were suppressed with.

    A word that was not said competes with the one said in its place (``own``), too; for a word
    that was said this is the word itself, which is of its own class and takes no part.
    """
    rule = settings.suppression
    if rule == "none":
        return list(raw), torch.zeros_like(overlap)
    if rule == "share":
        eligible = (before | own if settings.causal else torch.ones_like(before)) & written
        by_class, by_token = share_weights(
            relevance=overlap,
            eligible=eligible,
            class_of=class_of,
            target_class=target_class,
            class_maps=lens(logits[base]),
            gate=settings.gate,
        )
        shares = [share(z, by_class, target_class) for z in logits]
        return [a * s for a, s in zip(raw, shares, strict=True)], by_token
    weights = subtractive_weights(
        rule,
        relevance=overlap,
        activation=activation,
        counts=before & written,
        same_class=class_of[None] == target_class[:, None],
    )
    clean = [subtract(a, weights, lens(z), class_of) for a, z in zip(raw, logits, strict=True)]
    return clean, weights
