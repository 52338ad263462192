"""From what was kept of the passes to maps and matrices: the method, step by step, on the device.

Rows of everything here are the ``R = T + E`` targets: the answer's tokens, then those asked for
beside them (see CONTRIBUTING, "Notation"). Results cross to the host once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmx_core.attribution.agreement import Agreement, agreement
from mmx_core.attribution.arc import rank_biased_overlap
from mmx_core.attribution.flow import estimate
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
from mmx_core.explanation import FloatArray
from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import VisualSpan
from mmx_core.models.logits import in_turn
from mmx_core.models.running import to_host
from mmx_core.settings import Settings
from mmx_core.stages.passes import LOGIT_ELEMENTS, Passes, States, run_passes
from mmx_core.stages.prepare import Prepared

Head = tuple[Tensor, Tensor | None]
"""``(V, d)`` weight and ``(V,)`` bias, read once: an offloaded or quantised head is fetched or
unpacked each time."""


@dataclass(frozen=True)
class Reading:
    """Everything read from the passes, on the host. Lists have one entry per scale.

    ``estimate``, of the answer's tokens alone, is None where what flows could not be read, and
    ``no_estimate`` says why.
    ``maps`` and ``heatmaps`` have one array per view. ``frames`` are those of each view of a
    picture, by its index; empty for an image.
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
    estimate: FloatArray | None
    no_estimate: str | None


@dataclass(frozen=True)
class Targets:
    """What is explained, against which context.

    Attributes:
        ids: ``(R,)`` vocabulary ids.
        context_index: ``(R,)`` the context token in whose place each is said.
        before: ``(R, C)`` bool, context that comes earlier.
        own: ``(R, C)`` bool, the token itself, or the one said in its place.
        written: ``(C,)`` bool, text that is not the template's.
        classes: ``(U,)`` distinct vocabulary ids of context and targets.
        class_of: ``(C,)`` each context token's index among the classes.
        target_class: ``(R,)`` likewise.
    """

    ids: Tensor
    context_index: Tensor
    before: Tensor
    own: Tensor
    written: Tensor
    classes: Tensor
    class_of: Tensor
    target_class: Tensor


@dataclass(frozen=True)
class Lenses:
    """Logits of visual tokens and of text, raw.

    Attributes:
        class_logits: Per scale ``(U, N)``, of every class at every visual token.
        maps: Per scale ``(R, N)``, the targets' own, ``relu``.
        activation: ``(R, C)``, the targets' own at the text tokens, ``relu``.
    """

    class_logits: list[Tensor]
    maps: list[Tensor]
    activation: Tensor


def read(
    adapter: ModelAdapter, prepared: Prepared, scales: Sequence[float], settings: Settings
) -> Reading:
    """Runs one pass per scale and computes the whole explanation on the model's device.

    Raises:
        ValueError: Hidden states are not finite.
    """
    (passes,) = run_passes(adapter, [prepared], scales)
    return read_passes(adapter, prepared, passes, settings)


def read_passes(
    adapter: ModelAdapter, prepared: Prepared, passes: Passes, settings: Settings
) -> Reading:
    """Computes the whole explanation from what was kept of the passes.

    Raises:
        ValueError: Hidden states are not finite.
    """
    head = adapter.head_weight, adapter.head_bias
    targets = find_targets(prepared, passes)
    agreed, ranked = predict(adapter, prepared, passes, targets, settings, head)
    relevance = relate(ranked, targets, passes, settings)
    lenses = _lenses(passes, targets, head)
    clean, weights = _suppressed(lenses, relevance, targets, passes.base, settings)
    heatmaps = _aggregated(clean, passes.states, agreed, settings)
    counted = torch.where(targets.before & targets.written, lenses.activation, 0.0)
    spans = passes.states[passes.base].spans
    views = view_grounding(
        lenses.maps[passes.base], counted, [len(span.positions) for span in spans]
    )
    hidden = ~targets.before
    tensors: dict[Any, Tensor] = {
        "finite": all_finite(
            [*lenses.class_logits, lenses.activation, ranked.probability, agreed.probability]
        ),
        "text_positions": passes.text.positions,
        # Nothing predicts the first token of a sequence.
        "predicted": passes.text.positions != 0,
        "probability": agreed.probability,
        "rank": agreed.rank,
        "divergence": agreed.divergence,
        "top_ids": agreed.top_id,
        "top_probability": agreed.top_probability,
        "relevance": relevance.masked_fill(hidden, torch.nan),
        "text_activation": lenses.activation.masked_fill(hidden, torch.nan),
        "interference_weights": weights,
        "view_grounding": views,
        "candidate_ids": ranked.ids[:, : settings.candidates],
        "candidate_probabilities": ranked.probability[:, : settings.candidates],
    }
    tensors |= estimated(passes, targets)
    tensors |= {("heatmap", view): maps for view, maps in enumerate(heatmaps)}
    for scale, (states, raw) in enumerate(zip(passes.states, lenses.maps, strict=True)):
        tensors |= {("map", scale, view): m for view, m in enumerate(states.on_planes(raw))}
    return on_host(tensors, passes)


