"""``mmx diff``: what changed between two checkpoints, worst first, and whether that is too much."""

from __future__ import annotations

import argparse
import json
import math
import operator
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmx_core.cli.errors import CommandError, missing
from mmx_core.cli.logdir import folders_of, nothing_logged, report_damage
from mmx_core.cli.table import format_table
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.log import Damage, LoggedRun, read_runs
from mmx_core.events.runs import ROOT
from mmx_core.events.tags import shown_name
from mmx_core.explanation import Explanation
from mmx_core.export.printable import printable

_FAILED = 1
_PREFERRED = ("obj_iou", "pixel_auc", "image_gain", "probability")
"""What samples are ordered by, the first that they have."""
_LOWER_IS_BETTER = frozenset({"deletion"})
_NO_FIGURES = frozenset({"masked_words"})
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"\s*([\w./-]+?)\s*(<=|>=|<|>)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*")
_STEP = re.compile(r"(.+)@([0-9]{1,19})")


@dataclass(frozen=True)
class Condition:
    """When a difference is too much: ``obj_iou < -0.02``."""

    text: str
    figure: str
    holds: Callable[[float], bool]


@dataclass(frozen=True)
class FigureChange:
    """A figure's means over the samples that have it in both, and the difference.

    Attributes:
        figure: Its name.
        first: Mean in A.
        second: Mean in B.
        change: ``second - first``.
        low: Lower end of the change's 95 % interval, paired by sample.
        high: Its upper end.
        samples: How many samples.
    """

    figure: str
    first: float
    second: float
    change: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class SampleChange:
    """One sample's figure in both, and its answers where they differ."""

    sample: str
    first: float
    second: float
    change: float
    answers: tuple[str, str] | None


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "diff", help="print what changed between two checkpoints, worst first"
    )
    where = "directory of a run, or DIRECTORY@STEP; of each sample its last step by default"
    parser.add_argument("first", metavar="RUN_A", help=f"before: {where}")
    parser.add_argument("second", metavar="RUN_B", help="after, likewise")
    parser.add_argument("--by", metavar="FIGURE", help="order the samples by this figure")
    parser.add_argument("--most", type=int, default=10, metavar="N", help="samples printed (10)")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="such as 'obj_iou < -0.02': leave with 1 where the mean has changed like that",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, with every sample")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints the changes; leaves with 1 where a condition holds."""
    conditions = [_condition(text) for text in arguments.fail_if]
    first, second = _read(arguments.first, "RUN_A"), _read(arguments.second, "RUN_B")
    both = [sample for sample in first if sample in second]
    if not both:
        raise CommandError(
            f"RUN_B: expected samples of RUN_A, got none in common: {_some(list(first))} there, "
            f"{_some(list(second))} here; give runs that explain the same samples"
        )
    figures = changes(
        {sample: figures_of(first[sample]) for sample in both},
        {sample: figures_of(second[sample]) for sample in both},
    )
    names = [change.figure for change in figures]
    for condition in conditions:
        if condition.figure not in names:
            raise missing("--fail-if", "figures of both", condition.figure, names)
    by = arguments.by or next((name for name in _PREFERRED if name in names), names[0])
    if by not in names:
        raise missing("--by", "figures of both", by, names)
    samples = sample_changes({sample: (first[sample], second[sample]) for sample in both}, by)
    left = [f"{len(there) - len(both)} samples of {name} alone" for name, there in
            (("RUN_A", first), ("RUN_B", second)) if len(there) > len(both)]  # fmt: skip
    if arguments.json:
        found = {
            "figures": list(map(asdict, figures)),
            "by": by,
            "samples": list(map(asdict, samples)),
        }
        print(json.dumps(found, indent=2))
    else:
        print(_text(figures, samples, by, arguments.most, left))
    means = {change.figure: change for change in figures}
    broken = [c for c in conditions if c.holds(means[c.figure].change)]
    for condition in broken:
        change = means[condition.figure]
        print(
            f"mmx: {condition.text}: {condition.figure} changed by {change.change:+.3g} "
            f"(95 % {change.low:+.3g} to {change.high:+.3g}, {change.samples} samples)",
            file=sys.stderr,
        )
    if broken:
        raise SystemExit(_FAILED)


