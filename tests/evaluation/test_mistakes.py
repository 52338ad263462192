"""What the studies of mistakes and of scales stand on."""

from __future__ import annotations

import numpy as np
import pytest

from mmx_core.metrics import auroc
from mmx_core.settings import DEFAULT_SCALES
from tests.benchmarks.mistakes_fit import auroc_draws, calibration_error, fit
from tests.benchmarks.mistakes_words import judged
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.scales import CHEAP, DEAR, SCALES, Measured, plans, subsets


def drawn_words(count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two figures, of which the first decides; whether each word is right; whose it is."""
    random = np.random.default_rng(0)
    figures = random.normal(size=(count, 2)) * (2.0, 30.0) + (1.0, -5.0)
    right = random.random(count) < 1 / (1 + np.exp(-2 * figures[:, 0]))
    return figures, right, np.arange(count) // 4


def test_a_fitted_probability_is_right_on_average_and_leans_on_what_decides() -> None:
    figures, right, _ = drawn_words()
    model = fit(figures, right)
    assert model.probability(figures).mean() == pytest.approx(right.mean(), abs=1e-6)
    per_unit = model.weights[:2] / model.spread
    assert per_unit[0] == pytest.approx(2, abs=0.7)
    assert abs(per_unit[1]) < 0.05


def test_a_fit_without_a_wrong_word_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="expected right and wrong words, got 3 right of 3"):
        fit(np.zeros((3, 1)), np.ones(3, dtype=bool))


def test_the_first_drawing_is_the_auroc_of_all_samples_with_ties_as_half() -> None:
    figures, right, sample = drawn_words()
    scores = figures[:, 0].round()
    expected = auroc(scores[right], scores[~right])
    assert auroc_draws(scores, right, sample)[0] == pytest.approx(expected)


def test_words_of_one_sample_are_drawn_together_and_scores_of_the_same_words_are_paired() -> None:
    figures, right, sample = drawn_words()
    alone = auroc_draws(figures[:, 0], right, np.zeros_like(sample))
    assert alone.std() == pytest.approx(0)
    draws = auroc_draws(figures[:, 0], right, sample)
    assert draws.std() > 0.005
    assert (draws == auroc_draws(3 * figures[:, 0] - 1, right, sample)).all()


def test_the_calibration_error_weighs_each_bins_gap_by_its_words() -> None:
    # Three of .9, of which two are right; one of .2, which is wrong; and 1 belongs to the last bin.
    probability = np.array([0.92, 0.92, 0.92, 0.2, 1.0])
    right = np.array([True, True, False, False, True])
    assert calibration_error(probability, right) == pytest.approx((0.76 - 0.0 + 0.2) / 5)


def test_a_shape_is_judged_only_where_its_colour_says_which_thing_is_meant() -> None:
    said = "a red box right of a green star and a blue ring"
    found = list(judged(said, {"red square", "green ring"}, ()))
    assert [(place.start, right) for place, right in found] == [
        (1, True), (2, True), (6, True), (7, False), (10, False),
    ]  # fmt: skip


def test_the_longest_name_is_judged_and_no_word_twice() -> None:
    said = "There is a hot dog above a dog."
    found = [(place.start, place.stop, right) for place, right in judged(said, {"dog"}, NAMES)]
    assert found == [(3, 5, False), (7, 8, True)]


def test_every_set_of_scales_that_holds_1_is_compared_once() -> None:
    found = subsets(SCALES)
    assert len(set(found)) == len(found) == 64
    assert all(1.0 in some for some in found)
    assert DEFAULT_SCALES in found


def test_no_plan_costs_more_than_the_default_on_the_samples_it_is_made_for() -> None:
    random = np.random.default_rng(0)
    tokens = {factor: round(64 * factor**2) for factor in SCALES}
    samples = [
        Measured({}, tokens, random.random(), dict.fromkeys(SCALES, random.random()))
        for _ in range(12)
    ]
    budget = samples[0].cost(DEFAULT_SCALES)
    found = list(plans(samples))
    assert {plan.cheap for plan in found} <= set(CHEAP)
    assert {plan.dear for plan in found} <= set(DEAR)
    for plan in found:
        spent = [each.cost(some) for each, some in zip(samples, plan.sets(samples), strict=True)]
        # A sample more or less: the threshold lies between two.
        assert np.mean(spent) <= budget + samples[0].cost(plan.dear) / len(samples)
        assert len({*plan.sets(samples)}) == 2 or np.mean(spent) <= budget
