"""What holds over seeds: how well maps find things, what they say of the model, and wrong names.

    python -m tests.benchmarks.pretrained.over_seeds FILE... --out results/over_seeds
        [--data scenes=40 crowded=20 ...] [--tried 8] [--named 40]
        [--trials regions synergy curves] [--fill blur|mean|other] [--methods mmx msea ...]

FILE is what ``train`` wrote, one per seed; ``--data`` has sets and how many samples of each. Every
method's figures, and on the first ``--tried`` of each set the trials. Then AUROCs of what tells
right names from wrong ones on the first ``--named`` of ``scenes``: of names put into the model's
mouth (``absent``), and of its own descriptions. In bfloat16, which the language model is stored in.
Each sample is a line of ``OUT/SET/STEM.jsonl``, and what lies there is not measured again: other
methods, trials or fills want another OUT.
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
from PIL import Image

from mmx_core import Explainer, Explanation
from mmx_core.cli.table import format_table
from mmx_core.evaluation.measure import measure_methods, words_of
from mmx_core.evaluation.methods import OURS
from mmx_core.evaluation.registry import Attribution, Method, methods
from mmx_core.evaluation.trials import REGIONS, TRIALS, Perturbed
from mmx_core.metrics.bootstrap import Interval, pooled, pooled_mean
from mmx_core.models.base import ModelAdapter
from mmx_core.settings import DEFAULT_SCALES, Settings
from mmx_core.stages.passes import Passes, run_passes
from mmx_core.stages.perturbing import FILLS
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.reading import read_passes
from mmx_core.text.words import find_names, tokens_of_words
from tests.benchmarks.mistakes_fit import auroc_draws, interval
from tests.benchmarks.pretrained import evaluation_samples, model
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.pretrained.samples import ABSENT, SCENES, SETS

FIGURES = (
    "pixel_ap", "pointing", "obj_iou", "nss", "removal_rank", "removal_share",
    "answer_removal_rank", "synergy", "synergy_all_words", "insertion", "deletion",
)  # fmt: skip
COMPARED = ("pixel_ap", "pointing", "removal_rank", "removal_share", "insertion", "deletion")
"""Figures whose differences are printed."""
METHODS = (
    "mmx", "msea", "msea_mean", "paper", "lens", "lens_upsampled", "tam", "attention_gradient",
    "attn_lrp", "flow", "random", "centre", "uniform",
)  # fmt: skip
PAIRS = (
    ("msea", "lens"), ("msea", "lens_upsampled"), ("msea", "msea_mean"), ("mmx", "msea"),
    ("paper", "msea_mean"), ("attention_gradient", "mmx"), ("attn_lrp", "mmx"),
)  # fmt: skip
"""Whose differences are printed: aggregation, its rule, ARC, subtraction, and the rivals."""
FOUND, OWN = "methods", "own"
TELLING = ("grounding", "peak of the lens", "probability", "image's gain")
"""What might tell a right name from a wrong one."""
_OTHERS = 3
"""Next samples, whose pictures stand in for a sample's own; the first can hide it, too."""
Entry = dict[str, Any]
Runs = Mapping[str, Mapping[str, Sequence[Entry]]]
"""By set, then by seed."""


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
    file: Path,
    data: str,
    names: Sequence[str],
    indices: range,
    *,
    tried: int,
    named: int,
    perturbed: Perturbed,
) -> Iterator[Entry]:
    """One entry per sample.

    Args:
        file: What ``train`` wrote.
        data: A set.
        names: Of methods.
        indices: Of samples.
        tried: Samples before this one are perturbed, too.
        named: Samples before this one are asked for names, if ``data`` is the plain scenes.
        perturbed: What is tried, and how.
    """
    made = model.load(file)
    made.model.to(torch.bfloat16)
    parts = {"image_processor": made.image_processor, "tokenizer": made.tokenizer}
    one = Explainer(made.model, **parts, scales=(1.0,), image_gain=True)
    ours = Shared().methods()
    chosen = {name: ours.get(name) or methods()[name] for name in names}
    told, absent = (evaluation_samples(name, indices.stop + _OTHERS) for name in (data, ABSENT))
    for index in indices:
        sample, others = told[index], told[index + 1 : index + 1 + _OTHERS]
        hiding = others[0].images
        assert isinstance(hiding, Image.Image)
        prepared = one.prepare(sample)
        words = words_of(one.adapter, sample, prepared)
        results, _ = measure_methods(
            one.adapter,
            prepared,
            words,
            chosen,
            perturbed=perturbed if index < tried else None,
            other=hiding if perturbed.fill == "other" else None,
            seed=index,
        )
        entry: Entry = {
            "sample": sample.id,
            FOUND: {name: result.scores for name, result in results.items()},
        }
        if data == SCENES and index < named:
            there = {entry.name for entry in words.masks}
            asked = {ABSENT: absent[index], OWN: replace(sample, answer=None, masks=None)}
            for kind, given in asked.items():
                (explained,) = one.explain_batch([given], references=others)
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


