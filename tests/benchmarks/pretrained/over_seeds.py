"""What holds over seeds: how well maps find things, what they say of the model, and wrong names.

    python -m tests.benchmarks.pretrained.over_seeds FILE... --out results/over_seeds
        [--scenes 40] [--tried 8] [--trials regions synergy] [--methods mmx msea ...]

FILE is what ``train`` wrote, one per seed. Of unseen scenes with their true descriptions: every
method's figures, and on the first ``--tried`` the trials by regions or by synergy. Then AUROCs of
what tells right names from wrong ones: of names put into the model's mouth (``absent``), and of
its own descriptions. In bfloat16, which the language model is stored in. Each scene is a line of
``OUT/STEM.jsonl``, and what lies there is not measured again: other methods want another OUT.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmx_core import Explainer, Explanation
from mmx_core.cli.table import format_table
from mmx_core.evaluation.measure import measure_methods, words_of
from mmx_core.evaluation.methods import OURS
from mmx_core.evaluation.registry import Attribution, Method, methods
from mmx_core.evaluation.trials import REGIONS, SYNERGY, Perturbed
from mmx_core.metrics import auroc
from mmx_core.metrics.bootstrap import pooled, pooled_mean
from mmx_core.models.base import ModelAdapter
from mmx_core.settings import DEFAULT_SCALES, Settings
from mmx_core.stages.passes import Passes, run_passes
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.reading import read_passes
from mmx_core.text.words import find_names, tokens_of_words
from tests.benchmarks.pretrained import evaluation_samples, model
from tests.benchmarks.pretrained.nouns import NAMES

FIGURES = (
    "obj_iou", "pixel_ap", "pointing", "nss", "removal_rank", "removal_share",
    "answer_removal_rank", "synergy", "synergy_all_words",
)  # fmt: skip
METHODS = (
    "mmx", "msea", "msea_mean", "paper", "lens", "lens_upsampled", "tam", "attention_gradient",
    "attn_lrp", "flow", "random", "centre", "uniform",
)  # fmt: skip
PAIRS = (
    ("msea", "lens"), ("msea", "lens_upsampled"), ("msea", "msea_mean"), ("mmx", "msea"),
    ("paper", "msea_mean"), ("attention_gradient", "mmx"), ("attn_lrp", "mmx"),
)  # fmt: skip
"""Whose differences are printed: aggregation, its rule, ARC, subtraction, and the rivals."""
SCENES, ABSENT, OWN = "scenes", "absent", "own"
TELLING = ("grounding", "peak of the lens", "probability", "image's gain")
"""What might tell a right name from a wrong one."""
Entry = dict[str, Any]


class Shared:
    """Ours over all default scales: variants differ behind the passes, and share one sample's."""

    def __init__(self) -> None:
        self._of: Prepared | None = None
        self._passes: Passes | None = None

    def methods(self) -> dict[str, Method]:
        """By the names that :mod:`mmx_core.evaluation.methods` has for them."""
        plain = replace(OURS, suppression="none")
        mean = replace(plain, aggregation="mean")
        paper = replace(mean, suppression="irrelevance")
        chosen = {"mmx": OURS, "msea": plain, "msea_mean": mean, "paper": paper}
        return {name: self._method(settings) for name, settings in chosen.items()}

    def _method(self, settings: Settings) -> Method:
        def run(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
            if self._passes is None or self._of is not prepared:
                (self._passes,) = run_passes(adapter, [prepared], DEFAULT_SCALES)
                self._of = prepared
            reading = read_passes(adapter, prepared, self._passes, settings)
            (heatmaps,) = reading.heatmaps
            return Attribution(heatmaps, reading.text_activation)

        return run


def measured(
    file: Path, names: Sequence[str], indices: range, *, tried: int, trials: tuple[str, ...]
) -> Iterator[Entry]:
    """One entry per scene.

    Args:
        file: What ``train`` wrote.
        names: Of methods.
        indices: Of scenes.
        tried: Scenes before this one are perturbed, too.
        trials: Names of :data:`~mmx_core.evaluation.trials.TRIALS`.
    """
    made = model.load(file)
    made.model.to(torch.bfloat16)
    parts = {"image_processor": made.image_processor, "tokenizer": made.tokenizer}
    one = Explainer(made.model, **parts, scales=(1.0,), image_gain=True)
    ours = Shared().methods()
    chosen = {name: ours.get(name) or methods()[name] for name in names}
    told, absent = (evaluation_samples(name, indices.stop) for name in (SCENES, ABSENT))
    for index in indices:
        sample = told[index]
        prepared = one.prepare(sample)
        words = words_of(one.adapter, sample, prepared)
        perturbed = Perturbed(trials) if index < tried else None
        results, _ = measure_methods(
            one.adapter, prepared, words, chosen, perturbed=perturbed, seed=index
        )
        there = {entry.name for entry in words.masks}
        others = [told[(index + k) % len(told)] for k in range(4)]  # whose pictures stand in
        entry: Entry = {
            "sample": sample.id,
            SCENES: {name: result.scores for name, result in results.items()},
        }
        for kind, asked in (
            (ABSENT, absent[index]),
            (OWN, replace(sample, answer=None, masks=None)),
        ):
            (explained,) = one.explain_batch([asked], references=others)
            entry[kind] = _names(one, explained, there)
        yield entry


def _names(explainer: Explainer, found: Explanation, there: set[str]) -> Entry:
    """Figures of every name's first token where it is first said, right names and wrong ones."""
    ids = [token.id for token in found.tokens]
    pieces = tokens_of_words(explainer.adapter.tokenizer, found.answer, ids)
    assert found.image_gain is not None
    peak = found.base.map.max(axis=(1, 2))
    values = found.grounding, peak, found.base.probability, found.image_gain
    figures = dict(zip(TELLING, values, strict=True))
    first = {
        name: pieces[spans[0][0]][0]
        for name, spans in find_names(found.answer, NAMES).items()
        if spans
    }
    return {
        "answer": found.answer,
        **{
            part: {
                figure: [
                    float(values[at]) for name, at in first.items() if (name in there) == right
                ]
                for figure, values in figures.items()
            }
            for part, right in (("right", True), ("wrong", False))
        },
    }


def tables(runs: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    """Figures, differences and AUROCs, each run's and over all."""
    names = list(next(iter(runs.values()))[0][SCENES])
    rows = []
    for name in names:
        means = [[pooled_mean(_column(e, name, f)).mean for e in runs.values()] for f in FIGURES]
        rows.append((name, *map(_over, means)))
    yield "Mean over seeds, lowest to highest seed\n" + format_table(("method", *FIGURES), rows)
    rows = []
    for one, other in PAIRS:
        for figure in FIGURES if {one, other} <= set(names) else ():
            cells = [_difference(entries, one, other, figure) for entries in runs.values()]
            if any(cells):
                rows.append((f"{one} - {other}", figure, *cells))
    yield "Differences by seed, ± half of a 95 % interval over scenes\n" + format_table(
        ("methods", "figure", *runs), rows
    )
    rows = []
    for kind in (ABSENT, OWN):
        for figure in TELLING:
            pairs = [
                [[v for e in entries for v in e[kind][part][figure]] for part in ("right", "wrong")]
                for entries in runs.values()
            ]
            found = [auroc(*pair) for pair in pairs]
            counts = ", ".join(f"{len(right)}/{len(wrong)}" for right, wrong in pairs)
            rows.append((kind, figure, _over(found), *(f"{v:.3f}" for v in found), counts))
    yield "Right names from wrong ones, AUROC\n" + format_table(
        ("names", "figure", "over seeds", *runs, "right/wrong"), rows
    )
    scenes = ", ".join(f"{name} {len(entries)}" for name, entries in runs.items())
    yield f"scenes: {scenes}"


def _column(entries: Sequence[Entry], name: str, figure: str) -> list[list[float]]:
    return [entry[SCENES][name].get(figure, []) for entry in entries]


def _over(values: Sequence[float]) -> str:
    if np.isnan(values).any():
        return "-"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _difference(entries: Sequence[Entry], one: str, other: str, figure: str) -> str:
    columns = [_column(entries, name, figure) for name in (one, other)]
    if not all(map(any, columns)):
        return ""
    found = pooled(columns, lambda means: means[0] - means[1])
    return f"{found.mean:+.3f}±{(found.high - found.low) / 2:.3f}"


def main() -> None:
    """Measures what is missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--tried", type=int, default=8)
    parser.add_argument("--trials", nargs="+", default=(REGIONS,), choices=(REGIONS, SYNERGY))
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs = {}
    for file in arguments.files:
        kept = arguments.out / f"{file.stem}.jsonl"
        kept.touch()
        text = kept.read_text()
        whole = text[: text.rfind("\n") + 1]  # a kill may have cut the last line
        kept.write_text(whole)
        done = whole.count("\n")
        if done < arguments.scenes:
            missing = range(done, arguments.scenes)
            with kept.open("a") as lines:
                for entry in measured(
                    file,
                    arguments.methods,
                    missing,
                    tried=arguments.tried,
                    trials=tuple(arguments.trials),
                ):
                    lines.write(json.dumps(entry) + "\n")
                    lines.flush()
        found = [json.loads(line) for line in kept.read_text().splitlines()]
        runs[file.stem] = found[: arguments.scenes]
    print("\n\n".join(tables(runs)))


if __name__ == "__main__":
    main()
