"""Plausibility metrics, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmx_core.metrics import iou, object_iou, otsu_threshold, pixel_auc, word_metrics
from mmx_core.sample import Sample, WordMask
from mmx_core.words import tokens_of_words
from tests.support.tiny_models import make_tokenizer

MASK = np.array([[True, False], [False, False]])


def test_otsu_parts_two_clusters_and_takes_a_constant() -> None:
    values = np.array([0.0, 0.1, 0.0, 5.0, 5.1])
    assert 0.1 < otsu_threshold(values) < 5.0
    assert otsu_threshold(np.full(4, 2.0)) == 2.0


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


def test_pixel_auc_by_hand() -> None:
    assert pixel_auc(np.array([[9.0, 1.0], [2.0, 3.0]]), MASK) == 1.0
    assert pixel_auc(np.array([[2.0, 1.0], [2.0, 3.0]]), MASK) == pytest.approx(0.5)
    assert pixel_auc(np.ones((2, 2)), MASK) == 0.5
    assert np.isnan(pixel_auc(np.ones((2, 2)), np.zeros((2, 2), bool)))


def test_the_best_sub_token_of_a_word_counts() -> None:
    maps = np.array([[[0.0, 9.0], [0.0, 0.0]], [[9.0, 0.0], [0.0, 0.0]]])
    found = word_metrics(maps, [WordMask((0,), MASK)], [[0, 1]])
    assert found == {"obj_iou": 1.0, "pixel_auc": 1.0, "masked_words": 1.0}
    assert word_metrics(maps, [WordMask((0,), np.zeros((2, 2), bool))], [[0, 1]]) == {}
    with pytest.raises(ValueError, match="word indices below 1"):
        word_metrics(maps, [WordMask((1,), MASK, "dog")], [[0, 1]])


def test_masks_by_name_are_those_of_every_occurrence() -> None:
    sample = Sample("s", "x.png", "p", "a dog and a Dog.", masks={"dog": MASK})
    assert [mask.words for mask in sample.word_masks(sample.answer or "")] == [(1,), (4,)]


def test_tokens_are_assigned_to_words_given_or_generated() -> None:
    tokenizer = make_tokenizer()
    answer = "a red circle ."
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    assert tokens_of_words(tokenizer, answer, ids) == [[0], [1], [2], [3]]
    assert tokens_of_words(tokenizer, " ".join(["a", "red"]), ids[:2]) == [[0], [1]]
    with pytest.raises(ValueError, match="they spell"):
        tokens_of_words(tokenizer, "a blue circle .", ids)
