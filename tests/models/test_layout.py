"""Where visual tokens lie on their picture, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from mmx_core.models.layout import WHOLE, Box, Raster, View, VisualSpan

LEFT: Box = (0.0, 0.0, 1.0, 0.5)


def span(*rasters: Raster) -> VisualSpan:
    count = sum(len(raster.offsets) for raster in rasters)
    return VisualSpan(torch.arange(count), View(rasters))


def test_a_cell_is_seen_from_a_hundredth_of_its_area_on() -> None:
    # The plane has two columns, of which the token covers the first, and 4 % of the second.
    (sliver,) = span(Raster([0], (1, 1), (0.0, 0.0, 1.0, 0.52))).on_plane(tensor([[5.0]]))
    assert sliver[0].tolist() == pytest.approx([5.0, 5.0])
    rounding = span(Raster([0], (1, 1), (0.0, 0.0, 1.0, 0.504)))
    assert rounding.view.partial
    (seen,) = rounding.on_plane(tensor([[5.0]]))
    assert seen[0, 0] == pytest.approx(5.0) and seen[0, 1].isnan()
    assert not span(Raster([0], (1, 1), (0.0, 0.0, 1.0, 0.52))).view.partial


def test_a_cell_exactly_a_hundredth_of_which_is_seen_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmx_core.models.layout._SEEN_SHARE", 0.5)
    half = span(Raster([0], (1, 1), (0.0, 0.0, 1.0, 0.75)), Raster([1], (1, 1), LEFT))
    assert half.view.coverage().tolist() == [[2.0, 0.5]]
    assert not half.view.partial
    assert half.on_plane(tensor([[2.0, 4.0]])).tolist() == [[[3.0, 2.0]]]


def test_what_a_tile_and_the_thumbnail_cover_gets_their_mean() -> None:
    tile, thumbnail = Raster([0, 1], (1, 2), LEFT), Raster([2, 3], (1, 2))
    both = span(tile, thumbnail)
    assert both.grid == (1, 4), "as fine as the finest"
    assert both.on_plane(tensor([[1.0, 3.0, 5.0, 7.0]])).tolist() == [[[3.0, 4.0, 7.0, 7.0]]]
    assert both.view.coverage().tolist() == [[2.0, 2.0, 1.0, 1.0]]


def test_a_token_that_covers_two_rows_unevenly_weighs_by_the_area_of_each() -> None:
    # Rows of thirds over a plane of quarters; its second quarter is 1/3 the first, 2/3 the second.
    coarse = Raster([0, 1, 2], (3, 1))
    fine = Raster([3, 4, 5, 6], (4, 1))
    found = span(coarse, fine).on_plane(tensor([[3.0, 6.0, 9.0, 0.0, 0.0, 0.0, 0.0]]))
    assert found[0, :, 0].tolist() == pytest.approx([1.5, 2.5, 3.5, 4.5])


def test_a_picture_in_one_raster_is_its_own_plane() -> None:
    whole = span(Raster(range(6), (2, 3)))
    values = torch.arange(6.0)[None]
    assert whole.on_plane(values).tolist() == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
    padded = span(Raster(range(2), (2, 1), (-0.5, 0.0, 1.5, 1.0)))
    assert padded.grid == (1, 1)
    assert padded.on_plane(tensor([[2.0, 4.0]])).tolist() == [[[3.0]]]


def test_rectangles_are_those_of_the_tokens_in_order() -> None:
    two = span(Raster([0, 1], (1, 2), LEFT), Raster([2, 3], (2, 1), WHOLE))
    assert two.rectangles.tolist() == [
        [0.0, 0.0, 1.0, 0.25],
        [0.0, 0.25, 1.0, 0.5],
        [0.0, 0.0, 0.5, 1.0],
        [0.5, 0.0, 1.0, 1.0],
    ]


@pytest.mark.parametrize(
    "box", [(0.5, 0.0, 0.5, 1.0), (0.0, 0.5, 1.0, 0.5), (0.6, 0.0, 0.4, 1.0), (0.0, 1.0, 1.0, 0.0)]
)
def test_a_box_without_an_area_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="expected a box"):
        Raster([0], (1, 1), box)


@pytest.mark.parametrize("count", [5, 7])
def test_as_many_tokens_as_cells_are_expected(count: int) -> None:
    with pytest.raises(ValueError, match="expected 2 x 3 = 6 visual tokens"):
        Raster(range(count), (2, 3))
