"""From what was measured to ``results.json``, a CSV file and a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmx_core.evaluation.trials import CURVES, TRIALS
from mmx_core.metrics.bootstrap import Interval, pooled, pooled_mean
from mmx_core.metrics.hallucination import auroc
from mmx_core.metrics.registry import MeanMetric, registered

_COST = ("seconds_per_token", "peak_mb")
Entry = Mapping[str, Any]


def columns(trials: Sequence[str] = (CURVES,)) -> tuple[str, ...]:
    """What is measured of every method: each registered metric, each trial's figures, cost.

    Args:
        trials: Names of :data:`~mmx_core.evaluation.trials.TRIALS`.
    """
    return (*registered(), *(figure for name in trials for figure in TRIALS[name]), *_COST)


def summarise(
    entries: Iterable[Entry],
    *,
    data: str,
    order: Sequence[str],
    methods: Sequence[str],
    trials: Sequence[str] = (CURVES,),
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The whole result.

    Args:
        entries: The journal's; of a sample's several the first that did not fail counts.
        data: Name of the set.
        order: The samples' ids as the set has them.
        methods: Names, as the table shall list them.
        trials: Those that were run.
        left_out: What the set lists and could not give: ids by reason.

    Returns:
        What ``results.json`` holds: per method and metric ``{"mean", "low", "high"}``, an interval
        of 95 % over samples; null where nothing was measured. ``differences`` has the same of each
        other method less the first, over the samples that both have, drawn together; without an
        interval where that is a single one.
    """
    by_sample: dict[str, Entry] = {}
    for entry in entries:
        # A sample that failed may have been measured since.
        if "error" in by_sample.setdefault(entry["sample"], entry):
            by_sample[entry["sample"]] = entry
    done = [by_sample[name] for name in order if name in by_sample]
    good = [entry for entry in done if "error" not in entry]
    return {
        "data": data,
        "samples": len(good),
        "failed": [
            {"sample": entry["sample"], "error": entry["error"]}
            for entry in done
            if "error" in entry
        ],
        "left_out": {reason: list(names) for reason, names in (left_out or {}).items()},
        "notes": _notes(good),
        "methods": {
            name: {
                metric: _plain(interval)
                for metric, interval in _figures(
                    [entry["methods"][name] for entry in good if name in entry["methods"]],
                    columns(trials),
                ).items()
            }
            for name in methods
        },
        "differences": {
            name: {
                metric: _plain(interval)
                for metric, interval in _differences(good, methods[0], name, trials).items()
            }
            for name in methods[1:]
        },
        "hallucination_auroc": _plain(_hallucination(good, "grounding")),
        "hallucination_auroc_of_peak": _plain(_hallucination(good, "peak")),
        "same_word_share": _plain(
            pooled_mean([[e["same_word"]] if e.get("same_word") is not None else [] for e in good])
        ),
    }


def as_csv(results: Mapping[str, Any]) -> str:
    """One line per method and metric."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["data", "method", "metric", "mean", "low", "high"])
    for method, figures in results["methods"].items():
        for metric, figure in figures.items():
            writer.writerow(
                [results["data"], method, metric, *(figure[k] for k in ("mean", "low", "high"))]
            )
    return file.getvalue()


def table_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table's cells: a mean with half the width of its interval."""
    return [
        (name, *(_cell(figure, metric) for metric, figure in figures.items()))
        for name, figures in results["methods"].items()
    ]


