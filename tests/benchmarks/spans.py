"""How one map of a phrase, or of a whole answer, is best made of its tokens' maps.

    python -m tests.benchmarks.spans [--samples 60] [--sets val occluded relational]
    python -m tests.benchmarks.spans --whole [--sets val crowded occluded relational]

A phrase ("red circle") is measured against its object, a whole answer against the union of the
objects that it names; the maps are the explainer's default. ``H_t`` is the map of the span's token
``t``, ``A`` the mean of the maps of all tokens of the answer, at each place; means run over ``t``:

- ``mean``, ``max``, ``min``, ``geometric mean`` of ``H_t``; ``mean of maps over their highest``.
- ``contrast, less the answer's``: the mean of ``max(H_t - A, 0)``.
- ``contrast, over the answer's``: the mean of ``H_t / (A + a)``, where ``a`` is the mean of ``A``
  over the places, so that nothing is divided by next to nothing.
- ``mean, function words left out`` and ``mean of content words``: the second leaves out
  prepositions and auxiliaries, too (``mmx_core.text.lexicon``).
- ``mean, with its article``: of "a red circle".
- ``best token, told by the mask``: what the tables of words have; it sees the answer, and is a
  ceiling, no way to make a map.

Every figure is a mean over spans, ± half of a bootstrap 95 % interval over samples; the last column
is the difference of pixel AP from that of the mean, with its interval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from demo.scenes import TRAINING_SPLIT, VALIDATION_SPLIT
from demo.sets import evaluation_samples
from mmx_core import Explainer, Explanation, Sample
from mmx_core.cli.table import format_table
from mmx_core.metrics.bootstrap import Interval, pooled_mean
from mmx_core.metrics.localisation import Localisation, localisation
from mmx_core.metrics.plausibility import object_iou
from mmx_core.text.lexicon import function_words_of, is_content_word, is_function_word
from mmx_core.text.words import split_words, tokens_of_words
from tests.benchmarks.studies import FINAL, load

Maps = NDArray[np.float32]
Span = tuple[list[int], list[int], NDArray[np.bool_]]
"""Its tokens, those of the article before it, and its mask."""
FIGURES = ("obj_iou", *(each.name for each in fields(Localisation)))
AP = FIGURES.index("pixel_ap")
TOLD = "best token, told by the mask"


def _geometric(own: Maps, _: Maps) -> Maps:
    return np.exp(np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean(axis=0))


def _over_highest(own: Maps, _: Maps) -> Maps:
    return (own / np.maximum(own.max(axis=(1, 2), keepdims=True), 1e-9)).mean(axis=0)


def _less(own: Maps, answer: Maps) -> Maps:
    return np.maximum(own - answer.mean(axis=0), 0).mean(axis=0)


def _over(own: Maps, answer: Maps) -> Maps:
    whole = answer.mean(axis=0)
    return (own / np.maximum(whole + whole.mean(), 1e-9)).mean(axis=0)


WAYS: Mapping[str, Callable[[Maps, Maps], Maps]] = {
    "mean": lambda own, answer: own.mean(axis=0),
    "max": lambda own, answer: own.max(axis=0),
    "min": lambda own, answer: own.min(axis=0),
    "geometric mean": _geometric,
    "mean of maps over their highest": _over_highest,
    "contrast, less the answer's": _less,
    "contrast, over the answer's": _over,
}
"""Of the span's maps ``(K, h, w)`` and the answer's ``(T, h, w)`` one map ``(h, w)``."""


def phrases(sample: Sample, pieces: Sequence[Sequence[int]]) -> list[Span]:
    """Runs of several words that name one object."""
    answer = sample.answer or ""
    functions = set(function_words_of(answer))
    return [
        (
            [token for word in entry.words for token in pieces[word]],
            [token for word in {entry.words[0] - 1} & functions for token in pieces[word]],
            entry.mask,
        )
        for entry in sample.word_masks(answer)
        if len(entry.words) > 1
    ]


def whole_answer(sample: Sample, pieces: Sequence[Sequence[int]]) -> list[Span]:
    """All tokens, against the union of what is named."""
    masks = [entry.mask for entry in sample.word_masks(sample.answer or "")]
    return [([token for word in pieces for token in word], [], np.logical_or.reduce(masks))]


def measured(heatmap: Maps, mask: NDArray[np.bool_]) -> tuple[float, ...]:
    """The figures of one map."""
    found = localisation(heatmap, mask)
    if found is None:
        raise ValueError("mask: expected an inside and an outside")
    return (object_iou(heatmap, mask), *astuple(found))


def maps_of(
    explanation: Explanation,
    tokens: Sequence[int],
    others: Mapping[str, Sequence[int]],
    *,
    seed: int,
) -> dict[str, Maps]:
    """The map of every way, and the floors.

    Args:
        explanation: Of the answer.
        tokens: The span's.
        others: More or fewer tokens, by what their mean is called.
        seed: Of the noise.
    """
    answer = explanation.heatmap
    found = {name: way(answer[list(tokens)], answer) for name, way in WAYS.items()}
    for name, chosen in others.items():
        if chosen and len(chosen) != len(tokens):
            found[name] = answer[list(chosen)].mean(axis=0)
    grid = explanation.base.grid
    rows, columns = (
        np.exp(-0.5 * (((np.arange(size) + 0.5) / size - 0.5) / 0.25) ** 2) for size in grid
    )
    found["random"] = np.random.default_rng(seed).random(grid, dtype=np.float32)
    found["centre"] = (rows[:, None] * columns).astype(np.float32)
    found["uniform"] = np.ones(grid, dtype=np.float32)
    return found


def study(
    explainer: Explainer, samples: Sequence[Sample], *, whole: bool
) -> tuple[list[tuple[str, ...]], int]:
    """One row per way, and how many spans were measured."""
    scores: dict[str, list[list[tuple[float, ...]]]] = {}
    for index, sample in enumerate(tqdm(samples, file=sys.stderr)):
        explanation = explainer.explain(
            sample.image_list()[0], sample.prompt, answer=sample.answer, id=sample.id
        )
        ids = [token.id for token in explanation.tokens]
        pieces = tokens_of_words(explainer.adapter.tokenizer, explanation.answer, ids)
        texts = list(zip(split_words(explanation.answer), pieces, strict=True))
        functions = {t for word, own in texts if is_function_word(word.text) for t in own}
        content = {t for word, own in texts if is_content_word(word.text) for t in own}
        here: dict[str, list[tuple[float, ...]]] = {}
        for tokens, article, mask in (whole_answer if whole else phrases)(sample, pieces):
            others = {
                "mean, with its article": [*article, *tokens],
                "mean, function words left out": [t for t in tokens if t not in functions],
                "mean of content words": [t for t in tokens if t in content],
            }
            for name, found in maps_of(explanation, tokens, others, seed=index).items():
                here.setdefault(name, []).append(measured(found, mask))
            each = np.array([measured(explanation.heatmap[token], mask) for token in tokens])
            here.setdefault(TOLD, []).append(tuple(each.max(axis=0)))
        for name, values in here.items():
            scores.setdefault(name, []).append(values)
    means = scores["mean"]
    spans = sum(map(len, means))
    names = [name for name in scores if name != TOLD] + [TOLD]
    rows = []
    for name in names:
        cells = [
            _cell(pooled_mean([[span[place] for span in spans] for spans in scores[name]]))
            for place in range(len(FIGURES))
        ]
        gained = [
            [one[AP] - other[AP] for one, other in zip(ours, plain, strict=True)]
            for ours, plain in zip(scores[name], means, strict=True)
        ]
        rows.append((name, *cells, _signed(pooled_mean(gained))))
    return rows, spans


def _cell(found: Interval) -> str:
    return f"{found.mean:.3f}±{(found.high - found.low) / 2:.3f}".replace("±0.", "±.")


def _signed(found: Interval) -> str:
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def main() -> None:
    """Prints a table per set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--whole", action="store_true", help="whole answers, not phrases")
    parser.add_argument("--model", type=Path, default=FINAL)
    parser.add_argument("--split", choices=("validation", "training"), default="validation")
    arguments = parser.parse_args()
    sets = arguments.sets or ["val", *(["crowded"] * arguments.whole), "occluded", "relational"]
    explainer = load(arguments.model)
    split = TRAINING_SPLIT if arguments.split == "training" else VALIDATION_SPLIT
    for name in sets:
        samples = evaluation_samples(name, arguments.samples, seed=0, split=split)
        rows, spans = study(explainer, samples, whole=arguments.whole)
        kind = "whole answers" if arguments.whole else "phrases"
        print(f"{spans} {kind} of {len(samples)} scenes of {name!r} ({arguments.split})\n")
        header = [figure.replace("_", " ") for figure in FIGURES]
        print(format_table(("", *header, "AP beside the mean's"), rows), flush=True)
        print()


if __name__ == "__main__":
    main()
