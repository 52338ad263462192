"""Puts what was measured by taking it away into an explanation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from mmx_core.explanation import Explanation, FloatArray
from mmx_core.models.base import ModelAdapter
from mmx_core.settings import Measured
from mmx_core.stages.context_words import context_words, most_important
from mmx_core.stages.influence import Influence, measure_influence
from mmx_core.stages.passes import forward_positions
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.taken_away import Reader
from mmx_core.stages.used import measure_used


def with_measured(
    adapter: ModelAdapter,
    explanation: Explanation,
    prepared: Prepared,
    measured: Measured,
    *,
    positions: int = 0,
) -> Explanation:
    """The explanation with what was asked for: the influence of words, the cells they used.

    Args:
        adapter: The model's.
        explanation: Of the sample, so far.
        prepared: The sample.
        measured: What is asked for, and its bounds.
        positions: Bound on those of one forward, 0 for a usual one.
    """
    if not adapter.goes_on:
        refused = {"refused": f"no key can be hidden from {type(adapter.model).__name__}"}
        asked = [name for name in ("influence", "used") if getattr(measured, name)]
        told = {**explanation.provenance, **dict.fromkeys(asked, refused)}
        return replace(explanation, provenance=told)
    reader = Reader(adapter, prepared)
    bound = positions or forward_positions(adapter)
    if measured.influence:
        explanation = _with_influence(reader, explanation, measured, bound)
    return _with_used(reader, explanation, measured, bound) if measured.used else explanation


def _with_influence(
    reader: Reader, explanation: Explanation, measured: Measured, positions: int
) -> Explanation:
    words = context_words(explanation)
    order = most_important(explanation, words, measured.influence_words)
    found = measure_influence(
        reader, words, order, seconds=measured.influence_seconds, positions=positions
    )
    count = len(explanation.tokens)
    reasons = over_alternatives(explanation, found.values)
    return replace(
        explanation,
        influence=found.values[:count],
        context_words=tuple(
            replace(word, how=how) for word, how in zip(words, found.how, strict=True)
        ),
        alternatives=tuple(
            replace(entry, influence=row)
            for entry, row in zip(explanation.alternatives, reasons, strict=True)
        ),
        provenance={**explanation.provenance, "influence": _told(reader, found)},
    )


def _with_used(
    reader: Reader, explanation: Explanation, measured: Measured, positions: int
) -> Explanation:
    kinds = reader.text.no_holes
    told: dict[str, Any]
    if kinds is not None:
        told = {"refused": f"no key can be hidden from layers of {kinds}"}
        return replace(explanation, provenance={**explanation.provenance, "used": told})
    found = measure_used(
        reader, len(explanation.tokens), seconds=measured.influence_seconds, positions=positions
    )
    told = {"windows": found.windows, **({"bound": "seconds"} if found.stopped else {})}
    return replace(
        explanation, used=found.maps, provenance={**explanation.provenance, "used": told}
    )


def over_alternatives(explanation: Explanation, values: FloatArray) -> FloatArray:
    """``(E, ...)``: for what was said over each alternative, of ``(T + E, ...)`` for each target.

    Of a prompt's own word it is that word's.
    """
    count, prompt = len(explanation.tokens), explanation.prompt_length
    found = np.array(values[count:])
    for row, entry in enumerate(explanation.alternatives):
        if entry.context_index >= prompt:
            found[row] = values[entry.context_index - prompt] - found[row]
    return found


def _told(reader: Reader, found: Influence) -> dict[str, Any]:
    """How many of how many words were measured, and how."""
    how = Counter(found.how)
    left_out = how["unmeasured"]
    told: dict[str, Any] = {
        "words": len(found.how),
        "measured": len(found.how) - left_out,
        "hidden": how["hidden"],
        "replaced": how["replaced"],
        "neutral": reader.neutral_text,
    }
    if found.no_holes is not None:
        told["no_holes"] = found.no_holes
    if left_out:
        told["bound"] = "seconds" if found.seconds else "words"
    return told
