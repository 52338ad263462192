"""Masks of what an answer's words name, small enough to be logged with every step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmx_core.events import bounds
from mmx_core.events.privacy import private_explanation
from mmx_core.events.wire import decode_explanation, encode_explanation
from mmx_core.metrics.objects import named_objects, object_mask
from mmx_core.parts import ObjectMask
from mmx_core.sample import WordMask
from tests.support.explanations import make_explanation

MASK = np.array([[0, 1, 1], [1, 0, 0]], bool)


def test_a_mask_is_counted_line_by_line_from_the_outside_in_and_comes_back() -> None:
    assert object_mask(MASK, [1], "dog").runs == (1, 3, 2)
    assert object_mask(~MASK, [1], "dog").runs == (0, 1, 3, 2)
    for mask in (MASK, ~MASK, np.ones((2, 3), bool)):
        assert np.array_equal(object_mask(mask, [1], "dog").mask, mask)


def test_a_large_mask_and_a_speckled_one_are_made_smaller_and_a_hair_stays() -> None:
    large = np.zeros((3000, 2000), bool)
    large[600:1500, 500:1000] = True
    made = object_mask(large, [0], "door")
    assert (made.height, made.width) == (512, 341)
    rows, columns = np.nonzero(made.mask)
    edges = rows.min() / 512, (rows.max() + 1) / 512, columns.min() / 341, (columns.max() + 1) / 341
    assert edges == pytest.approx((0.2, 0.5, 0.25, 0.5), abs=0.003)
    hair = np.zeros((3000, 2000), bool)
    hair[:, 700] = True
    assert object_mask(hair, [0], "hair").mask.any(axis=1).all()
    speckled = np.random.default_rng(0).random((500, 500)) < 0.5
    assert len(object_mask(speckled, [0], "noise").runs) <= 4096


def test_named_are_the_objects_that_metrics_count_with_all_their_words_tokens() -> None:
    given = [
        WordMask((1, 2), MASK, "hot dog"),
        WordMask((0,), np.zeros((2, 3), bool), "not there"),
        WordMask((0,), np.ones((2, 3), bool), "everywhere"),
        WordMask((3,), MASK, "without tokens"),
    ]
    (named,) = named_objects(given, [[0], [1, 2], [3], []])
    assert (named.name, named.tokens) == ("hot dog", (1, 2, 3))


def test_objects_go_with_their_picture_and_with_the_tokens_of_a_cut_answer(monkeypatch) -> None:
    objects = (object_mask(MASK, [0, 3], "/home/ada/dog"), object_mask(MASK, [4], "cat"))
    made = replace(make_explanation(), objects=objects)
    assert decode_explanation(encode_explanation(made)).objects == objects
    without = decode_explanation(encode_explanation(replace(made, images=())))
    assert without.objects == ()
    assert [entry.name for entry in private_explanation(made).objects] == ["dog", "cat"]
    monkeypatch.setattr(bounds, "fitting_tokens", lambda _: 2)
    with pytest.warns(UserWarning, match="leaves out"):
        cut = bounds.fitted(made)
    assert [entry.tokens for entry in cut.objects] == [(0,)]


@pytest.mark.parametrize(
    "wrong",
    [{"tokens": ()}, {"tokens": (1, 0)}, {"height": 0}, {"width": 2048}, {"runs": (1, 4)}],
)
def test_what_no_mask_can_be_is_refused(wrong) -> None:
    fitting = {"name": "dog", "tokens": (0,), "height": 2, "width": 3, "runs": (1, 5)}
    with pytest.raises(ValueError, match="objects: expected"):
        ObjectMask(**{**fitting, **wrong})
