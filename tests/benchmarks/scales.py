"""Which scales earn their cost, and does choosing them by the picture beat the default's?

    python -m tests.benchmarks.scales front [--set val] [--samples 24] [--model DIR]
    python -m tests.benchmarks.scales auto [--samples 24] [--model DIR]

``front``: every set of scales that holds 1, from one forward per scale: how well its map (no
suppression) finds objects, against the visual tokens of its forwards in units of those at scale 1,
and their seconds. ``auto``: a cheap set of scales for all samples and a dearer one where a rule
says so, chosen on training scenes to cost no more than the default; reported on validation scenes.
Sets are the demo's, ``small`` (plain scenes with objects of half the size) and ``pretrained``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from transformers.utils import logging as transformers_logging

from demo.scenes import PLAIN, TRAINING_SPLIT, VALIDATION_SPLIT, make_scene
from demo.sets import evaluation_samples, word_masks
from mmx_core import Explainer, Sample
from mmx_core.attribution.msea import aggregate
from mmx_core.cli.table import format_table
from mmx_core.evaluation.measure import Words, words_of
from mmx_core.evaluation.methods import OURS
from mmx_core.metrics.bootstrap import Interval, pooled, pooled_mean
from mmx_core.metrics.localisation import localisation
from mmx_core.models.base import ModelAdapter
from mmx_core.models.running import undisturbed
from mmx_core.settings import DEFAULT_SCALES
from mmx_core.stages.prepare import Prepared, prepare
from mmx_core.stages.reading import read
from mmx_core.text.lexicon import is_content_word
from mmx_core.text.words import split_words
from tests.benchmarks import pretrained
from tests.benchmarks.mistakes_words import likeness

FINAL = Path(__file__).parents[2] / "demo" / "checkpoints" / "grounded" / "step-003800"
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
COLUMNS = ("pixel_ap", "best_iou", "pointing")
SMALL = replace(PLAIN, name="small", radii=(0.07, 0.095))
MIXED = ("val", "small", "crowded")
"""Sets that ``auto`` is chosen and reported on, together."""
CHEAP = ((1.0,), (1.0, 1.5), (1.0, 2.0))
DEAR = ((1.0, 2.0), (1.0, 3.0), (1.0, 2.0, 3.0), (1.0, 1.5, 2.0, 3.0))
RULES = ("narrow at 1", "unlike at 1 and the cheap set's finest", "by lot")
PLAIN_MAPS = replace(OURS, suppression="none")

Chosen = tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """One sample.

    Attributes:
        scores: By set of scales, ``(words, 3)`` as in :data:`COLUMNS`.
        tokens: By scale, visual tokens of its forward.
        narrow: The share of cells at scale 1 that content words light, negative.
        unlike: By scale, how little content words' maps there correlate with those at scale 1.
    """

    scores: dict[Chosen, np.ndarray]
    tokens: dict[float, int]
    narrow: float
    unlike: dict[float, float]

    def cost(self, chosen: Chosen) -> float:
        """In units of the visual tokens at scale 1."""
        return sum(self.tokens[factor] for factor in chosen) / self.tokens[1.0]


def subsets(scales: Sequence[float]) -> list[Chosen]:
    """All sets of the scales that hold 1."""
    others = [factor for factor in scales if factor != 1.0]
    return [
        tuple(sorted((1.0, *some)))
        for size in range(len(others) + 1)
        for some in combinations(others, size)
    ]


def samples_of(name: str, count: int, split: int) -> list[Sample]:
    """Scenes of a set with their captions."""
    if name == "pretrained":
        return pretrained.evaluation_samples("scenes", count)
    if name != "small":
        return evaluation_samples(name, count, split=split)
    scenes = (make_scene(index, style=SMALL, split=split) for index in range(count))
    return [
        Sample(s.id, s.image, s.prompt, s.caption, masks=word_masks(s, s.caption_objects))
        for s in scenes
    ]


def measure(
    adapter: ModelAdapter, samples: Sequence[Sample], chosen: Sequence[Chosen]
) -> Iterator[Measured]:
    """Every sample under every set of scales; each scale's forward is run once."""
    scales = sorted({factor for some in chosen for factor in some})
    for sample in samples:
        prepared = prepare(adapter, sample)
        reading = undisturbed(adapter.model, read, adapter, prepared, scales, PLAIN_MAPS)
        maps = {f: torch.from_numpy(m) for f, (m,) in zip(scales, reading.maps, strict=True)}
        words = words_of(adapter, sample, prepared)
        said = {f: values[_content(words)] for f, values in maps.items()}
        unlike = {f: 1 - likeness(said[1.0].numpy(), said[f].numpy()) for f in scales}
        narrow = -_lit(said[1.0])
        tokens = {f: len(adapter.layout(prepared.image, f).ids) for f in scales}
        scores = {some: _scores([maps[f] for f in some], words) for some in chosen}
        yield Measured(scores, tokens, narrow, unlike)


