"""Leave-one-out of regions, and what cells and words do together."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmx_core import Sample
from mmx_core.metrics.removal import (
    chosen,
    over_regions,
    rank_correlation,
    regions_of,
    removal_figures,
)
from mmx_core.metrics.synergy import synergies
from mmx_core.models import adapter_for
from mmx_core.stages.perturbing import Perturber
from mmx_core.stages.prepare import prepare
from mmx_core.text.tokens import neutral_token
from tests.support.tiny_models import FAMILIES, TinyModel, make_tiny

CELLS = np.eye(4, dtype=bool).reshape(4, 2, 2)
"""Of a picture of two by two cells, each a region."""


def grid(*values: float) -> np.ndarray:
    return np.array([values]).reshape(1, 2, 2)


def test_a_map_that_orders_regions_as_their_removal_does_is_perfect() -> None:
    found = removal_figures(grid(4, 3, 2, 1), np.array([[2.0, 1.0, 0.0, -1.0]]), CELLS)
    assert found == {"removal_rank": [1.0], "removal_share": [1.0], "removal_first": [1.0]}
    turned = removal_figures(grid(1, 2, 3, 4), np.array([[2.0, 1.0, 0.0, -1.0]]), CELLS)
    assert turned == {"removal_rank": [-1.0], "removal_share": [-0.5], "removal_first": [-0.5]}


def test_a_map_without_order_gets_what_a_lot_would() -> None:
    found = removal_figures(grid(1, 1, 1, 1), np.array([[2.0, 1.0, 1.0, 0.0]]), CELLS)
    assert found == {"removal_rank": [0.0], "removal_share": [0.5], "removal_first": [0.5]}
    # The highest two of three equals: each is among them with two chances of three.
    assert chosen(np.array([[1.0, 5.0, 1.0, 1.0]]), 3).tolist() == [
        pytest.approx([2 / 3, 1, 2 / 3, 2 / 3])
    ]


def test_a_word_that_needs_no_region_has_no_order_to_find() -> None:
    found = removal_figures(grid(4, 3, 2, 1), np.array([[0.09, 0.0, -3.0, 0.0]]), CELLS)
    assert found == {"removal_rank": [], "removal_share": [], "removal_first": []}


def test_rank_correlation_by_hand_with_ties() -> None:
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4.
    found = rank_correlation(np.array([[0.0, 1.0, 1.0, 9.0]]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert found == pytest.approx([4.5 / np.sqrt(4.5 * 5)])


def test_regions_are_squares_about_the_cells_of_any_grid() -> None:
    regions = regions_of((7, 8))
    assert regions.shape == (56, 7, 8)
    assert regions[8 * 3 + 4].nonzero()[0].tolist() == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert regions[0].sum() == 4  # cut off at the corner
    for size in [(1, 1), (2, 3), (40, 24), (13, 60)]:
        found = regions_of(size)
        assert found.any(axis=0).all(), "every cell is taken away at least once"
        assert len(found) <= 12 * 12 and found.any(axis=(1, 2)).all()
    means = over_regions(np.full((1, 7, 8), 0.1), regions)
    assert len(np.unique(means)) == 1, "a map without order has none by rounding"


@pytest.fixture(scope="module", params=FAMILIES)
def perturber(request: pytest.FixtureRequest) -> tuple[TinyModel, Perturber]:
    tiny = make_tiny(request.param)
    adapter = adapter_for(tiny.model, **tiny.parts)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    prepared = prepare(adapter, Sample("s", image, "describe the image .", "a red circle ."))
    return tiny, Perturber(adapter, prepared)


def test_words_that_are_taken_away_are_a_neutral_token_to_the_model(
    perturber: tuple[TinyModel, Perturber],
) -> None:
    tiny, asked = perturber
    shown = np.ones((2, *asked.grid), dtype=bool)
    tokens = np.array([2, 2])
    left = np.ones((2, len(asked.encoded.context_positions)), dtype=bool)
    left[1, -4] = False  # the answer's first token
    whole, without = asked.predict(shown, tokens, left)[0]
    assert whole == asked.predict(shown, tokens)[0][0]
    adapter = adapter_for(tiny.model, **tiny.parts)
    inputs = dict(adapter.collate([asked.encoded]))
    inputs["input_ids"] = inputs["input_ids"].clone()
    answer = asked.encoded.context_positions[-4:]
    inputs["input_ids"][0, answer[0]] = neutral_token(adapter.tokenizer)
    state = adapter.forward(inputs)[0, answer[2] - 1]
    logits = (state @ adapter.head_weight.T).float().softmax(-1)
    said = inputs["input_ids"][0, answer[2]]
    assert without == pytest.approx(logits[said].item(), rel=1e-3)
    assert without != pytest.approx(whole, rel=1e-6)


def test_the_dividend_is_both_without_either_alone(perturber: tuple[TinyModel, Perturber]) -> None:
    _, asked = perturber
    context, cells = len(asked.encoded.context_positions), np.prod(asked.grid)
    words = np.full((1, context), np.nan)
    words[0, -4:-2] = [1.0, -3.0]  # by size: the second
    maps = np.zeros((1, *asked.grid))
    maps.flat[: round(0.2 * cells)] = 1
    found = synergies(asked, maps, words, [2])
    best, every, none = (np.ones(context, bool) for _ in range(3))
    best[-4], none[-4:-2] = False, False

    def p(seen: np.ndarray, left: np.ndarray) -> float:
        return float(asked.predict(seen, np.array([2]), left[None])[0][0])

    for name, left in (("synergy", best), ("synergy_all_words", every)):
        whole, dark = maps > 0, np.zeros(maps.shape, bool)
        expected = p(whole, left) - p(whole, none) - p(dark, left) + p(dark, none)
        assert found[name] == [pytest.approx(expected, abs=1e-6)]
