"""The forwards and what is read from them: one teacher-forced pass per scale, for all tokens.

Only what is needed of a pass is kept: the states of visual positions and of those that predict the
answer (at scale 1.0, of all text). Vocabulary-wide logits exist for text positions alone, in
chunks. Results cross to the host once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmx_core.attribution.agreement import Agreement, agreement
from mmx_core.attribution.arc import rank_biased_overlap
from mmx_core.attribution.logit_lens import gathered_logits, grounding, lens
from mmx_core.attribution.msea import Aggregation, aggregate
from mmx_core.attribution.rank_filter import rank_gaussian_filter
from mmx_core.attribution.ranking import Ranked, leading
from mmx_core.attribution.suppression import (
    SHARE_RELEVANCE,
    Suppression,
    share,
    share_weights,
    subtract,
    subtractive_weights,
)
from mmx_core.explanation import FloatArray
from mmx_core.host import to_host
from mmx_core.models.base import ModelAdapter
from mmx_core.prepare import Prepared

_CHUNK_ELEMENTS = 1 << 25
"""Entries of the largest vocabulary-wide temporary: 128 MB in float32. Smaller ones read the head
too often."""


@dataclass(frozen=True)
class Settings:
    """How maps are made; see :class:`mmx_core.Explainer`."""

    aggregation: Aggregation
    suppression: Suppression
    causal: bool
    rank_filter: bool
    top_k: int
    persistence: float
    candidates: int
    gate: float = SHARE_RELEVANCE

    def as_dict(self) -> dict[str, Any]:
        """For provenance."""
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """Everything read from the passes, on the host. Lists have one entry per scale."""

    text_positions: NDArray[np.int64]
    predicted: NDArray[np.bool_]
    grids: list[tuple[int, int]]
    maps: list[FloatArray]
    probability: list[FloatArray]
    rank: list[NDArray[np.int64]]
    divergence: list[FloatArray]
    top_ids: list[NDArray[np.int64]]
    top_probability: list[FloatArray]
    heatmaps: FloatArray
    relevance: FloatArray
    text_activation: FloatArray
    interference_weights: FloatArray
    grounding: FloatArray
    candidate_ids: NDArray[np.int64]
    candidate_probabilities: FloatArray


@dataclass(frozen=True)
class _States:
    """Kept states of one pass: ``(N, d)`` visual and ``(T, d)`` answer-predicting."""

    grid: tuple[int, int]
    visual: Tensor
    predicting: Tensor


@dataclass(frozen=True)
class _Text:
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
    states, text = _run(adapter, prepared, scales)
    base = scales.index(1.0)
    count = len(prepared.answer_ids)
    classes, class_of = torch.unique(text.ids, return_inverse=True)
    target_class = class_of[-count:]

    agreed, ranked = _predictions(adapter, text, [s.predicting for s in states], base, settings)
    first = text.positions == 0
    rankings = ranked.ids[:, : settings.top_k]
    overlap = rank_biased_overlap(
        rankings[-count:], rankings, persistence=settings.persistence
    ).masked_fill(first, 0.0)

    context_size = len(text.ids)
    column = torch.arange(context_size, device=text.ids.device)
    row = torch.arange(context_size - count, context_size, device=text.ids.device)[:, None]
    before = column < row
    written = torch.tensor([by_user for _, by_user in prepared.rendered.text] + [True] * count)
    written = written.to(text.ids.device)
    activation = lens(
        gathered_logits(text.own, adapter.head_weight, text.ids[-count:], adapter.head_bias)
    )

    logits = [
        gathered_logits(s.visual, adapter.head_weight, classes, adapter.head_bias) for s in states
    ]
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
        written=written,
        class_of=class_of,
        target_class=target_class,
    )
    gridded = [m.view(count, *s.grid) for m, s in zip(clean, states, strict=True)]
    heatmaps = aggregate(
        gridded,
        aggregation=settings.aggregation,
        probability=agreed.probability,
    )
    if settings.rank_filter:
        heatmaps = rank_gaussian_filter(heatmaps)
    share_on_image = grounding(raw[base], torch.where(before & written, activation, 0.0))

    hidden = ~before
    # Everything crosses to the host in one copy per dtype: each copy waits for the device.
    whole = [text.positions, ~first, finite, agreed.rank, agreed.top_id, ranked.ids]
    real = [
        *(m.view(count, *s.grid) for m, s in zip(raw, states, strict=True)),
        agreed.probability,
        agreed.divergence,
        agreed.top_probability,
        heatmaps,
        overlap.masked_fill(hidden, torch.nan),
        activation.masked_fill(hidden, torch.nan),
        weights,
        share_on_image,
        ranked.probability,
    ]
    positions, predicted, is_finite, rank, top_id, leaders = to_host(whole)
    if not is_finite:
        raise ValueError("the model's logits are not finite (NaN or infinity); check its weights")
    floats = iter(to_host(real))
    return Measured(
        text_positions=positions,
        predicted=predicted.astype(bool),
        grids=[s.grid for s in states],
        maps=[next(floats) for _ in raw],
        probability=list(next(floats)),
        rank=list(rank),
        divergence=list(next(floats)),
        top_ids=list(top_id),
        top_probability=list(next(floats)),
        heatmaps=next(floats),
        relevance=next(floats),
        text_activation=next(floats),
        interference_weights=next(floats),
        grounding=next(floats),
        candidate_ids=leaders[:, : settings.candidates],
        candidate_probabilities=next(floats)[:, : settings.candidates],
    )


def _run(
    adapter: ModelAdapter, prepared: Prepared, scales: Sequence[float]
) -> tuple[list[_States], _Text]:
    states: list[_States] = []
    text: _Text | None = None
    for factor in scales:
        encoded = adapter.encode(
            prepared.image, prepared.rendered, prepared.answer_ids, factor=factor
        )
        hidden = adapter.hidden_states(encoded)
        start = encoded.prompt_length
        span = encoded.visual[0]
        # Indexing copies, so the pass itself is freed before the next.
        states.append(
            _States(
                grid=span.grid,
                visual=hidden[span.positions],
                predicting=hidden[start - 1 : start - 1 + encoded.answer_length].clone(),
            )
        )
        if factor == 1.0:
            positions = encoded.context_positions
            text = _Text(
                ids=encoded.inputs["input_ids"][0][positions],
                positions=positions,
                own=hidden[positions],
                before=hidden[(positions - 1).clamp_min(0)],
            )
        del hidden
    if text is None:
        raise ValueError(f"scales: expected 1.0 among them, got {tuple(scales)}")
    return states, text


def _predictions(
    adapter: ModelAdapter,
    text: _Text,
    predicting: Sequence[Tensor],
    base: int,
    settings: Settings,
) -> tuple[Agreement, Ranked]:
    """Agreement ``(S, T)``, and the leading predictions of all ``C`` text tokens."""
    vocabulary = adapter.head_weight.shape[0]
    depth = min(max(settings.top_k, settings.candidates), vocabulary)
    prompt = len(text.ids) - len(predicting[base])
    ranked: list[Ranked] = []
    parts: list[Agreement] = []

    def rank(hidden: Tensor, logits: Tensor) -> None:
        ranked.append(leading(hidden, logits, adapter.head_weight, adapter.head_bias, depth))

    chunk = max(1, _CHUNK_ELEMENTS // vocabulary)
    for start in range(0, prompt, chunk):
        hidden = text.before[start : min(start + chunk, prompt)]
        rank(hidden, adapter.logits(hidden))
    # All scales of a chunk go through the head together: it is read once for them.
    states = torch.stack(list(predicting))
    chunk = max(1, chunk // len(states))
    for start in range(0, states.shape[1], chunk):
        hidden = states[:, start : start + chunk]
        logits = adapter.logits(hidden.flatten(0, 1)).view(*hidden.shape[:2], vocabulary)
        rank(hidden[base], logits[base])
        targets = text.ids[prompt + start : prompt + start + chunk]
        parts.append(agreement(logits, targets, reference=base))
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
    written: Tensor,
    class_of: Tensor,
    target_class: Tensor,
) -> tuple[list[Tensor], Tensor]:
    """Suppressed maps per scale, and the weights ``(T, C)`` they were suppressed with."""
    rule = settings.suppression
    if rule == "none":
        return list(raw), torch.zeros_like(overlap)
    if rule == "share":
        eligible = (before if settings.causal else torch.ones_like(before)) & written
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