def difference_rows(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The same of the differences, with a star where 0 lies outside of the interval."""
    return [
        (name, *(_difference_cell(figure) for figure in figures.values()))
        for name, figures in results["differences"].items()
    ]


def remarks(results: Mapping[str, Any], total: int) -> list[str]:
    """What the table must not hide: failures, and what could not be measured."""
    failed = results["failed"]
    lines = [f"{results['samples']} of {total} samples"]
    if failed:
        named = "; ".join(f"{entry['sample']} ({entry['error']})" for entry in failed[:5])
        more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
        lines[0] += f"; {len(failed)} failed: {named}{more}"
    left_out = {f"left out, {reason}": ids for reason, ids in results["left_out"].items()}
    for note, samples in {**left_out, **results["notes"]}.items():
        named = ", ".join(samples[:5]) + (", …" if len(samples) > 5 else "")
        many = "sample" if len(samples) == 1 else "samples"
        lines.append(f"{note}: {len(samples)} {many} ({named})")
    for name, figure in (("grounding", ""), ("the peak of the lens", "_of_peak")):
        found = results[f"hallucination_auroc{figure}"]
        if found["mean"] is not None:
            told = _cell(found, "auroc")
            lines.append(f"{name} tells words of what is there from invented ones: AUROC {told}")
    if results["same_word_share"]["mean"] is not None:
        lines.append(
            "tokens that are the first choice at the other scales, too: "
            + _cell(results["same_word_share"], "share")
        )
    return lines


def _figures(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Interval]:
    scores = {
        name: [result["scores"].get(name, []) for result in results]
        for name in names
        if name not in _COST
    }
    figures = {name: _of_means(name, [scores]) for name in scores}
    for name in _COST:
        values = [[v] if math.isfinite(v := _number(result[name])) else [] for result in results]
        figures[name] = pooled_mean(values)
    return {name: figures[name] for name in names}


def _differences(
    entries: Sequence[Entry], first: str, other: str, trials: Sequence[str]
) -> dict[str, Interval]:
    """Of the metrics; what one of the two has not of a sample is left out of both."""
    pairs = [
        [entry["methods"][name]["scores"] for name in (first, other)]
        for entry in entries
        if first in entry["methods"] and other in entry["methods"]
    ]
    found = {}
    for name in columns(trials):
        if name in _COST:
            continue
        both = [pair for pair in pairs if all(pair[0].get(n) and pair[1].get(n) for n in _of(name))]
        scores = [{n: [pair[k][n] for pair in both] for n in _of(name)} for k in (0, 1)]
        found[name] = _of_means(name, scores)
        if len(both) == 1:
            # Drawn again and again it never differs: that says nothing of others.
            found[name] = replace(found[name], low=math.nan, high=math.nan)
    return found


def _of(name: str) -> tuple[str, ...]:
    """The figures that one is made of: itself, for most."""
    metric = registered().get(name)
    return tuple(metric.of) if isinstance(metric, MeanMetric) else (name,)


def _of_means(name: str, scores: Sequence[Mapping[str, Sequence[Sequence[float]]]]) -> Interval:
    """A figure of one method; of two, the second's less the first's, with samples drawn once."""
    metric, parts = registered().get(name), _of(name)

    def statistic(means: NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(metric, MeanMetric):
            return np.array([metric.compute(*row) for row in means.T])
        return means[0]

    def figure(means: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = [statistic(part) for part in np.split(means, len(scores))]
        return whole[0] if len(whole) == 1 else whole[1] - whole[0]

    return pooled([one[part] for one in scores for part in parts], figure)


def _hallucination(entries: Sequence[Entry], figure: str) -> Interval:
    """AUROC over all words; its interval resamples samples."""
    shown = [entry.get(f"{figure}_shown", []) for entry in entries]
    absent = [entry.get(f"{figure}_absent", []) for entry in entries]

    def of(chosen: Sequence[int]) -> float:
        return auroc(*([v for i in chosen for v in column[i]] for column in (shown, absent)))

    whole = of(range(len(entries)))
    if math.isnan(whole):
        return Interval(whole, whole, whole)
    random = np.random.default_rng(0)
    drawn = [of(random.integers(len(entries), size=len(entries)).tolist()) for _ in range(200)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Interval(whole, float(low), float(high))


def _notes(entries: Sequence[Entry]) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for entry in entries:
        for note in entry.get("notes", []):
            notes.setdefault(note, []).append(entry["sample"])
    return notes


def _difference_cell(figure: Mapping[str, float | None]) -> str:
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None:
        return "-"
    if low is None or high is None:
        return f"{mean:+.3f}"
    star = "*" if low > 0 or high < 0 else " "
    return f"{mean:+.3f}±{(high - low) / 2:.3f}".replace("±0.", "±.") + star


def _plain(interval: Interval) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {k: v if math.isfinite(v) else None for k, v in asdict(interval).items()}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _cell(figure: Mapping[str, float | None], metric: str) -> str:
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None:
        return "-"
    if metric == "peak_mb":
        return f"{mean:.0f}"
    if metric == "seconds_per_token":
        return f"{mean:.2g}"
    if low is None or high is None:
        return f"{mean:.3f}"
    return f"{mean:.3f}±{(high - low) / 2:.3f}".replace("±0.", "±.")
