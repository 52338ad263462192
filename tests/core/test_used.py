"""Which cells a word used: what the text loses when it cannot attend to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mmx_core import Explainer, Explanation
from mmx_core.events.wire import decode_explanation, encode_explanation
from mmx_core.models import ModelAdapter
from mmx_core.stages import used
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import tiny_of
from tests.models.test_placeless import tiny_of as placeless
from tests.support.taken_away import log_probability, without_keys
from tests.support.tiny_models import TinyModel, make_tiny

ANSWER = "a red circle"


def explainer_of(tiny: TinyModel, **settings: Any) -> Explainer:
    return Explainer(tiny.model, **tiny.parts, scales=(1.0,), used=True, **settings)


def plainly(adapter: ModelAdapter, explanation: Explanation, shown: list[Any]) -> list[np.ndarray]:
    """Of each view ``(T, H, W)``: a whole forward without the nine cells around some of them."""
    ids = [token.id for token in explanation.tokens]
    encoded = adapter.encode(shown, adapter.render(PROMPT, pictures=shown), ids, factor=1.0)
    behind = max(int(span.positions.max()) for span in encoded.visual) + 1
    whole = log_probability(adapter, encoded, ids)
    maps = []
    for span in encoded.visual:
        rows, columns = span.grid
        cells = span.positions.view(rows, columns)
        found = np.full((len(ids), rows, columns), np.nan)
        for cell in range(0, rows * columns, 1 + rows * columns // 8):
            row, column = divmod(cell, columns)
            around = cells[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            with without_keys(encoded.length, around.flatten().tolist(), behind=behind):
                found[:, row, column] = whole - log_probability(adapter, encoded, ids)
        maps.append(found)
    return maps


@pytest.mark.parametrize(("family", "images"), [("qwen2_vl", 1), ("qwen3_vl", 2), ("gemma4", 1)])
def test_a_cell_shows_what_the_text_loses_without_the_nine_around_it(
    family: str, images: int
) -> None:
    shown = [noise(64, 96), noise(64, 64, 1)][:images]
    explainer = explainer_of(tiny_of(family))
    explanation = explainer.explain(shown, PROMPT, answer=ANSWER)
    with torch.no_grad():
        expected = plainly(explainer.adapter, explanation, shown)
    assert explanation.used is not None
    for maps, plain in zip(explanation.used, expected, strict=True):
        looked = ~np.isnan(plain)
        np.testing.assert_allclose(maps[looked], plain[looked], atol=1e-4)
    assert max(np.nanmax(np.abs(maps)) for maps in expected) > 1e-3
    read = decode_explanation(encode_explanation(explanation))
    assert read.used is not None
    for back, maps in zip(read.used, explanation.used, strict=True):
        np.testing.assert_allclose(back, maps, atol=np.ptp(maps) / 255)


def test_of_a_large_picture_only_what_matters_is_looked_at_closely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = explainer_of(make_tiny()).explain(noise(128, 192), PROMPT, answer=ANSWER)
    monkeypatch.setattr(used, "_LEAST_WINDOWS", 24)
    monkeypatch.setattr(used, "_POSITIONS_PER_CELL", 0)
    some = explainer_of(make_tiny()).explain(noise(128, 192), PROMPT, answer=ANSWER)
    assert some.provenance["used"] == {"windows": 24}
    assert np.isfinite(some.used[0]).all()
    same = np.isclose(some.used[0], whole.used[0], atol=1e-5).all(axis=0)
    assert 8 <= same.sum() <= 24
    # The cell that a word loses most by is among them.
    token = int(np.abs(whole.used[0]).max(axis=(1, 2)).argmax())
    assert same.flat[np.abs(some.used[0][token]).argmax()]


def test_tiles_and_what_is_not_seen_lie_on_one_plane() -> None:
    explanation = explainer_of(tiny_of("llava_next")).explain(noise(64, 160), PROMPT, answer=ANSWER)
    assert explanation.used[0].shape == explanation.base.map.shape
    np.testing.assert_array_equal(np.isnan(explanation.used[0]), np.isnan(explanation.base.map))


def test_where_no_key_can_be_hidden_it_is_said_and_the_rest_explained() -> None:
    explanation = explainer_of(tiny_of("qwen3_5")).explain(noise(64, 96), PROMPT, answer=ANSWER)
    assert explanation.used is None and np.isfinite(explanation.heatmap).all()
    told = {"refused": "no key can be hidden from layers of linear_attention"}
    assert explanation.provenance["used"] == told


def test_visual_tokens_without_a_place_are_refused_before_any_work() -> None:
    with pytest.raises(ValueError, match=r"used: .* use Explainer\(..., method='occlusion'\)"):
        explainer_of(placeless("idefics2"), method="occlusion")


def test_when_time_is_up_no_further_part_is_hidden() -> None:
    explanation = explainer_of(make_tiny(), influence_seconds=1e-9).explain(
        noise(64, 96), PROMPT, answer=ANSWER
    )
    assert explanation.provenance["used"] == {"windows": 0, "bound": "seconds"}
    assert np.isnan(explanation.used[0]).all()


def test_as_many_views_as_a_video_has_are_looked_at_behind_a_long_answer() -> None:
    explainer = explainer_of(make_tiny("qwen2_vl"))
    pictures = [noise(32, 32, k) for k in range(130)]
    explanation = explainer.explain(pictures, PROMPT, answer=" ".join([ANSWER] * 20))
    assert len(explanation.used) == 130
    assert all(np.isfinite(values).any() for values in explanation.used)