def on_host(tensors: Mapping[Any, Tensor], passes: Passes) -> Reading:
    """What was computed, brought to the host in one copy.

    Args:
        tensors: By the fields' names; ``("heatmap", view)`` and ``("map", scale, view)``;
            ``finite``, whether all of it can be trusted.
        passes: Of which it was computed.

    Raises:
        ValueError: It is not finite.
    """
    found = to_host(tensors)
    if not found["finite"]:
        raise ValueError("the model's logits are not finite (NaN or infinity); check its weights")
    views = range(len(passes.states[passes.base].spans))
    return Reading(
        text_positions=found["text_positions"],
        frames=_frames_of(passes.states[passes.base].spans),
        predicted=found["predicted"].astype(bool),
        grids=[tuple(span.grid for span in states.spans) for states in passes.states],
        maps=[
            tuple(found["map", scale, view] for view in views)
            for scale in range(len(passes.states))
        ],
        probability=list(found["probability"]),
        rank=list(found["rank"]),
        divergence=list(found["divergence"]),
        top_ids=list(found["top_ids"]),
        top_probability=list(found["top_probability"]),
        heatmaps=tuple(found["heatmap", view] for view in views),
        relevance=found["relevance"],
        text_activation=found["text_activation"],
        interference_weights=found["interference_weights"],
        view_grounding=found["view_grounding"],
        candidate_ids=found["candidate_ids"],
        candidate_probabilities=found["candidate_probabilities"],
        estimate=found.get("estimate"),
        no_estimate=passes.flow if isinstance(passes.flow, str) else None,
    )


def estimated(passes: Passes, targets: Targets) -> dict[str, Tensor]:
    """``estimate`` ``(T, C)``, of the answer alone, where what flows could be read."""
    if isinstance(passes.flow, str):
        return {}
    before = targets.before[: len(passes.flow)]
    found = estimate(passes.flow, before & targets.written)
    return {"estimate": found.masked_fill(~before, torch.nan)}


def find_targets(prepared: Prepared, passes: Passes) -> Targets:
    """The targets of a sample among what was kept of its passes."""
    text = passes.text
    size, device = len(text.ids), text.ids.device
    index, ids = (values.to(device) for values in prepared.targets(size))
    classes, class_of = torch.unique(torch.cat([text.ids, ids]), return_inverse=True)
    column = torch.arange(size, device=device)
    return Targets(
        ids=ids,
        context_index=index,
        before=column < index[:, None],
        own=column == index[:, None],
        written=prepared.counted(size).to(device),
        classes=classes,
        class_of=class_of[:size],
        target_class=class_of[size:],
    )