def tables(runs: Runs) -> Iterator[str]:
    """Figures and differences by set and seed, then AUROCs."""
    seeds = list(next(iter(runs.values())))
    names = list(next(iter(next(iter(runs.values())).values()))[0][FOUND])
    for figure in FIGURES:
        there = {
            data: found
            for data, found in runs.items()
            if all(any(_column(entries, names[0], figure)) for entries in found.values())
        }
        if there:
            rows = [
                (name, *(_over([pooled_mean(_column(e, name, figure)).mean for e in found.values()])
                         for found in there.values()))
                for name in names
            ]  # fmt: skip
            yield f"{figure}: mean over seeds, lowest to highest seed\n" + format_table(
                ("method", *there), rows
            )
    rows = []
    for one, other in PAIRS:
        for figure in COMPARED if {one, other} <= set(names) else ():
            for data, found in runs.items():
                cells = [_difference(entries, one, other, figure) for entries in found.values()]
                if any(cells):
                    rows.append((f"{one} - {other}", figure, data, *cells))
    yield "Differences by seed, ± half of a 95 % interval over samples\n" + format_table(
        ("methods", "figure", "set", *seeds), rows, text=(0, 1, 2)
    )
    rows = []
    plain = runs.get(SCENES, {})
    for kind in (
        (ABSENT, OWN) if any(ABSENT in e for found in plain.values() for e in found) else ()
    ):
        for figure in TELLING:
            told = [_told(entries, kind, figure) for entries in plain.values()]
            over = _over([np.nan if one is None else one.mean for one in told])
            rows.append((kind, figure, over, *map(_half, told)))
        rows.append((kind, "right/wrong", "", *(_counts(e, kind) for e in plain.values())))
    if rows:
        yield "Right names from wrong ones, AUROC ± half of a 95 % interval over samples\n" + (
            format_table(("names", "figure", "over seeds", *seeds), rows, text=(0, 1))
        )
    yield "\n".join(
        f"{data}: {', '.join(f'{name} {len(entries)}' for name, entries in found.items())} samples"
        for data, found in runs.items()
    )


def _column(entries: Sequence[Entry], name: str, figure: str) -> list[list[float]]:
    return [entry[FOUND][name].get(figure, []) for entry in entries]


def _over(values: Sequence[float]) -> str:
    if np.isnan(values).any():
        return "-"
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _half(found: Interval | None) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.3f}±{(found.high - found.low) / 2:.3f}"


def _difference(entries: Sequence[Entry], one: str, other: str, figure: str) -> str:
    columns = [_column(entries, name, figure) for name in (one, other)]
    if not all(map(any, columns)):
        return ""
    found = pooled(columns, lambda means: means[0] - means[1])
    return f"{found.mean:+.3f}±{(found.high - found.low) / 2:.3f}"


def _told(entries: Sequence[Entry], kind: str, figure: str) -> Interval | None:
    """AUROC of one figure, drawing samples; None where names of one kind are missing."""
    values = [
        (value, part == "right", index)
        for index, entry in enumerate(entries)
        for part in ("right", "wrong")
        for value in entry.get(kind, {}).get(part, {}).get(figure, ())
    ]
    if len({right for _, right, _ in values}) < 2:
        return None
    scores, right, sample = map(np.asarray, zip(*values, strict=True))
    return interval(auroc_draws(scores, right, sample))


def _counts(entries: Sequence[Entry], kind: str) -> str:
    counts = (
        sum(len(entry[kind][part][TELLING[0]]) for entry in entries if kind in entry)
        for part in ("right", "wrong")
    )
    return "/".join(map(str, counts))


def _data(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if name not in SETS or not count.isdigit() or int(count) < 1:
        raise argparse.ArgumentTypeError(
            f"expected SET=COUNT with a set of {', '.join(SETS)}, got {text!r}"
        )
    return name, int(count)


def main() -> None:
    """Measures what is missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", nargs="+", type=_data, default=[(SCENES, 40)], metavar="SET=N")
    parser.add_argument("--tried", type=int, default=8)
    parser.add_argument("--named", type=int, default=40)
    parser.add_argument("--trials", nargs="+", default=(REGIONS,), choices=TRIALS)
    parser.add_argument("--fill", default=FILLS[0], choices=FILLS)
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME")
    arguments = parser.parse_args()
    perturbed = Perturbed(tuple(arguments.trials), arguments.fill)
    runs: dict[str, dict[str, list[Entry]]] = {}
    for data, count in arguments.data:
        for file in arguments.files:
            kept = arguments.out / data / f"{file.stem}.jsonl"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.touch()
            text = kept.read_text()
            whole = text[: text.rfind("\n") + 1]  # a kill may have cut the last line
            kept.write_text(whole)
            done = whole.count("\n")
            if done < count:
                with kept.open("a") as lines:
                    for entry in measured(
                        file,
                        data,
                        arguments.methods,
                        range(done, count),
                        tried=arguments.tried,
                        named=arguments.named,
                        perturbed=perturbed,
                    ):
                        lines.write(json.dumps(entry) + "\n")
                        lines.flush()
            found = [json.loads(line) for line in kept.read_text().splitlines()]
            runs.setdefault(data, {})[file.stem] = found[:count]
    print("\n\n".join(tables(runs)))


if __name__ == "__main__":
    main()
