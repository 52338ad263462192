"""Words whose map points at their object though the model does not need it; and the reverse.

    python -m tests.benchmarks.pointed --model DIR --data demo:crowded [--samples 30]
        [--method mmx] [--shown 3]

Of every named thing's word: whether its map is highest on the thing, the share of the map within
the thing's mask, and the nats that the word loses once the thing's cells are blurred.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mmx_core import Explainer
from mmx_core.cli.table import format_table
from mmx_core.evaluation.load import load_samples
from mmx_core.evaluation.measure import words_of
from mmx_core.evaluation.registry import methods
from mmx_core.metrics.faithfulness import head_tokens, resize_by_area
from mmx_core.models.running import undisturbed
from mmx_core.stages.perturbing import Perturber

NEEDED, SPARED = 1.0, 0.1
"""Nats from which a thing is needed, and below which it is not."""


@dataclass(frozen=True)
class Pointed:
    """One word.

    Attributes:
        sample: Its id.
        name: What the word names.
        hit: Whether the map's highest cell shows some of the thing.
        share: Of its map within the thing's mask.
        area: Of the picture within the mask.
        lost: Nats that the word loses without the thing.
    """

    sample: str
    name: str
    hit: bool
    share: float
    area: float
    lost: float


def pointed(model: str, data: str, *, count: int, method: str) -> Iterator[Pointed]:
    """Every named thing's word of a set."""
    explainer = Explainer.from_pretrained(model, dtype=torch.float32)
    adapter = explainer.adapter
    for sample in load_samples(data, count=count):
        prepared = explainer.prepare(sample)
        words = words_of(adapter, sample, prepared)
        shown = [entry for entry in words.masks if entry.mask.any()]
        heads = head_tokens(shown, words.tokens)
        found = undisturbed(adapter.model, methods()[method], adapter, prepared, 0)
        perturber = Perturber(adapter, prepared)
        masks = np.stack([entry.mask for entry in shown]).astype(float)
        covered = resize_by_area(masks, perturber.grid) > 0
        keep = np.concatenate([np.ones_like(covered[:1]), ~covered])
        told = perturber.log_probabilities(keep)
        maps = found.maps[heads]
        on_its_grid = resize_by_area(masks, maps.shape[1:]) > 0
        for index, (entry, token) in enumerate(zip(shown, heads, strict=True)):
            hit = bool(on_its_grid[index].flat[maps[index].argmax()])
            levels = np.maximum(resize_by_area(maps[[index]], entry.mask.shape)[0], 0)
            share = levels[entry.mask].sum() / max(float(levels.sum()), 1e-12)
            lost = told[0, token] - told[1 + index, token]
            area = float(entry.mask.mean())
            yield Pointed(sample.id, entry.name, hit, float(share), area, float(lost))


def main() -> None:
    """Prints how many words are of each kind, and the clearest cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--method", default="mmx")
    parser.add_argument("--shown", type=int, default=3)
    arguments = parser.parse_args()
    found = list(
        pointed(arguments.model, arguments.data, count=arguments.samples, method=arguments.method)
    )
    on = [word for word in found if word.hit and word.lost < SPARED]
    off = [word for word in found if not word.hit and word.lost >= NEEDED]
    for title, some in (
        ("on the thing, which the word does not need", sorted(on, key=lambda w: -w.share)),
        ("off the thing, which the word needs", sorted(off, key=lambda w: -w.lost)),
    ):
        print(f"{title}: {len(some)} of {len(found)} words")
        rows = [
            (w.sample, w.name, f"{w.share:.2f}", f"{w.area:.3f}", f"{w.lost:.2f}")
            for w in some[: arguments.shown]
        ]
        if rows:
            print(format_table(("sample", "names", "share", "area", "nats lost"), rows))


if __name__ == "__main__":
    main()
