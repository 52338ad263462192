"""Which figures of a word tell that the model got it wrong, alone and together?

    python -m tests.benchmarks.mistakes [SET=MODEL ...] [--samples 80] [--keep FOLDER]

SET is one of the demo's, ``wordy`` (second_family.py) or ``pretrained``; MODEL a checkpoint's
folder, exported before (``python -m tests.benchmarks.pretrained export``). Each model answers by
itself, greedily. Of its answers the names of colours, of shapes (of objects whose colour it names
rightly, so that it is known which object it speaks of) and of things are right or wrong. A logistic
regression on all figures is fitted on one model's words and tested on each other's, beside the
word's probability alone.

``--keep`` stores the figures, and reads those that are there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging as transformers_logging

from mmx_core.cli.table import format_table
from mmx_core.metrics.bootstrap import Interval
from tests.benchmarks.mistakes_fit import (
    Array,
    Flags,
    auroc_draws,
    calibration_error,
    fit,
    interval,
)
from tests.benchmarks.mistakes_words import FIGURES, Words, figures_of

DEFAULT = tuple(
    f"occluded=demo/checkpoints/{name}"
    for name in ("control/step-000650", "grounded/step-002800", "grounded/step-003800")
)
ONE_PASS = tuple(name for name in FIGURES if name != "image's gain")
"""Without what takes forwards of other pictures."""
THRESHOLDS = (0.5, 0.7, 0.9)
OTHERS, ITSELF = "all others", "itself, other samples"
_FOLDS = 5


def alone(models: Mapping[str, Words]) -> list[tuple[str, ...]]:
    """AUROC of each figure on each model's words."""
    rows = [
        (name, *(_figure(interval(_draws(words, words.figures[:, at])))
                 for words in models.values()))
        for at, name in enumerate(FIGURES)
    ]  # fmt: skip
    counts = [f"{words.right.sum()} / {(~words.right).sum()}" for words in models.values()]
    return [*rows, ("right / wrong", *counts)]


def together(models: Mapping[str, Words], names: Sequence[str]) -> list[tuple[str, ...]]:
    """By the model that was fitted on (columns: tested on): AUROC, and how much more that is than
    the probability's alone, with the interval of the paired difference."""
    rows = []
    for source in [*models, OTHERS, ITSELF]:
        cells = []
        for name, words in models.items():
            if name == source:
                cells.append("-")
                continue
            if source == ITSELF:
                scores = _folded(words, names)
            else:
                model = fit(*_pooled(models, names, source, name))
                scores = model.probability(words.of(names))
            draws = _draws(words, scores)
            ahead = interval(draws - _draws(words, words.figures[:, 0]))
            cells.append(f"{draws[0]:.3f} {_difference(ahead)}".replace("0.", "."))
        rows.append((source, *cells))
    return rows


def with_probability(models: Mapping[str, Words]) -> list[tuple[str, ...]]:
    """The probability and one more figure, fitted on all other models: AUROC more than without."""
    rows = []
    for more in FIGURES[1:]:
        cells = []
        for name, words in models.items():
            names = (FIGURES[0], more)
            model = fit(*_pooled(models, names, OTHERS, name))
            draws = _draws(words, model.probability(words.of(names)))
            cells.append(_difference(interval(draws - _draws(words, words.figures[:, 0]))))
        rows.append((more, *cells))
    return rows


def standardised(words: Words) -> Words:
    """Each figure in standard deviations from its mean over the model's own words: no label is
    needed for it, but a set of answers is. The probability, which is first, stays as it is."""
    spread = words.figures.std(axis=0)
    scaled = (words.figures - words.figures.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    scaled[:, 0] = words.figures[:, 0]
    return replace(words, figures=scaled)


def calibrated(models: Mapping[str, Words]) -> list[tuple[str, ...]]:
    """Expected calibration error: probability as it is, and what is fitted on all other models."""
    rows = [("probability as it is", *(_error(w.probability, w) for w in models.values()))]
    fitted = (("probability, fitted", FIGURES[:1]), ("all of one pass", ONE_PASS),
              ("all", FIGURES))  # fmt: skip
    for title, names in fitted:
        cells = []
        for name, words in models.items():
            model = fit(*_pooled(models, names, OTHERS, name))
            cells.append(_error(model.probability(words.of(names)), words))
        rows.append((title, *cells))
    return rows


def found_below(models: Mapping[str, Words]) -> list[tuple[str, ...]]:
    """Below a probability: the share of words that are wrong, and of all wrong ones those there."""
    rows = []
    for bound in THRESHOLDS:
        cells = []
        for words in models.values():
            low, wrong = words.probability < bound, ~words.right
            found = (low & wrong).sum()
            cells.append(f"{low.sum()}: {found / max(1, low.sum()):.2f}, {found / wrong.sum():.2f}")
        rows.append((f"p < {bound:g}", *cells))
    return rows


def _pooled(
    models: Mapping[str, Words], names: Sequence[str], source: str, tested: str
) -> tuple[Array, Flags]:
    chosen = (
        [words for name, words in models.items() if name != tested]
        if source == OTHERS
        else [models[source]]
    )
    return np.vstack([w.of(names) for w in chosen]), np.concatenate([w.right for w in chosen])


def _folded(words: Words, names: Sequence[str]) -> Array:
    """``P(right)`` of each word by a fit on those four fifths of the samples that lack its own."""
    inputs, fold = words.of(names), words.sample % _FOLDS
    found = np.zeros(len(inputs))
    for one in range(_FOLDS):
        model = fit(inputs[fold != one], words.right[fold != one])
        found[fold == one] = model.probability(inputs[fold == one])
    return found


def _draws(words: Words, scores: Array) -> Array:
    return auroc_draws(scores, words.right, words.sample)


def _error(probability: Array, words: Words) -> str:
    return f"{calibration_error(probability, words.right):.3f}".replace("0.", ".", 1)


def _difference(found: Interval) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]".replace("0.", ".")


def _figure(found: Interval) -> str:
    return f"{found.mean:.3f}±{(found.high - found.low) / 2:.3f}".replace("0.", ".")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=DEFAULT, metavar="SET=MODEL")
    parser.add_argument("--samples", type=int, default=80)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()
    models = {
        "/".join(Path(source).parts[-2:]): figures_of(source, arguments.samples, arguments.keep)
        for source in arguments.models
    }
    tables: dict[str, Any] = {
        "AUROC of each alone (higher: more likely right)": ("", alone(models)),
        "All of one pass, fitted on (rows)": ("fitted on", together(models, ONE_PASS)),
        "All, with the image's gain, fitted on (rows)": ("fitted on", together(models, FIGURES)),
        "All, each model's figures standardised by its own words first": (
            "fitted on",
            together({name: standardised(words) for name, words in models.items()}, FIGURES),
        ),
        "Probability and one more, fitted on all others: ahead of probability alone": (
            "with",
            with_probability(models),
        ),
        "Expected calibration error": ("", calibrated(models)),
        "Words below a probability: how many, wrong of these, of the wrong": (
            "",
            found_below(models),
        ),
    }
    for title, (corner, rows) in tables.items():
        print(f"{title}\n{format_table((corner, *models), rows)}\n", flush=True)


if __name__ == "__main__":
    main()
