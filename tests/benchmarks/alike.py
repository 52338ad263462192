"""What does subtraction take away: what is the thing's own, or what many words' maps share?

    python -m tests.benchmarks.alike SET=MODEL ... [--samples 20]

SET is one of the demo's or ``pretrained``, MODEL a checkpoint's folder. At scale 1, of every word
that names a thing: Pearson's correlation over the cells of its map with those of the other things'
(and, beside it, of their masks); which share of its map lies on the thing, and of what the paper's
subtraction takes from it; and how much of the map that is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from transformers.utils import logging as transformers_logging

from demo.sets import evaluation_samples
from mmx_core import Explainer, Sample
from mmx_core.cli.table import format_table
from mmx_core.evaluation.measure import words_of
from mmx_core.metrics.bootstrap import pooled_mean
from mmx_core.metrics.faithfulness import head_tokens, resize_by_area
from tests.benchmarks import pretrained

FIGURES = ("maps alike", "masks alike", "map on the thing", "taken on the thing", "taken")


def figures(explainer: Explainer, sample: Sample) -> list[list[float]]:
    """Of one sample, in the order of :data:`FIGURES`, one value per pair of things or per thing."""
    (explained,) = explainer.explain_batch([sample])
    words = words_of(explainer.adapter, sample, explainer.prepare(sample))
    raw, left = explained.base.map.astype(np.float64), explained.heatmap.astype(np.float64)
    shown = [entry for entry in words.masks if head_tokens([entry], words.tokens)]
    heads = head_tokens(shown, words.tokens)
    masks = [resize_by_area(entry.mask[None].astype(float), raw.shape[1:])[0] for entry in shown]
    pairs = [
        (one, other)
        for one, other in combinations(range(len(shown)), 2)
        if shown[one].name != shown[other].name  # said again
    ]
    taken = [raw[head] - left[head] for head in heads]
    return [
        [correlation(raw[heads[one]], raw[heads[other]]) for one, other in pairs],
        [correlation(masks[one], masks[other]) for one, other in pairs],
        [
            (raw[head] * mask).sum() / raw[head].sum()
            for head, mask in zip(heads, masks, strict=True)
        ],
        [
            (part * mask).sum() / part.sum()
            for part, mask in zip(taken, masks, strict=True)
            if part.any()
        ],
        [part.sum() / raw[head].sum() for head, part in zip(heads, taken, strict=True)],
    ]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's of two maps; 0 where one is constant."""
    one, other = one - one.mean(), other - other.mean()
    size = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / size) if size else 0.0


def row(source: str, count: int) -> tuple[str, ...]:
    """A model's line of the table."""
    name, _, path = source.partition("=")
    explainer = Explainer.from_pretrained(
        path,
        dtype=torch.bfloat16 if name == "pretrained" else torch.float32,
        scales=(1.0,),
        aggregation="mean",
        suppression="irrelevance",
    )
    samples: Sequence[Sample] = (
        pretrained.evaluation_samples("scenes", count)
        if name == "pretrained"
        else evaluation_samples(name, count)
    )
    columns = zip(*(figures(explainer, sample) for sample in samples), strict=True)
    means = map(pooled_mean, columns)
    return source, *(f"{one.mean:.3f}±{(one.high - one.low) / 2:.3f}" for one in means)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="SET=MODEL")
    parser.add_argument("--samples", type=int, default=20)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()
    rows = [row(source, arguments.samples) for source in arguments.models]
    print(format_table(("", *FIGURES), rows))


if __name__ == "__main__":
    main()
