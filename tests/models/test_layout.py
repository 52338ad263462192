"""Where visual tokens lie on their picture, and how tiles are cut, by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import tensor

from mmx_core.models.layout import WHOLE, Box, Layout, Raster, View, VisualSpan
from mmx_core.models.square import seen_box, square_box
from mmx_core.models.tiles import Canvas, Tiling, covered, shuffled_grid, tile_rasters

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


def test_a_layout_counts_the_visual_tokens_of_all_its_views() -> None:
    first, second = (
        View((Raster([0, 1], (1, 2)), Raster([3], (1, 1)))),
        View((Raster([5], (1, 1)),)),
    )
    assert Layout((9,) * 6, (first, second)).count == 4


def test_tiles_come_row_by_row_and_the_whole_image_last() -> None:
    upper, lower = [(0, 0, 0.5, 0.5), (0, 0.5, 0.5, 1)], [(0.5, 0, 1, 0.5), (0.5, 0.5, 1, 1)]
    assert Tiling(2, 2, 56).boxes == [*upper, *lower, WHOLE]
    assert Tiling(1, 1, 56).boxes == [WHOLE], "a single tile is the whole image"
    assert Tiling(0, 0, 56).boxes == [WHOLE]


def test_a_tiles_tokens_are_those_of_its_whole_patches() -> None:
    assert shuffled_grid(56, 14, 2) == (2, 1.0)
    # 9 patches of 7 pixels along 66.
    assert shuffled_grid(66, 7, 3) == (3, 63 / 66)
    with pytest.raises(ValueError, match="has 4 patches of 14 along"):
        shuffled_grid(56, 14, 3)
    assert covered((0.5, 0.25, 1.0, 0.75), 0.5) == (0.5, 0.25, 0.75, 0.5)


WIDE = Canvas.fit((64, 256), (1, 2), 64, 4, 16)
TALL = Canvas.fit((256, 64), (2, 1), 64, 4, 16)


def test_an_image_is_fitted_into_its_tiles_in_the_middle() -> None:
    assert (WIDE.size, WIDE.margins) == ((32, 128), (16, 0))
    assert (TALL.size, TALL.margins) == ((128, 32), (0, 16))
    # 30 columns on 64: 10 rows are 21.3, rounded up.
    assert Canvas.fit((10, 30), (1, 1), 64, 4, 16).size == (22, 64)
    assert Canvas.fit((30, 10), (1, 1), 64, 4, 16).size == (64, 22)
    assert Canvas.fit((64, 128), (1, 2), 64, 4, 16).size == (64, 128)


def test_cells_of_the_margins_are_cut_off() -> None:
    assert WIDE.kept((64, 256)) == (slice(1, 3), slice(0, 8))
    assert TALL.kept((256, 64)) == (slice(0, 8), slice(1, 3))
    exact = Canvas.fit((64, 128), (1, 2), 64, 4, 16)
    assert exact.kept((64, 128)) == (slice(0, 4), slice(0, 8))


def test_cells_show_what_is_under_them() -> None:
    assert WIDE.box((1, 3), (0, 4)) == (0.0, 0.0, 1.0, 0.5)
    assert WIDE.box((1, 3), (4, 8)) == (0.0, 0.5, 1.0, 1.0)
    assert WIDE.box((0, 1), (5, 6)) == (-0.5, 0.625, 0.0, 0.75), "above it there is a margin"
    # Tiles of 30 pixels, of which 4 cells of 7 see 28: the second begins at 30 all the same.
    loose = Canvas.fit((30, 60), (1, 2), 30, 4, 7)
    assert loose.box((0, 4), (4, 8)) == pytest.approx((0, 30 / 60, 28 / 30, 58 / 60))


def test_each_tile_has_a_raster_and_each_row_ends_with_a_newline() -> None:
    left, right = tile_rasters(WIDE, slice(1, 3), slice(0, 8), 10)
    # Two rows of eight and a newline: 10 to 17, 18; 19 to 26, 27.
    assert left.offsets == [10, 11, 12, 13, 19, 20, 21, 22]
    assert right.offsets == [14, 15, 16, 17, 23, 24, 25, 26]
    assert left.grid == right.grid == (2, 4)
    assert (left.box, right.box) == ((0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0))
    upper, lower = tile_rasters(TALL, slice(3, 6), slice(1, 3), 0)
    assert (upper.offsets, upper.grid) == ([0, 1], (1, 2))
    assert (lower.offsets, lower.grid) == ([3, 4, 6, 7], (2, 2))
    assert lower.box == (0.5, 0.0, 0.75, 1.0)
    (only,) = tile_rasters(TALL, slice(5, 7), slice(1, 3), 0)
    assert only.grid == (2, 2)


def test_an_image_too_long_for_a_row_of_cells_has_no_tiles() -> None:
    assert tile_rasters(WIDE, slice(2, 2), slice(0, 8), 10) == []
    assert tile_rasters(TALL, slice(0, 8), slice(2, 2), 10) == []
    assert len(tile_rasters(WIDE, slice(1, 2), slice(3, 4), 0)) == 1


def processor(**settings: object) -> SimpleNamespace:
    """Resizes the shorter side to 56 pixels and crops the centre, unless told otherwise."""
    return SimpleNamespace(
        **{
            "size": {"shortest_edge": 56},
            "crop_size": {"height": 56, "width": 56},
            "do_resize": True,
            "do_center_crop": True,
            **settings,
        }
    )


def test_a_square_around_an_image_reaches_beyond_it() -> None:
    assert square_box((100, 200), 1.0) == (0.0, -0.5, 1.0, 1.5)
    assert square_box((200, 100), 1.0) == (-0.5, 0.0, 1.5, 1.0)
    assert square_box((200, 100), 0.75) == (-0.5, 0.0, 1.0, 0.75)


def test_what_is_cropped_of_an_image_is_seen() -> None:
    # 200 x 100 becomes 112 x 56, of which columns 28 to 84 are left; patches of 14 see 42.
    assert seen_box(processor(), (200, 100), 56, 56) == (0.0, 0.25, 1.0, 0.75)
    assert seen_box(processor(), (100, 200), 56, 56) == (0.25, 0.0, 0.75, 1.0)
    assert seen_box(processor(), (200, 100), 56, 42) == (0.0, 0.25, 0.75, 0.625)
    assert seen_box(processor(), (100, 100), 56, 56) == WHOLE
    # At twice the side everything is twice as large.
    assert seen_box(processor(), (200, 100), 112, 112) == (0.0, 0.25, 1.0, 0.75)
    stretched = processor(size={"height": 56, "width": 56}, do_center_crop=False)
    assert seen_box(stretched, (200, 100), 56, 56) == WHOLE
    padded = processor(do_pad=True, pad_to_square=None)
    assert seen_box(padded, (200, 100), 56, 56) == (-0.5, 0.0, 1.5, 1.0)
    assert seen_box(processor(do_pad=True), (200, 100), 56, 56) == (0.0, 0.25, 1.0, 0.75)
    larger = processor(size={"shortest_edge": 112})
    assert seen_box(larger, (100, 100), 56, 56) == (0.25, 0.25, 0.75, 0.75)


def test_an_image_processor_that_makes_no_square_is_refused() -> None:
    with pytest.raises(ValueError, match="it makes 112x56 of 200x100 and crops nothing"):
        seen_box(processor(do_center_crop=False), (200, 100), 56, 56)
    with pytest.raises(ValueError, match="expected a size of height and width"):
        seen_box(processor(size={"longest_edge": 56}), (200, 100), 56, 56)
    with pytest.raises(ValueError, match="expected do_resize for 112x112 pixels instead of 56x56"):
        seen_box(processor(do_resize=False), (200, 100), 112, 112)