def predict(
    adapter: ModelAdapter,
    prepared: Prepared,
    passes: Passes,
    targets: Targets,
    settings: Settings,
    head: Head,
) -> tuple[Agreement, Ranked]:
    """Agreement ``(S, R)``, and the leading predictions of all ``C`` text tokens."""
    vocabulary = len(head[0])
    depth = min(max(settings.top_k, settings.candidates), vocabulary)
    answer = len(prepared.answer_ids)
    prompt = passes.text.before[: len(passes.text.ids) - answer]
    predicting = torch.stack([states.predicting for states in passes.states])
    scales, rows = predicting.shape[:2]
    pieces = list(_pieces(len(prompt), rows, scales, max(1, LOGIT_ELEMENTS // vocabulary)))
    chunks = (torch.cat([prompt[p], predicting[:, r].flatten(0, 1)]) for p, r in pieces)
    longest = max(p.stop - p.start + scales * (r.stop - r.start) for p, r in pieces)
    ranked: list[Ranked] = []
    parts: list[Agreement] = []
    for (before, some), logits in zip(pieces, in_turn(adapter, chunks, longest), strict=True):
        asked, told = prompt[before], predicting[:, some]
        if len(asked):
            ranked.append(leading(asked, logits[: len(asked)], *head, depth))
        if not told.shape[1]:
            continue
        compared = logits[len(asked) :].view(*told.shape[:2], vocabulary)
        parts.append(agreement(compared, targets.ids[some], reference=passes.base))
        if some.start < answer:
            own = slice(answer - some.start)
            first = parts[-1].top_probability[passes.base, own]
            ranked.append(
                leading(
                    told[passes.base, own], compared[passes.base, own], *head, depth, first=first
                )
            )
    return Agreement.concatenate(parts), Ranked.concatenate(ranked)


def _pieces(prompt: int, rows: int, scales: int, size: int) -> Iterator[tuple[slice, slice]]:
    """What goes through the head together, so that it is read as seldom as can be.

    Args:
        prompt: Text tokens of the prompt, each predicted once.
        rows: ``R``, each predicted at all scales; these stay together.
        scales: ``S``.
        size: Predictions of one piece, where ``S`` are not more.

    Yields:
        Some of the prompt and some of the rows.
    """
    asked = told = 0
    while asked < prompt or told < rows:
        before = slice(asked, min(asked + size, prompt))
        left = size - (before.stop - before.start)
        count = max(left // scales, 0 if left < size else 1)
        some = slice(told, min(told + count, rows))
        yield before, some
        asked, told = before.stop, some.stop


def relate(ranked: Ranked, targets: Targets, passes: Passes, settings: Settings) -> Tensor:
    """ARC, ``(R, C)``; zero for the sequence's first token, which nothing predicts."""
    rankings = ranked.ids[:, : settings.top_k]
    overlap = rank_biased_overlap(
        rankings[targets.context_index], rankings, persistence=settings.persistence
    )
    return overlap.masked_fill(passes.text.positions == 0, 0.0)


def _lenses(passes: Passes, targets: Targets, head: Head) -> Lenses:
    logits = [gathered_logits(s.visual, head[0], targets.classes, head[1]) for s in passes.states]
    return Lenses(
        class_logits=logits,
        maps=[lens(values[targets.target_class]) for values in logits],
        activation=lens(gathered_logits(passes.text.own, head[0], targets.ids, head[1])),
    )


def _suppressed(
    lenses: Lenses, relevance: Tensor, targets: Targets, base: int, settings: Settings
) -> tuple[list[Tensor], Tensor]:
    """Suppressed maps per scale, and the weights ``(R, C)`` they were suppressed with.

    A word that was not said competes with the one said in its place (``own``), too; for a word
    that was said this is the word itself, which is of its own class and takes no part.
    """
    rule = settings.suppression
    if rule == "none":
        return lenses.maps, torch.zeros_like(relevance)
    raw, logits = lenses.maps, lenses.class_logits
    if rule == "share":
        earlier = targets.before | targets.own
        eligible = (earlier if settings.causal else torch.ones_like(earlier)) & targets.written
        by_class, by_token = share_weights(
            relevance=relevance,
            eligible=eligible,
            class_of=targets.class_of,
            target_class=targets.target_class,
            class_maps=lens(logits[base]),
            gate=settings.gate,
        )
        shares = [share(z, by_class, targets.target_class) for z in logits]
        return [a * s for a, s in zip(raw, shares, strict=True)], by_token
    weights = subtractive_weights(
        rule,
        relevance=relevance,
        activation=lenses.activation,
        counts=targets.before & targets.written,
        same_class=targets.class_of[None] == targets.target_class[:, None],
    )
    pairs = zip(raw, logits, strict=True)
    return [subtract(a, weights, lens(z), targets.class_of) for a, z in pairs], weights


def _aggregated(
    clean: Sequence[Tensor], states: Sequence[States], agreed: Agreement, settings: Settings
) -> list[Tensor]:
    """MSEA: of each view one ``(R, H, W)`` of the maps at all scales."""
    planes = [s.on_planes(values) for s, values in zip(states, clean, strict=True)]
    highest = [values.amax(dim=1) for values in clean]
    heatmaps = []
    for view, maps in enumerate(zip(*planes, strict=True)):
        heatmap = aggregate(
            maps,
            aggregation=settings.aggregation,
            probability=agreed.probability,
            highest=highest if len(planes[0]) > 1 else None,
            partial=any(s.spans[view].view.partial for s in states),
        )
        heatmaps.append(rank_gaussian_filter(heatmap) if settings.rank_filter else heatmap)
    return heatmaps


def all_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Whether all numbers are, as a bool on their device."""
    return torch.stack([torch.isfinite(values).all() for values in tensors]).all()


def _frames_of(spans: Sequence[VisualSpan]) -> dict[int, list[tuple[int, ...]]]:
    """Of each picture the frames of each view."""
    found: dict[int, list[tuple[int, ...]]] = {}
    for span in spans:
        found.setdefault(span.picture, []).append(span.view.frames)
    return found
