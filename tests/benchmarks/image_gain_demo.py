"""What the image's gain says on the demo, against which pictures, and what it does not tell.

    python -m tests.benchmarks.image_gain_demo [gain] [references] [mistakes] [--scenes 30]

*gain*: medians of each checkpoint's words on unseen scenes, captions teacher-forced. *references*:
the same against other pictures than a set's three, with rank correlations. *mistakes*: on
overlapping objects, captioned by the model itself, how well figures tell right shapes from wrong.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.scenes import VALIDATION_SPLIT, validation_scenes
from demo.sets import evaluation_samples
from demo.words import COLORS, SHAPES
from mmx_core import Explainer, Explanation, Sample
from mmx_core.cli.table import format_table
from mmx_core.metrics import auroc
from tests.benchmarks.models import DEMO_CHECKPOINTS

NAMES = ("grounded/step-000000", "blind/step-000250", "control/step-000650", "grounded/step-003800")
MISTAKEN_SCENES = 100
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """Of all tokens of all scenes, one behind another.

    Attributes:
        gain: Nats.
        grounding: The share of activation on the picture.
        words: What each token says.
    """

    gain: Array
    grounding: Array
    words: tuple[str, ...]

    def of(self, *kinds: Iterable[str]) -> NDArray[np.bool_]:
        """Which tokens say a word of one of these kinds."""
        wanted = {word for kind in kinds for word in kind}
        return np.array([word in wanted for word in self.words])


def main() -> None:
    """Prints the tables asked for, all of them by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tables = {"gain": gains, "references": references, "mistakes": mistakes}
    parser.add_argument("tables", nargs="*", choices=[*tables, []], help="all by default")
    parser.add_argument("--scenes", type=int, default=30)
    arguments = parser.parse_args()
    for name in arguments.tables or tables:
        print(f"{name}\n{tables[name](arguments.scenes)}\n", flush=True)


def gains(count: int) -> str:
    """Medians of each checkpoint."""
    rows = []
    for name in NAMES:
        told = _told(_explainer(name).explain_batch(_samples(count)))
        kinds = {
            "colours": told.of(COLORS),
            "shapes": told.of(SHAPES),
            "object words": told.of(COLORS, SHAPES),
            "others": ~told.of(COLORS, SHAPES),
        }
        medians = [f"{np.median(told.gain[kind]):.2f}" for kind in kinds.values()]
        mean = f"{told.gain[kinds['object words']].mean():.2f}"
        rows.append((name, *medians, mean, f"{told.grounding.mean():.2f}"))
    header = ("median nats", *kinds, "mean, object words", "mean grounding")
    return format_table(header, rows)


def references(count: int) -> str:
    """How the gain against other pictures ranks tokens as that against a set's three does."""
    samples = _samples(count)
    ranked = sorted(samples, key=lambda sample: zlib.crc32(sample.id.encode()))
    ways: Mapping[str, Callable[[Sample], Sequence[Sample]]] = {
        "a set's three": lambda sample: samples,
        "the same at .7 of their sides": lambda sample: [
            _smaller(other) for other in ranked[:4] if other is not sample
        ],
        "three others": lambda sample: ranked[4:],
        "two of the three": lambda sample: [r for r in ranked[:4] if r is not sample][:2],
        "one of the three": lambda sample: [r for r in ranked[:4] if r is not sample][:1],
        "a plain picture": lambda sample: [sample],
    }
    rows = []
    for name in NAMES:
        explainer, base = _explainer(name), None
        for way, chosen in ways.items():
            told = _told(
                explained
                for sample in samples
                for explained in explainer.explain_batch([sample], references=chosen(sample))
            )
            base = base or told
            objects = told.of(COLORS, SHAPES)
            cells = [
                f"{_rank_correlation(told.gain[some], base.gain[some]):.2f}"
                for some in (np.full(len(objects), True), objects)
            ]
            rows.append((name, way, *cells, f"{np.median(told.gain[objects]):.2f}"))
    header = ("checkpoint", "against", "rank corr.", "object words", "median of these")
    return format_table(header, rows)


def mistakes(_: int) -> str:
    """How well figures tell shapes that the last checkpoint names rightly from the others.

    Of objects whose colour it names rightly, so that it is known which it speaks of.
    """
    scenes = evaluation_samples("occluded", MISTAKEN_SCENES, seed=0, split=VALIDATION_SPLIT)
    samples = [Sample(scene.id, scene.image_list()[0], scene.prompt) for scene in scenes]
    figures: dict[str, tuple[list[float], list[float]]] = {}
    explained = _explainer(NAMES[-1]).explain_batch(samples)
    for scene, found in zip(scenes, explained, strict=True):
        there = {tuple(mask.name.split()) for mask in scene.masks}
        words = [token.text.strip() for token in found.tokens]
        for place, (color, shape) in enumerate(pairwise(words), 1):
            if shape in SHAPES and color in {named[0] for named in there}:
                wrong = (color, shape) not in there
                for name, values in (
                    ("gain", found.image_gain),
                    ("probability", found.base.probability),
                ):
                    figures.setdefault(name, ([], []))[wrong].append(float(values[place]))
    rows = [
        (
            name,
            f"{auroc(*pair):.2f}",
            *(f"{np.median(side):.2f}" for side in pair),
            *(str(len(side)) for side in pair),
        )
        for name, pair in figures.items()
    ]
    header = ("figure", "AUROC", "median, right", "median, wrong", "right", "wrong")
    return format_table(header, rows)


def _explainer(name: str) -> Explainer:
    return Explainer.from_pretrained(
        DEMO_CHECKPOINTS.parent / name, device="cpu", scales=(1.0,), image_gain=True
    )


def _samples(count: int) -> list[Sample]:
    return [Sample(s.id, s.image, s.prompt, s.caption) for s in validation_scenes(count)]


def _smaller(sample: Sample) -> Sample:
    image = sample.image_list()[0]
    reduced = image.resize([max(16, round(0.7 * side)) for side in image.size])
    return Sample(sample.id, reduced, sample.prompt, sample.answer)


def _told(explanations: Iterable[Explanation]) -> Told:
    found = list(explanations)
    gain, grounding = (
        np.concatenate([np.asarray(getattr(each, name), np.float64) for each in found])
        for name in ("image_gain", "grounding")
    )
    return Told(gain, grounding, tuple(t.text.strip() for each in found for t in each.tokens))


def _rank_correlation(first: Array, second: Array) -> float:
    ranks: list[Any] = [values.argsort().argsort() for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
