"""Plausibility metrics, by hand."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmx_core.evaluation.report import as_csv, columns, summarise, table_rows
from mmx_core.metrics import (
    ScoredAnswer,
    auroc,
    harmonic_mean,
    iou,
    joint_levels,
    localisation,
    mean_divergence,
    object_iou,
    otsu_threshold,
    pixel_auc,
    pooled,
    pooled_mean,
    registry,
    same_word_share,
    word_means,
    word_metric,
    word_scores,
)
from mmx_core.metrics.summary import (
    explanation_metrics,
    shown_words,
    word_grounding,
    word_peak,
)
from mmx_core.sample import Sample, WordMask
from tests.support.explanations import make_explanation

MASK = np.array([[True, False], [False, False]])


def test_otsu_parts_two_clusters_and_takes_a_constant() -> None:
    values = np.array([0.0, 0.1, 0.0, 5.0, 5.1])
    assert 0.1 < otsu_threshold(values) < 5.0
    assert otsu_threshold(np.full(4, 2.0)) == 2.0


def test_otsus_threshold_lies_midway_between_two_levels() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of 256 levels from 0 to 510, two apart, the first parts them.
        assert otsu_threshold(np.array([0.0, 0.0, 510.0])) == pytest.approx(1.0)


def test_otsu_maximises_the_variance_between_classes() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=400)
    threshold = otsu_threshold(values)

    def between(cut: float) -> float:
        low, high = values[values <= cut], values[values > cut]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2

    best = max(between(cut) for cut in np.sort(values)[:-1])
    assert between(threshold) >= 0.999 * best


def test_iou_of_masks() -> None:
    assert iou(MASK, MASK) == 1.0
    assert iou(MASK, np.ones((2, 2), bool)) == 0.25
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0.0


def test_a_map_on_its_object_scores_one() -> None:
    assert object_iou(np.array([[9.0, 0.0], [0.0, 0.0]]), MASK) == 1.0
    assert object_iou(np.array([[0.0, 9.0], [0.0, 0.0]]), MASK) == 0.0


def means(*arguments: Any, **more: Any) -> dict[str, float]:
    return word_means(word_scores(ScoredAnswer(*arguments, **more)))


def test_pixel_auc_by_hand() -> None:
    assert pixel_auc(np.array([[9.0, 1.0], [2.0, 3.0]]), MASK) == 1.0
    assert pixel_auc(np.array([[2.0, 1.0], [2.0, 3.0]]), MASK) == pytest.approx(0.5)
    assert pixel_auc(np.ones((2, 2)), MASK) == 0.5
    assert np.isnan(pixel_auc(np.ones((2, 2)), np.zeros((2, 2), bool)))


def test_the_best_sub_token_of_a_word_counts() -> None:
    maps = np.array([[[0.0, 9.0], [0.0, 0.0]], [[9.0, 0.0], [0.0, 0.0]]])
    found = means(maps, [WordMask((0,), MASK)], [[0, 1]])
    for name in ("obj_iou", "precision", "recall", "pixel_auc", "pixel_ap", "best_iou", "pointing"):
        assert found[name] == 1.0
    # Of the pixels (9, 0, 0, 0): mean 9/4, deviation 9 sqrt(3)/4.
    assert found["nss"] == pytest.approx(np.sqrt(3))
    assert means(maps, [WordMask((0,), np.zeros((2, 2), bool))], [[0, 1]]) == {}
    with pytest.raises(ValueError, match="word indices below 1"):
        means(maps, [WordMask((1,), MASK, "dog")], [[0, 1]])


def test_levels_are_normalised_together_with_the_text() -> None:
    maps = np.array([[[0.0, 5.0]], [[1.0, 3.0]], [[2.0, 2.0]]])
    text = np.array([[10.0, np.nan], [np.nan, np.nan], [np.nan, 2.0]])
    # 5 of 10; a token without context by itself; all equal: nothing stands out.
    assert joint_levels(maps, text).tolist() == [[[0, 127]], [[0, 255]], [[0, 0]]]
    assert joint_levels(maps).tolist() == [[[0, 255]], [[0, 255]], [[0, 0]]]


def test_precision_and_recall_by_hand() -> None:
    maps = np.array([[[9.0, 9.0], [9.0, 0.0]]])
    found = means(maps, [WordMask((0,), np.array([[True, False], [False, True]]))], [[0]])
    assert (found["obj_iou"], found["precision"], found["recall"]) == (1 / 4, 1 / 3, 1 / 2)
    nothing = means(np.zeros((1, 2, 2)), [WordMask((0,), MASK)], [[0]])
    assert (nothing["obj_iou"], nothing["precision"], nothing["recall"]) == (0.0, 0.0, 0.0)


def test_a_function_words_share_lies_below_the_mean_threshold_of_the_nouns() -> None:
    # The noun's levels are 255 and 0, so its threshold lies between; another noun's is 0.
    noun = [[8.0, 0.0], [0.0, 0.0]]
    flat = [[3.0, 3.0], [3.0, 3.0]]
    function = [[4.0, 1.0], [0.0, 0.0]]
    maps = np.array([noun, function, flat])
    text = np.array([[np.nan], [8.0], [np.nan]])
    words = [[0], [1], [2]]
    masks = [WordMask((0,), MASK)]
    scores = word_scores(ScoredAnswer(maps, masks, words, text=text, function_words=[1]))
    # Jointly with the text the function word's levels are 127, 31, 0, 0.
    cut = otsu_threshold(np.array([255.0, 0.0, 0.0, 0.0]))
    assert scores["func_iou"] == [np.mean(np.array([127, 31, 0, 0]) < cut)]
    two = frozenset([0, 2])
    lower = word_scores(ScoredAnswer(maps, masks, words, text, nouns=two, function_words=[1]))
    # The second noun's map is constant: its threshold is 0 and halves the mean.
    assert lower["func_iou"] == [np.mean(np.array([127, 31, 0, 0]) < cut / 2)]
    assert "func_iou" not in word_scores(ScoredAnswer(maps, [], words, text, function_words=[1]))
    # By itself alone a map has no level of "nothing".
    assert "func_iou" not in word_scores(ScoredAnswer(maps, masks, words, function_words=[1]))


def test_f1_is_the_harmonic_mean_of_the_two() -> None:
    maps = np.array([[[9.0, 0.0], [0.0, 0.0]], [[9.0, 9.0], [0.0, 0.0]]])
    text = np.full((2, 1), np.nan)
    found = means(maps, [WordMask((0,), MASK)], [[0], [1]], text=text, function_words=[1])
    assert (found["obj_iou"], found["func_iou"]) == (1.0, 0.5)
    assert found["f1_iou"] == pytest.approx(2 / 3)
    assert harmonic_mean(0.0, 0.0) == 0.0
    assert np.isnan(harmonic_mean(0.5, np.nan))


def test_squaring_a_map_changes_no_ranking_figure() -> None:
    random = np.random.default_rng(1)
    heatmap, mask = random.random((6, 6)), random.random((6, 6)) < 0.4
    plain, squared = localisation(heatmap, mask), localisation(heatmap**2, mask)
    assert plain is not None and squared is not None
    for name in ("pixel_auc", "pixel_ap", "best_iou", "pointing"):
        assert getattr(plain, name) == pytest.approx(getattr(squared, name))
    assert object_iou(heatmap, mask) != object_iou(heatmap**2, mask)


def test_localisation_by_hand() -> None:
    mask = np.array([[True, False, True, False]])
    found = localisation(np.array([[4.0, 3.0, 2.0, 1.0]]), mask)
    assert found is not None
    # Hits at ranks 1 and 3: precisions 1 and 2/3, each half of the recall.
    assert found.pixel_ap == pytest.approx((1 + 2 / 3) / 2)
    assert found.pixel_auc == pytest.approx(3 / 4)
    # After three pixels: 2 of a union of 3.
    assert found.best_iou == pytest.approx(2 / 3)
    assert found.pointing == 1.0
    assert found.nss == pytest.approx((3.0 - 2.5) / np.std([4, 3, 2, 1]))
    constant = localisation(np.ones((1, 4)), mask)
    assert constant is not None
    assert (constant.pixel_auc, constant.pixel_ap, constant.pointing, constant.nss) == (
        0.5,
        0.5,
        0.5,
        0.0,
    )
    assert localisation(np.ones((1, 4)), np.ones((1, 4), bool)) is None


@given(
    arrays(np.float32, (5, 5), elements=st.integers(0, 6).map(float)),
    arrays(np.bool_, (5, 5)).filter(lambda mask: mask.any() and not mask.all()),
)
def test_auc_and_ap_equal_their_definitions(heatmap: np.ndarray, mask: np.ndarray) -> None:
    found = localisation(heatmap, mask)
    assert found is not None
    inside, outside = heatmap[mask], heatmap[~mask]
    wins = (inside[:, None] > outside).mean() + (inside[:, None] == outside).mean() / 2
    assert found.pixel_auc == pytest.approx(wins)
    precisions, recalls = [], [0.0]
    for cut in np.unique(heatmap)[::-1]:
        taken = heatmap >= cut
        precisions.append((taken & mask).sum() / taken.sum())
        recalls.append((taken & mask).sum() / mask.sum())
    assert found.pixel_ap == pytest.approx(float(np.dot(np.diff(recalls), precisions)))


def test_auroc_by_hand() -> None:
    assert auroc([0.9, 0.5], [0.5, 0.1]) == pytest.approx((2 + 1.5) / 4)
    assert auroc([1.0], [0.0]) == 1.0
    assert np.isnan(auroc([], [0.3]))


def test_agreement_leaves_scale_one_out() -> None:
    rank = np.array([[0, 0], [0, 3], [0, 0]])
    assert same_word_share(rank, base=0) == 3 / 4
    assert mean_divergence(np.array([[0.0, 0.0], [0.2, 0.4]]), base=0) == pytest.approx(0.3)
    assert np.isnan(same_word_share(rank[:1], base=0))


def test_a_pooled_mean_weighs_words_and_resamples_samples() -> None:
    found = pooled_mean([[1.0, 0.0], [], [1.0]])
    assert found.mean == pytest.approx(2 / 3)
    assert found.low <= found.mean <= found.high
    same = pooled_mean([[0.25]] * 8)
    assert (same.mean, same.low, same.high) == (0.25, 0.25, 0.25)
    assert np.isnan(pooled_mean([[], []]).mean)
    many = np.random.default_rng(0).normal(size=400)
    # The interval of a mean: 1.96 standard errors to each side.
    wide = pooled_mean([[value] for value in many])
    assert wide.high - wide.low == pytest.approx(2 * 1.96 * many.std() / 20, rel=0.15)


def test_a_statistic_of_two_means_takes_each_from_its_own_column() -> None:
    def difference(means: np.ndarray) -> np.ndarray:
        return means[1] - means[0]

    # (1 + 0) / 2 and (3 + 5 + 7) / 3.
    found = pooled([[[1.0], [0.0]], [[3.0], [5.0, 7.0]]], difference)
    assert found.mean == pytest.approx(4.5)
    # One of the two was measured nowhere.
    assert np.isnan(pooled([[[1.0]], [[]]], lambda means: means[0]).mean)


def test_drawing_nothing_but_samples_without_words_is_no_cause_for_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pooled_mean([[0.5], []])
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)


def test_masks_by_name_are_those_of_every_occurrence() -> None:
    sample = Sample("s", "x.png", "p", "a dog and a Dog.", masks={"dog": MASK})
    assert [mask.words for mask in sample.word_masks(sample.answer or "")] == [(1,), (4,)]


@pytest.mark.parametrize(
    ("answer", "absent", "message"),
    [
        (None, (0,), "the answer is generated"),
        ("a dog", (2,), "indices from 0 to 1"),
        ("a dog", (1,), r"carry no mask, got \[1\]"),
    ],
)
def test_absent_words_must_be_words_without_a_mask(
    answer: str | None, absent: tuple[int, ...], message: str
) -> None:
    sample = Sample("s", "x.png", "p", answer, masks={"dog": MASK}, absent=absent)
    with pytest.raises(ValueError, match=message):
        sample.check_word_indices(sample.answer)


def explained(answer: str = "a dog here", absent: tuple[int, ...] = ()):  # type: ignore[no-untyped-def]
    """Three words of a token each; the second's map is on the mask, and at scale 1.0 the brightest.

    At scale 2.0 one token is not the model's first choice, at scale 1.0 two are not.
    """
    made = make_explanation(3, 2, ((1.0, (2, 2)), (2.0, (4, 4))), id="s")
    lit = np.array([[[1, 2], [3, 4]], [[9, 0], [0, 0]], [[0, 5], [0, 0]]], np.float32)
    base, finer = made.scales
    ranks = (np.array([0, 4, 3]), np.array([2, 0, 0]))
    explanation = replace(
        made,
        answer=answer,
        heatmaps=(lit.repeat(2, axis=1).repeat(2, axis=2),),
        grounding=np.array([0.25, 0.75, 0.5], np.float32),
        scales=(replace(base, maps=(lit,), rank=ranks[0]), replace(finer, rank=ranks[1])),
    )
    mask = np.zeros((4, 4), bool)
    mask[:2, :2] = True
    return explanation, Sample("s", "x.png", "p", answer, masks={"dog": mask}, absent=absent)


def test_an_explanations_figures_by_hand() -> None:
    explanation, sample = explained(absent=(2,))
    found = explanation_metrics(explanation, sample, [[0], [1], [2]])
    assert found["obj_iou"] == 1.0 and found["masked_words"] == 1.0
    assert found["same_word_share"] == pytest.approx(2 / 3), "of scale 2.0 alone"
    # What is there has more of the image (.75 > .5) and a higher peak (9 > 5).
    assert found["hallucination_auroc"] == found["hallucination_auroc_of_peak"] == 1.0
    assert all(np.isfinite(value) for value in found.values())


def test_of_one_scale_no_share_is_told_and_without_masks_nothing() -> None:
    explanation, sample = explained()
    words = [[0], [1], [2]]
    single = replace(explanation, scales=explanation.scales[:1])
    found = explanation_metrics(single, sample, words)
    assert "obj_iou" in found
    assert not {"same_word_share", "hallucination_auroc"} & set(found)
    assert explanation_metrics(explanation, Sample("s", "x.png", "p", "a dog here"), words) == {}


def test_absent_words_alone_say_nothing_of_what_is_there() -> None:
    explanation, _ = explained()
    sample = Sample("s", "x.png", "p", "a dog here", absent=(2,))
    found = explanation_metrics(explanation, sample, [[0], [1], [2]])
    assert set(found) == {"same_word_share"}, "an area without a positive is not a number"


def test_a_words_grounding_and_peak_are_the_highest_of_its_tokens() -> None:
    explanation, _ = explained()
    pieces = [[0, 2], [], [1]]
    assert word_grounding(explanation, pieces, [0, 1, 2]) == [0.5, 0.75]
    assert word_peak(explanation, pieces, [0, 1, 2]) == [5.0, 9.0]
    base = explanation.base
    second = np.full((3, 1, 2), [[[7.0, np.nan]]], np.float32)
    both = replace(base, maps=(base.map, second), grids=((2, 2), (1, 2)))
    several = replace(
        explanation,
        heatmaps=(explanation.heatmap, second),
        scales=(both,),
        images=explanation.images * 2,
        image_grounding=np.full((3, 2), 0.25, np.float32),
    )
    assert word_peak(several, pieces, [0, 2]) == [7.0, 9.0], "in whichever image it is"


def test_words_whose_mask_is_empty_are_not_shown() -> None:
    masks = [WordMask((0, 2), MASK), WordMask((1,), np.zeros((2, 2), bool))]
    assert shown_words(masks) == [0, 2]


def test_a_metric_of_ones_own_is_logged_and_has_a_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_METRICS", dict(registry.registered()))

    @word_metric("tokens")
    def tokens(answer: ScoredAnswer) -> list[float]:
        return [float(len(word.maps)) for word in answer.shown]

    explanation, sample = explained()
    logged = explanation_metrics(explanation, sample, [[0], [1, 2], []])
    assert logged["tokens"] == 2.0
    result = {"scores": {"tokens": [2.0, 4.0]}, "seconds_per_token": 0.5, "peak_mb": None}
    entries = [{"sample": "a", "methods": {"mmx": result}}]
    results = summarise(entries, data="x", order=["a"], methods=["mmx"])
    assert results["methods"]["mmx"]["tokens"]["mean"] == 3.0
    assert "x,mmx,tokens,3.0" in as_csv(results)
    (row,) = table_rows(results)
    assert row[1 + columns().index("tokens")].startswith("3.000")