def _scores(maps: Sequence[torch.Tensor], words: Words) -> np.ndarray:
    """``(words, 3)``, of each word's best token."""
    found = []
    for entry in words.masks:
        tokens = [token for word in entry.words for token in words.tokens[word]]
        if tokens and entry.mask.any() and not entry.mask.all():
            heat = aggregate([values[tokens] for values in maps]).numpy()
            each = [localisation(one, entry.mask) for one in heat]
            found.append([max(getattr(one, name) for one in each) for name in COLUMNS])
    return np.asarray(found).reshape(-1, len(COLUMNS))


def _content(words: Words) -> list[int]:
    pairs = zip(split_words(words.answer), words.tokens, strict=True)
    return [token for word, tokens in pairs if is_content_word(word.text) for token in tokens]


def _lit(maps: torch.Tensor) -> float:
    """The mean share of cells above half of their map's peak."""
    return float((maps > maps.amax(dim=(1, 2), keepdim=True) / 2).float().mean())


def seconds_by_scale(
    adapter: ModelAdapter, prepared: Prepared, scales: Sequence[float], turns: int = 5
) -> dict[float, float]:
    """Medians of one forward at each scale; the scales take turns."""
    spent: dict[float, list[float]] = {factor: [] for factor in scales}
    for _ in range(turns):
        for factor in scales:
            encoded = adapter.encode(
                prepared.pictures, prepared.rendered, prepared.answer_ids, factor=factor
            )
            start = time.perf_counter()
            undisturbed(adapter.model, adapter.hidden_states, encoded)
            spent[factor].append(time.perf_counter() - start)
    return {factor: float(np.median(values)) for factor, values in spent.items()}


def front(
    explainer: Explainer, samples: Sequence[Sample], scales: Sequence[float], *, every: bool
) -> list[tuple[str, ...]]:
    """A row per set of scales, by cost: those without a cheaper set of a pixel AP as high (marked
    by a star) and the default, or every set."""
    adapter, chosen = explainer.adapter, subsets(scales)
    found = list(measure(adapter, samples, chosen))
    seconds = seconds_by_scale(adapter, prepare(adapter, samples[0]), scales)
    costs = {some: _cost(found, [some] * len(found)) for some in chosen}
    rows, best = [], 0.0
    for some in sorted(chosen, key=lambda one: costs[one]):
        means = [
            pooled_mean([each.scores[some][:, column].tolist() for each in found])
            for column in range(len(COLUMNS))
        ]
        star = "*" if means[0].mean > best else ""
        best = max(best, means[0].mean)
        if star or every or some == DEFAULT_SCALES:
            measured = sum(seconds[factor] for factor in some) / seconds[1.0]
            cells = [f"{costs[some]:.2f}", f"{measured:.2f}", *map(_figure, means)]
            if DEFAULT_SCALES in chosen:
                cells.append(_ahead(found, [some] * len(found), [DEFAULT_SCALES] * len(found)))
            rows.append((_name(some), *cells, star))
    return rows


@dataclass(frozen=True)
class Plan:
    """A cheap set for all, a dear one where the rule's figure is at least ``bound``."""

    cheap: Chosen
    dear: Chosen
    rule: str
    bound: float

    def figure(self, each: Measured, index: int) -> float:
        """The higher, the sooner the dear set."""
        if self.rule == RULES[0]:
            return each.narrow
        if self.rule == RULES[1]:
            return each.unlike[self.cheap[-1]]
        return float(np.random.default_rng(index).random())

    def sets(self, found: Sequence[Measured]) -> list[Chosen]:
        """Of each sample."""
        return [
            self.dear if self.figure(each, index) >= self.bound else self.cheap
            for index, each in enumerate(found)
        ]


