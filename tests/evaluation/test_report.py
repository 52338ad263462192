"""From a journal to figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmx_core.evaluation.journal import Journal, OtherConfiguration
from mmx_core.evaluation.report import (
    as_csv,
    columns,
    difference_rows,
    remarks,
    summarise,
    table_rows,
)


def entry(name: str, obj_iou: list[float], **more) -> dict:
    method = {
        "scores": {"obj_iou": obj_iou, "func_iou": [0.8]},
        "seconds_per_token": 0.5,
        "peak_mb": None,
    }
    return {"sample": name, "methods": {"mmx": method}, **more}


ENTRIES = [
    entry("b", [0.5], notes=["answer without masked nouns"], grounding_shown=[0.9]),
    entry("a", [0.1, 0.3], grounding_shown=[0.8, 0.4], grounding_absent=[0.4]),
    {"sample": "c", "error": "ValueError: no"},
]


def test_figures_pool_words_and_never_hide_a_failure() -> None:
    results = summarise(ENTRIES, data="x", order=["a", "b", "c", "d"], methods=["mmx"])
    assert (results["samples"], results["failed"]) == (
        2,
        [{"sample": "c", "error": "ValueError: no"}],
    )
    figures = results["methods"]["mmx"]
    assert tuple(figures) == columns()
    assert figures["obj_iou"]["mean"] == pytest.approx(0.3)
    assert figures["f1_iou"]["mean"] == pytest.approx(2 * 0.3 * 0.8 / 1.1)
    assert figures["seconds_per_token"]["mean"] == 0.5
    assert figures["insertion"] == {"mean": None, "low": None, "high": None}
    assert results["hallucination_auroc"]["mean"] == pytest.approx((1 + 1 + 0.5) / 3)
    said = remarks(results, 4)
    assert said[0] == "2 of 4 samples; 1 failed: c (ValueError: no)"
    assert said[1] == "answer without masked nouns: 1 sample (b)"
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    (row,) = table_rows(results)
    assert row[0] == "mmx" and row[1].startswith("0.300±.") and row[11] == "-"
    assert as_csv(results).splitlines()[1].startswith("x,mmx,obj_iou,0.3")


def test_differences_are_of_the_same_samples_so_that_what_these_share_does_not_widen_them() -> None:
    def of(name: str, **methods: list[float]) -> dict:
        named = {
            method: {
                "scores": {"obj_iou": v, "func_iou": [0.5]},
                "seconds_per_token": 1,
                "peak_mb": 1,
            }
            for method, v in methods.items()
        }
        return {"sample": name, "methods": named}

    entries = [of(str(i), mmx=[i / 10], lens=[i / 10 - 0.02, i / 10]) for i in range(1, 9)]
    entries += [of("alone", mmx=[1.0]), of("empty", mmx=[0.0], lens=[])]
    order = [entry["sample"] for entry in entries]
    results = summarise(entries, data="", order=order, methods=["mmx", "lens"])
    figure = results["differences"]["lens"]["obj_iou"]
    assert figure["mean"] == pytest.approx(-0.01)
    assert figure["high"] - figure["low"] < 1e-9
    spread = results["methods"]["mmx"]["obj_iou"]
    assert spread["high"] - spread["low"] > 0.2
    # f1 of the pooled means: of .45 and .44 with .5.
    expected = 2 * 0.44 * 0.5 / 0.94 - 2 * 0.45 * 0.5 / 0.95
    assert results["differences"]["lens"]["f1_iou"]["mean"] == pytest.approx(expected)
    assert results["differences"]["lens"]["insertion"]["mean"] is None
    (row,) = difference_rows(results)
    assert (row[0], row[1], row[2], row[-1]) == ("lens", "-0.010±.000*", "+0.000±.000 ", "-")


def test_a_difference_of_a_single_sample_has_no_interval_and_no_star() -> None:
    scores = {"mmx": [0.5], "lens": [0.4]}
    named = {
        method: {"scores": {"obj_iou": v}, "seconds_per_token": 1, "peak_mb": 1}
        for method, v in scores.items()
    }
    one = [{"sample": "a", "methods": named}]
    results = summarise(one, data="", order=["a"], methods=["mmx", "lens"])
    assert difference_rows(results)[0][:3] == ("lens", "-0.100", "-")
    figure = results["differences"]["lens"]["obj_iou"]
    assert figure["low"] is figure["high"] is None


def test_the_order_of_the_journal_changes_nothing() -> None:
    order = ["a", "b", "c"]
    forth = summarise(ENTRIES, data="x", order=order, methods=["mmx"])
    back = summarise(ENTRIES[::-1], data="x", order=order, methods=["mmx"])
    assert forth == back


def test_a_sample_that_failed_and_was_measured_since_counts() -> None:
    failed = {"sample": "a", "error": "OutOfMemoryError: no"}
    for entries in ([failed, entry("a", [0.5])], [entry("a", [0.5]), failed]):
        results = summarise(entries, data="x", order=["a"], methods=["mmx"])
        assert (results["samples"], results["failed"]) == (1, [])


def test_a_journal_survives_a_kill_in_mid_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    journal.add({"sample": "a"})
    path = tmp_path / "samples-0.jsonl"
    path.write_bytes(path.read_bytes() + b'{"sample": "b", "meth')
    assert [e["sample"] for e in journal.entries()] == ["a"]
    Journal(tmp_path, 0).add({"sample": "c"})
    Journal(tmp_path, 1).add({"sample": "d"})
    assert [e["sample"] for e in journal.entries()] == ["a", "c", "d"]


def test_another_evaluation_is_not_mixed_in(tmp_path: Path) -> None:
    Journal(tmp_path, 0).claim({"model": "a", "steps": 20})
    Journal(tmp_path, 1).claim({"model": "a", "steps": 20})
    with pytest.raises(OtherConfiguration, match="steps 20, now 10"):
        Journal(tmp_path, 0).claim({"model": "a", "steps": 10})


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        entries = [entry(str(i), [v]) for i, v in enumerate(random.random(40))]
        order = [e["sample"] for e in entries]
        figure = summarise(entries, data="", order=order, methods=["mmx"])
        low, high = (figure["methods"]["mmx"]["obj_iou"][k] for k in ("low", "high"))
        held += low <= 0.5 <= high
    assert 50 <= held <= 60
