"""Deletion and insertion, on real models and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mmx_core import Explainer, Sample
from mmx_core.metrics.faithfulness import (
    cells_removed,
    curve_area,
    faithfulness,
    floors,
    head_tokens,
    removal_order,
    resize_by_area,
)
from mmx_core.models import adapter_for
from mmx_core.sample import WordMask
from mmx_core.stages.perturbing import Perturber
from mmx_core.stages.prepare import Prepared, prepare
from tests.support.tiny_models import FAMILIES, TinyModel, make_tiny

ANSWER = "a red circle ."


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request: pytest.FixtureRequest) -> TinyModel:
    return make_tiny(request.param)


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))


def prepared_by(tiny: TinyModel, image: Image.Image) -> Prepared:
    adapter = adapter_for(tiny.model, **tiny.parts)
    return prepare(adapter, Sample("s", image, "describe the image .", ANSWER))


def perturber_of(tiny: TinyModel, **settings) -> Perturber:
    adapter = adapter_for(tiny.model, **tiny.parts)
    return Perturber(adapter, prepared_by(tiny, picture()), **settings)


def test_the_highest_cells_go_first_and_equal_ones_by_lot() -> None:
    assert removal_order(np.array([[[1.0, 3.0], [2.0, 0.0]]])).tolist() == [[1, 2, 0, 3]]
    even = np.zeros((1, 5, 5))
    assert removal_order(even, seed=None).tolist() == [list(range(25))]
    drawn = removal_order(even, seed=1)
    assert drawn.tolist() != removal_order(even, seed=2).tolist()
    assert drawn.tolist() == removal_order(even, seed=1).tolist()
    assert sorted(drawn[0]) == list(range(25))


def test_cells_go_in_at_most_the_steps_asked_for() -> None:
    assert cells_removed(3).tolist() == [0, 1, 2, 3]
    assert cells_removed(100).tolist() == list(range(0, 101, 5))
    assert cells_removed(10, 4).tolist() == [0, 2, 5, 8, 10]


def test_areas_by_hand() -> None:
    removed = np.array([0, 1, 4])
    assert curve_area(np.array([[1.0, 1.0, 1.0]]), removed) == pytest.approx(1.0)
    # Trapezia of widths 1/4 and 3/4.
    assert curve_area(np.array([[1.0, 0.0, 0.0]]), removed) == pytest.approx(1 / 8)
    assert curve_area(np.array([[1.0, 0.5, 0.0]]), removed) == pytest.approx(0.1875 + 0.1875)


def test_with_everything_shown_the_model_says_what_it_says(tiny: TinyModel) -> None:
    perturber = perturber_of(tiny)
    keep = np.ones((4, *perturber.grid), dtype=bool)
    probability, top = perturber.predict(keep, np.arange(4))
    explanation = Explainer(tiny.model, **tiny.parts, scales=(1.0,)).explain(
        picture(), "describe the image .", answer=ANSWER
    )
    assert np.allclose(probability, explanation.base.probability, atol=1e-5)
    assert [candidate.id for candidate in explanation.base.top] == top.tolist()


def test_hidden_cells_show_the_blur(tiny: TinyModel) -> None:
    perturber = perturber_of(tiny)
    rows, columns = perturber.grid
    keep = np.random.default_rng(3).random((1, rows, columns)) < 0.5
    image = picture()
    blurred = image.filter(ImageFilter.GaussianBlur(64 / 8))
    mask = np.kron(keep[0], np.ones((64 // rows, 96 // columns), dtype=bool))
    mixed = Image.fromarray(np.where(mask[..., None], image, blurred))
    explanation = Explainer(tiny.model, **tiny.parts, scales=(1.0,)).explain(
        mixed, "describe the image .", answer=ANSWER
    )
    probability, _ = perturber.predict(keep.repeat(4, axis=0), np.arange(4))
    assert np.allclose(probability, explanation.base.probability, atol=1e-5)


def test_deleting_in_one_order_is_inserting_in_the_other_backwards(tiny: TinyModel) -> None:
    perturber = perturber_of(tiny)
    maps = np.random.default_rng(4).random((2, *perturber.grid))
    forth = faithfulness(perturber, maps, [1, 2])
    back = faithfulness(perturber, -maps, [1, 2])
    assert np.allclose(forth.deletion_curve, back.insertion_curve[:, ::-1], atol=1e-6)
    assert np.allclose(forth.deletion, back.insertion, atol=1e-6)
    assert np.allclose(forth.deletion_curve[:, 0], forth.insertion_curve[:, -1], atol=1e-6)


def test_maps_are_brought_to_another_grid_by_the_area_that_they_cover() -> None:
    unit = np.zeros((1, 1, 8))
    unit[0, 0, 3] = 1
    # Cell 3 of 8 reaches from 3/8 to 4/8: of 5 cells the second has its first 1/40, the third 4/40.
    assert resize_by_area(unit, (1, 5))[0, 0] == pytest.approx([0, 0.125, 0.5, 0, 0])
    maps = np.random.default_rng(0).random((2, 6, 9))
    smaller = resize_by_area(maps, (4, 5))
    assert smaller.mean(axis=(1, 2)) == pytest.approx(maps.mean(axis=(1, 2)))
    halves = maps[:, :, :8].reshape(2, 3, 2, 4, 2).mean(axis=(2, 4))
    assert np.allclose(resize_by_area(maps[:, :, :8], (3, 4)), halves)


def test_faithfulness_is_measured_on_the_first_piece_of_what_is_shown() -> None:
    shown, hidden = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    masks = [WordMask((1, 2), shown, "red giraffe"), WordMask((4,), hidden, "ghost")]
    assert head_tokens(masks, [[0], [1], [2, 3], [4], [5]]) == [2]


def test_a_finer_map_is_averaged_over_the_cells() -> None:
    perturber = perturber_of(make_tiny())
    coarse = np.random.default_rng(5).random((1, *perturber.grid))
    fine = coarse.repeat(2, axis=1).repeat(2, axis=2)
    first, second = (faithfulness(perturber, maps, [0]) for maps in (coarse, fine))
    assert np.allclose(first.deletion_curve, second.deletion_curve)


def test_a_flip_is_another_first_choice_without_a_fifth_of_the_cells() -> None:
    perturber = perturber_of(make_tiny())
    maps = np.random.default_rng(6).random((4, *perturber.grid))
    found = faithfulness(perturber, maps, range(4))
    cells = maps[0].size
    gone = cells_removed(cells)[np.abs(cells_removed(cells) - 0.2 * cells).argmin()]
    keep = np.ones((4, cells), dtype=bool)
    np.put_along_axis(keep, removal_order(maps)[:, :gone], False, axis=1)
    _, before = perturber.predict(np.ones((4, *perturber.grid), dtype=bool), np.arange(4))
    _, after = perturber.predict(keep.reshape(4, *perturber.grid), np.arange(4))
    assert found.flipped.tolist() == (before != after).tolist()


def test_the_floors_take_no_map() -> None:
    perturber = perturber_of(make_tiny(), fill="mean")
    found = floors(perturber, [0, 3])
    assert set(found) == {"random", "uniform"}
    assert all(each.deletion.shape == (2,) for each in found.values())
    # The ends of the curves are those of any map.
    assert np.allclose(
        found["random"].deletion_curve[:, [0, -1]], found["uniform"].deletion_curve[:, [0, -1]]
    )


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of blur, mean, other, got 'black'"):
        perturber_of(make_tiny(), fill="black")
