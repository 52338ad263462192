"""Pictures that move: their moments, their range, and what they refuse."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from mmx_core.explanation import Explanation
from mmx_core.export.moving import moving_picture
from mmx_core.metrics.objects import object_mask
from tests.cli.test_contact_sheet import plain_image
from tests.support.explanations import make_explanation

ROWS, COLUMNS = 4, 8
INK = (26, 102, 214)


def flat(value: float, step: int, tokens: int = 3) -> Explanation:
    """Every token's map has one value, and every probability is the same."""
    made = make_explanation(tokens, scales=((1.0, (ROWS, COLUMNS)),), image=plain_image())
    heatmaps = np.full((tokens, ROWS, COLUMNS), value, np.float32)
    scale = replace(made.scales[0], probability=np.full(tokens, value / 8, np.float32))
    return replace(made, heatmaps=(heatmaps,), scales=(scale,), step=step)


def moments(content: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(content)) as opened:
        frames = ImageSequence.Iterator(opened)
        return [np.asarray(frame.convert("RGB")).astype(int) for frame in frames]


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_one_token_grows_over_the_steps_in_the_range_of_the_largest(kind: str) -> None:
    shown = moments(moving_picture([flat(value, int(value)) for value in (0, 2, 8)], [1], kind))
    assert len(shown) == 3
    cells = [frame[62 + 60, 200] for frame in shown]
    np.testing.assert_allclose(cells[0], 100, atol=6)  # nothing: the grey picture
    assert cells[1].sum() < 300 < 450 < cells[2].sum()  # a quarter of the range, and all of it
    heights = []
    for frame in shown:
        rows, columns = np.nonzero((np.abs(frame[300:] - INK) < 40).all(axis=2))
        heights.append(rows[columns == columns.max()].mean())
    assert heights[0] > heights[1] > heights[2]  # p 0, 0.25 and 1


def test_an_answer_is_shown_token_by_token_without_the_templates() -> None:
    made = flat(4, 0)
    answer = (made.tokens[0], replace(made.tokens[1], special=True), made.tokens[2])
    shown = moving_picture([replace(made, tokens=answer)], kind="WEBP")
    assert len(moments(shown)) == 2


def test_a_step_whose_answer_lacks_the_token_shows_the_bare_picture() -> None:
    lacking = flat(8, 0)
    other = tuple(replace(token, text=" other") for token in lacking.tokens)
    shown = moments(moving_picture([replace(lacking, tokens=other), flat(8, 1)], [0], "WEBP"))
    np.testing.assert_allclose(shown[0][62 + 60, 200], 100, atol=6)


def test_several_tokens_over_several_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one, to show over the steps, got 2"):
        moving_picture([flat(1, 0), flat(1, 1)], [0, 1])
    with pytest.raises(IndexError, match="indices from 0 to 2"):
        moving_picture([flat(1, 0)], [3])


def test_what_the_token_names_is_outlined_in_white_on_dark() -> None:
    mask = np.zeros((ROWS, COLUMNS), bool)
    mask[1:3, 2:6] = True
    made = replace(flat(0, 0), objects=(object_mask(mask, [1], "dog"),))
    named, other = (moments(moving_picture([made], [token], "WEBP"))[0] for token in (1, 0))
    differ = np.abs(named - other).max(axis=2)[62 : 62 + 240] > 60
    rows, columns = np.nonzero(differ)
    cell = 480 // COLUMNS
    edges = [rows.min(), rows.max(), columns.min() - 16, columns.max() - 16]
    np.testing.assert_allclose(edges, [cell, 3 * cell, 2 * cell, 6 * cell], atol=5)
    assert not differ[2 * cell, 16 + 4 * cell]  # within, the picture is as it was
    line = named[62 + 2 * cell, 16 + 2 * cell - 6 : 16 + 2 * cell + 4].sum(axis=1)
    assert line.max() > 600 > 250 > line.min()