def plans(found: Sequence[Measured]) -> Iterator[Plan]:
    """All that cost no more than the default on these samples; each takes what it may."""
    budget = float(np.mean([each.cost(DEFAULT_SCALES) for each in found]))
    for cheap in CHEAP:
        for dear in DEAR:
            if not set(cheap) < set(dear):
                continue
            low, high = (float(np.mean([e.cost(some) for e in found])) for some in (cheap, dear))
            share = min(1.0, (budget - low) / (high - low))
            for rule in RULES if len(cheap) > 1 else (RULES[0], RULES[2]):
                figures = [Plan(cheap, dear, rule, 0).figure(e, i) for i, e in enumerate(found)]
                yield Plan(cheap, dear, rule, float(np.quantile(figures, 1 - share)))


def auto(explainer: Explainer, count: int) -> list[tuple[str, ...]]:
    """Rows: the default, and plans by their AP on training scenes, each on validation scenes."""
    chosen = sorted({*CHEAP, *DEAR, DEFAULT_SCALES})
    learnt, held = (
        [
            each
            for name in MIXED
            for each in measure(explainer.adapter, samples_of(name, count, split), chosen)
        ]
        for split in (TRAINING_SPLIT, VALIDATION_SPLIT)
    )
    ranked = sorted(plans(learnt), key=lambda plan: -_ap(learnt, plan.sets(learnt)).mean)
    default = [DEFAULT_SCALES] * len(held)

    def row(name: str, before: Sequence[Chosen], sets: Sequence[Chosen], share: str) -> None:
        cells = [_figure(_ap(held, sets)), _ahead(held, sets, default), share]
        rows.append((name, f"{_ap(learnt, before).mean:.3f}", f"{_cost(held, sets):.2f}", *cells))

    rows: list[tuple[str, ...]] = []
    row(_name(DEFAULT_SCALES), [DEFAULT_SCALES] * len(learnt), default, "")
    for plan in ranked:
        sets = plan.sets(held)
        share = np.mean([some == plan.dear for some in sets])
        name = f"{_name(plan.cheap)}; {_name(plan.dear)} where {plan.rule}"
        row(name, plan.sets(learnt), sets, f"{share:.2f}")
    return rows


def _name(chosen: Chosen) -> str:
    return ", ".join(f"{factor:g}" for factor in chosen)


def _columns(found: Sequence[Measured], sets: Sequence[Chosen]) -> list[list[float]]:
    return [each.scores[some][:, 0].tolist() for each, some in zip(found, sets, strict=True)]


def _ap(found: Sequence[Measured], sets: Sequence[Chosen]) -> Interval:
    return pooled_mean(_columns(found, sets))


def _ahead(found: Sequence[Measured], sets: Sequence[Chosen], others: Sequence[Chosen]) -> str:
    columns = [_columns(found, sets), _columns(found, others)]
    more = pooled(columns, lambda means: means[0] - means[1])
    return f"{more.mean:+.3f} [{more.low:+.3f}, {more.high:+.3f}]".replace("0.", ".")


def _cost(found: Sequence[Measured], sets: Sequence[Chosen]) -> float:
    return float(np.mean([each.cost(some) for each, some in zip(found, sets, strict=True)]))


def _figure(found: Interval) -> str:
    return f"{found.mean:.3f}±{(found.high - found.low) / 2:.3f}".replace("0.", ".")


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=("front", "auto"))
    parser.add_argument("--set", default="val")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--model", type=Path, default=FINAL)
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES)
    parser.add_argument("--every", action="store_true", help="sets of scales behind others, too")
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()
    explainer = Explainer.from_pretrained(arguments.model, dtype=torch.float32)
    if arguments.study == "front":
        samples = samples_of(arguments.set, arguments.samples, VALIDATION_SPLIT)
        rows = front(explainer, samples, arguments.scales, every=arguments.every)
        more = ("ahead of the default",) if set(DEFAULT_SCALES) <= set(arguments.scales) else ()
        print(format_table(("scales", "cost", "seconds", *COLUMNS, *more, ""), rows))
    else:
        header = ("scales", "AP, training", "cost", "pixel_ap", "ahead of the default", "dear")
        print(format_table(header, auto(explainer, arguments.samples)))


if __name__ == "__main__":
    main()
