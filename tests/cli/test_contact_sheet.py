"""The contact sheet, pixel by pixel."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core.cli import main
from mmx_core.explanation import EncodedImage, Explanation
from mmx_core.export.contact_sheet import MARGIN, contact_sheet, default_tokens, tile_size
from mmx_core.export.heat import grey_picture, lay_over
from mmx_core.export.inferno import INFERNO
from tests.events.golden import several
from tests.support.explanations import make_explanation

ROOT = Path(__file__).parents[2]
ROWS, COLUMNS = 4, 8


def plain_image(level: int = 100) -> EncodedImage:
    file = io.BytesIO()
    Image.new("RGB", (160, 80), (level, level, level)).save(file, "PNG")
    return EncodedImage(file.getvalue(), "png", 160, 80, "0" * 16)


def one_hot(row: int, column: int, token: int = 1) -> Explanation:
    heatmaps = np.zeros((3, ROWS, COLUMNS), np.float32)
    heatmaps[token, row, column] = 7
    made = make_explanation(tokens=3, scales=((1.0, (ROWS, COLUMNS)),), image=plain_image())
    return replace(made, heatmaps=(heatmaps,))


def tile(sheet: Image.Image, explanation: Explanation, place: int) -> np.ndarray:
    width, height = tile_size(explanation)
    left = MARGIN + place * (width + MARGIN)
    return np.asarray(sheet.crop((left, MARGIN, left + width, MARGIN + height))).astype(int)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (1, 6), (3, 7)])
def test_a_hot_cell_is_hot_at_its_place_in_its_tokens_tile_alone(row: int, column: int) -> None:
    explanation = one_hot(row, column)
    sheet = contact_sheet(explanation)
    ground = np.array([100, 100, 100])
    hot = np.rint(0.85 * INFERNO[255] + 0.15 * ground).astype(int)
    drawn = tile(sheet, explanation, 1)
    height, width = drawn.shape[0] // ROWS, drawn.shape[1] // COLUMNS
    cell = np.zeros(drawn.shape[:2], bool)
    cell[row * height : (row + 1) * height, column * width : (column + 1) * width] = True
    assert (drawn[cell] == hot).all()
    assert (drawn[~cell] == ground).all()
    for other in (0, 2):
        assert (tile(sheet, explanation, other) == ground).all()


def test_opacity_grows_up_to_half_the_range_and_color_beyond() -> None:
    picture = np.full((1, 5, 3), 200, np.uint8)
    drawn = lay_over(picture, np.array([[0, 1, 2, 3, 4]], np.float32), 4.0)
    alpha = 0.85 * np.array([0, 0.5, 1, 1, 1])[:, None]
    table = INFERNO[[0, 64, 128, 191, 255]]
    np.testing.assert_array_equal(drawn[0], np.rint(alpha * table + (1 - alpha) * 200))


def test_the_range_is_that_of_the_whole_answer_even_if_few_tokens_are_drawn() -> None:
    explanation = one_hot(0, 0, token=2)
    explanation.heatmap[0, 2, 2] = 0.7
    alone = tile(contact_sheet(explanation, [0]), explanation, 0)
    beside = tile(contact_sheet(explanation), explanation, 0)
    np.testing.assert_array_equal(alone, beside)


def test_what_has_no_value_is_hatched_and_not_drawn_as_zero() -> None:
    explanation = one_hot(0, 0)
    explanation.heatmap[1, 2, 3] = np.nan
    drawn = tile(contact_sheet(explanation), explanation, 1)
    cell = drawn[60:90, 90:120]
    seen = {tuple(pixel) for pixel in cell.reshape(-1, 3).tolist()}
    assert seen == {(0, 0, 0), (255, 255, 255), (100, 100, 100)}
    assert (drawn[90:, :] == 100).all()


def test_the_image_is_drawn_without_its_colors() -> None:
    picture = grey_picture(make_explanation().image, (24, 16))
    assert (picture == picture[:, :, :1]).all() and np.ptp(picture) > 20


@pytest.mark.parametrize("value", [0.0, np.nan, -1.0])
def test_maps_without_activation_are_drawn_see_through(value: float) -> None:
    explanation = one_hot(0, 0)
    explanation.heatmap[:] = value
    sheet = contact_sheet(replace(explanation, images=()))
    assert sheet.width > 0


def test_special_tokens_are_left_out_unless_there_are_no_others() -> None:
    made = one_hot(0, 0)
    special = replace(made.tokens[0], special=True)
    mixed = replace(made, tokens=(special, *made.tokens[1:]))
    assert default_tokens(mixed) == [1, 2]
    assert default_tokens(replace(made, tokens=(special,) * 3)) == [0, 1, 2]


def test_odd_tokens_have_captions_too() -> None:
    made = one_hot(0, 0)
    texts = ("\n\x00 ", "図" * 50, "\ud800")
    tokens = tuple(replace(t, text=text) for t, text in zip(made.tokens, texts, strict=True))
    assert contact_sheet(replace(made, tokens=tokens)).size == contact_sheet(made).size


def test_the_command_writes_the_tokens_asked_for(logdir, tmp_path, capsys) -> None:
    out = tmp_path / "sheet.png"
    place = ["--run", "grounded", "--sample", "val/2", "--format", "png", "--out", str(out)]
    assert main(["export", str(logdir), *place]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    with Image.open(out) as every:
        widths = [every.width]
    assert main(["export", str(logdir), *place, "--overwrite", "--token", "0", "3", "4"]) == 0
    with Image.open(out) as some:
        widths.append(some.width)
    assert widths[1] < widths[0]


def test_a_sheet_of_several_images_has_a_tile_for_each() -> None:
    explanation = several(seed=3)
    widest = max(tile_size(explanation, image)[0] for image in range(3))
    sheet = contact_sheet(explanation, tokens=[0])
    assert sheet.width == MARGIN + 3 * (widest + MARGIN)