def figures_of(explanation: Explanation) -> dict[str, float]:
    """The metrics of an explanation, with its mean grounding and probability; finite ones."""
    grounding = explanation.grounding[np.isfinite(explanation.grounding)]
    found = {
        "probability": float(np.mean(explanation.base.probability)),
        **({"grounding": float(grounding.mean())} if grounding.size else {}),
        **{k: float(v) for k, v in explanation.metrics.items() if k not in _NO_FIGURES},
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def changes(
    first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]
) -> list[FigureChange]:
    """Every figure that a sample has in both, the surest loss first.

    Args:
        first: Figures by sample.
        second: Of the same samples.
    """
    from mmx_core.metrics.bootstrap import pooled_mean

    names = dict.fromkeys(name for figures in first.values() for name in figures)
    found = []
    for name in names:
        pairs = [
            (figures[name], second[sample][name])
            for sample, figures in first.items()
            if name in figures and name in second[sample]
        ]
        if not pairs:
            continue
        whole = pooled_mean([[after - before] for before, after in pairs])
        before, after = (float(np.mean(side)) for side in zip(*pairs, strict=True))
        found.append(
            FigureChange(name, before, after, whole.mean, whole.low, whole.high, len(pairs))
        )
    return sorted(found, key=_surely_better)


def sample_changes(
    pairs: Mapping[str, tuple[Explanation, Explanation]], by: str
) -> list[SampleChange]:
    """The samples that have the figure in both, the greatest loss first."""
    found = []
    for sample, (first, second) in pairs.items():
        before, after = figures_of(first).get(by), figures_of(second).get(by)
        if before is not None and after is not None:
            said = first.answer, second.answer
            answers = said if said[0] != said[1] else None
            found.append(SampleChange(sample, before, after, after - before, answers))
    return sorted(found, key=lambda change: _gain(by, change.change))


def _gain(figure: str, change: float) -> float:
    return -change if figure in _LOWER_IS_BETTER else change


def _surely_better(change: FigureChange) -> float:
    """The change in half widths of its interval."""
    half = max((change.high - change.low) / 2, 1e-12)
    return _gain(change.figure, change.change) / half


def _read(place: str, flag: str) -> dict[str, Explanation]:
    """By sample, its explanation at the step, or its last."""
    path, wanted = place, None
    if not os.path.isdir(place) and (named := _STEP.fullmatch(place)):
        path, wanted = named[1], int(named[2])
    try:
        directories = folders_of(path)
    except CommandError as error:
        raise CommandError(str(error).replace("LOGDIR", flag, 1)) from None
    if len(directories) > 1:
        runs = ", ".join(os.path.join(path, name) for name in list(directories)[:4])
        raise CommandError(f"{flag}: expected one run, got {len(directories)} in {path!r}: {runs}")
    (folders,) = directories.values()
    # Of several trainings in one directory the latest, which bears its name.
    logged = next((run for run in read_runs(folders, report_damage) if run.samples), None)
    if logged is None:
        raise nothing_logged(path)
    found = dict(_explanations(logged, wanted))
    if not found:
        steps = sorted({step for steps in logged.samples.values() for step in steps})
        raise CommandError(f"{flag}: expected a logged step, got {wanted}; there is {_some(steps)}")
    return found


def _explanations(logged: LoggedRun, wanted: int | None) -> Iterator[tuple[str, Explanation]]:
    for tag, steps in logged.samples.items():
        step = max(steps) if wanted is None else wanted
        if step not in steps:
            continue
        try:
            yield shown_name(tag), logged.decode(tag, step, report_damage)
        except (DamagedBlob, UnsupportedVersion) as error:
            report_damage(Damage(logged.run or ROOT, tag, step, str(error)))


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    try:
        bound = float(found[3]) if found else math.nan
    except ValueError:
        bound = math.nan
    if found is None or math.isnan(bound):
        raise CommandError(
            f"--fail-if: expected FIGURE < NUMBER (or <=, >, >=), got {text!r}; such as "
            "'obj_iou < -0.02'"
        )
    compare = _COMPARE[found[2]]
    return Condition(text.strip(), found[1], lambda change: compare(change, bound))


def _text(
    figures: Sequence[FigureChange],
    samples: Sequence[SampleChange],
    by: str,
    most: int,
    left: Sequence[str],
) -> str:
    rows = [
        (c.figure, f"{c.first:.3f}", f"{c.second:.3f}", f"{c.change:+.3f}",
         f"{c.low:+.3f} to {c.high:+.3f}", str(c.samples))
        for c in figures
    ]  # fmt: skip
    lines = [
        format_table(("figure", "A", "B", "change", "95 % interval", "samples"), rows),
        "",
        f"{len(samples)} samples by {by}, worst first",
    ]
    for change in samples[: max(most, 0)]:
        lines.append(
            f"{change.change:+.3f}  {change.first:.3f} to {change.second:.3f}  "
            f"{printable(change.sample)}"
        )
        for name, answer in zip("AB", change.answers or (), strict=False):
            lines.append(f"        {name}: {printable(answer)}")
    return "\n".join([*lines, *(f"({text})" for text in left)])


def _some(things: Sequence[object]) -> str:
    shown = [str(thing) for thing in things]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "…", *shown[-2:]])
