"""Makes the header: everything of an explanation that is not an array, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmx_core.events.blob import FloatArray, quoted
from mmx_core.events.header import VERSION, Header
from mmx_core.explanation import Candidate, ExplainedImage, Explanation

_PLAIN_DEPTH = 32
FLOAT_ARRAYS = ("matrix", "influence", "estimate", "alternatives_influence")
"""Blobs whose cells are too different to share a scale, as those of maps do."""


def build_header(explanation: Explanation, *, tag: str = "", step: int | None = None) -> Header:
    """Builds blob 0's JSON value (wire_format.md, "Header"), with the place it is logged at."""
    context = explanation.context
    provenance = plain(explanation.provenance)
    model = provenance.pop("model", {})
    header = {
        "version": VERSION,
        "id": explanation.id,
        "prompt": explanation.prompt,
        "answer": explanation.answer,
        "tokens": {
            "id": [int(token.id) for token in context],
            "text": [token.text for token in context],
            "special": [int(token.special) for token in context],
            "position": [int(token.position) for token in context],
            "turn": [int(token.turn) for token in context],
        },
        "turns": list(explanation.turns),
        "prompt_length": explanation.prompt_length,
        "images": [_image(entry) for entry in explanation.images],
        "scales": [
            {
                "factor": float(scale.factor),
                "grids": [[int(side) for side in grid] for grid in scale.grids],
                "probability": numbers(scale.probability),
                "rank": [int(rank) for rank in scale.rank],
                "divergence": numbers(scale.divergence),
                "top": _pairs(scale.top),
            }
            for scale in explanation.scales
        ],
        "grids": [[int(side) for side in maps.shape[1:]] for maps in explanation.heatmaps],
        "grounding": numbers(explanation.grounding),
        "candidates": [_pairs(leading) for leading in explanation.candidates],
        "vocabulary": _vocabulary(explanation),
        "metrics": {str(name): number(value) for name, value in explanation.metrics.items()},
        "model": model if isinstance(model, Mapping) else {"name": model},
        "provenance": provenance,
        "blobs": [name for name, _ in explanation_arrays(explanation)],
    }
    header |= logged_at(tag, step)
    if explanation.image_grounding is not None:
        header["image_grounding"] = [numbers(row) for row in explanation.image_grounding.T]
    if explanation.image_gain is not None:
        header["image_gain"] = numbers(explanation.image_gain)
    if explanation.image_gains is not None:
        header["image_gains"] = [numbers(row) for row in explanation.image_gains.T]
    if explanation.alternatives:
        header["alternatives"] = [
            {
                "context": int(alternative.context_index),
                "token": _pairs([alternative.candidate])[0],
                "grounding": number(alternative.grounding),
                **(
                    {}
                    if alternative.image_gain is None
                    else {"image_gain": number(alternative.image_gain)}
                ),
            }
            for alternative in explanation.alternatives
        ]
    if explanation.influence is not None:
        measured = explanation.context_words
        header["context_words"] = {
            "first": [int(word.first) for word in measured],
            "count": [int(word.count) for word in measured],
            "text": [word.text for word in measured],
            "how": [word.how for word in measured],
        }
    # A silhouette tells of a picture what whoever left the picture out would not have told.
    if explanation.objects and explanation.image is not None:
        header["objects"] = [
            {
                "name": entry.name,
                "tokens": [int(token) for token in entry.tokens],
                "height": int(entry.height),
                "width": int(entry.width),
                "runs": [int(length) for length in entry.runs],
            }
            for entry in explanation.objects
        ]
    if words := explanation.words:
        firsts, texts = [int(word.first) for word in words], [word.text for word in words]
        header["words"] = {"first": firsts, "text": texts}
    return header


def explanation_arrays(explanation: Explanation) -> list[tuple[dict[str, Any], FloatArray]]:
    """What blobs 1.. hold, in order: each array's name in the header, and the array."""
    images = range(len(explanation.heatmaps))
    arrays: list[tuple[dict[str, Any], FloatArray]] = [
        ({"name": "maps", "scale": index, "image": image}, scale.maps[image])
        for index, scale in enumerate(explanation.scales)
        for image in images
    ]
    arrays += [
        ({"name": "heatmaps", "image": image}, explanation.heatmaps[image]) for image in images
    ]
    if explanation.alternatives:
        arrays += [
            (
                {"name": "alternatives", "image": image},
                np.stack([entry.heatmaps[image] for entry in explanation.alternatives]),
            )
            for image in images
        ]
    matrix = [
        explanation.relevance, explanation.text_activation, explanation.interference_weights
    ]  # fmt: skip
    arrays.append(({"name": "matrix"}, np.stack(matrix)))
    if explanation.influence is not None:
        arrays.append(({"name": "influence"}, explanation.influence))
    if (beside := alternatives_influence(explanation)) is not None:
        arrays.append(({"name": "alternatives_influence"}, beside))
    if explanation.estimate is not None:
        arrays.append(({"name": "estimate"}, explanation.estimate))
    if explanation.used is not None:
        arrays += [({"name": "used", "image": image}, explanation.used[image]) for image in images]
    return arrays


def alternatives_influence(explanation: Explanation) -> FloatArray | None:
    """``(E, W)``: the alternatives' influence, NaN where it was not measured of one of them."""
    rows = [entry.influence for entry in explanation.alternatives]
    if all(row is None for row in rows):
        return None
    absent = np.full(len(explanation.context_words), np.nan, np.float32)
    return np.stack([absent if row is None else row for row in rows])


def _image(entry: ExplainedImage) -> dict[str, Any]:
    image = entry.image
    described: dict[str, Any] = {"hash": None, "width": None, "height": None, "format": None}
    if image is not None:
        described = {
            "hash": image.hash,
            "width": image.width,
            "height": image.height,
            "format": image.format,
        }
    described["picture"] = int(entry.picture)
    if entry.frames:
        described["frames"] = [int(frame) for frame in entry.frames]
        described["seconds"] = numbers(entry.seconds)
    return described


def number(value: Any) -> float | None:
    """A JSON number with the shortest digits that keep float32, or None for what is not finite."""
    single = np.float32(value)
    return float(str(single)) if np.isfinite(single) else None


def numbers(values: Iterable[Any]) -> list[float | None]:
    """:func:`number` of each."""
    return [number(value) for value in values]


def plain(value: Any, depth: int = _PLAIN_DEPTH) -> Any:
    """Turns settings into JSON values: tuples to lists, NaN to None, what is unknown to text.

    So is what no reader would take: what is nested deeper than ``depth``, and integers beyond
    what a float can hold.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value) if abs(int(value)) < 2**1023 else hex(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if depth == 0:
        return quoted(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist(), depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth - 1) for item in value]
    return str(value)


def _pairs(candidates: Iterable[Candidate]) -> list[list[Any]]:
    return [[int(candidate.id), number(candidate.probability)] for candidate in candidates]


def _vocabulary(explanation: Explanation) -> dict[str, str]:
    others = [alternative.candidate for alternative in explanation.alternatives]
    lists = [*explanation.candidates, *(scale.top for scale in explanation.scales), others]
    return {str(int(entry.id)): entry.text for entries in lists for entry in entries}


def logged_at(tag: str, step: int | None) -> Header:
    """What a header and an index record say of where they are logged, as far as it is known."""
    return {"logged": {"tag": tag, "step": int(step)}} if tag and step is not None else {}
