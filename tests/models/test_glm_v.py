"""What is special to GLM-V."""

from __future__ import annotations

import pytest
import torch

from mmx_core.images import Clip
from tests.models.criteria import build, encode, noise
from tests.support.families.native import GLM, make_glm


@pytest.mark.parametrize("family", GLM)
def test_sizes_and_pixels_are_those_of_the_processor(family: str) -> None:
    adapter = build(make_glm(family))
    # Below the least number of pixels, between, narrower than a cell, above the greatest.
    images = [noise(20, 30), noise(64, 160), noise(9, 90), noise(900, 1100)]
    made = adapter.image_processor(images=images, return_tensors="pt")
    inputs = adapter.pixel_inputs(images, 1.0)
    for name in ("pixel_values", "image_grid_thw"):
        assert torch.equal(inputs[name], made[name])
    grids = [adapter.layout(image, 1.0).views[0].grid for image in images]
    assert grids == [(h // 2, w // 2) for _, h, w in made["image_grid_thw"].tolist()]


def test_markers_around_an_image_stay_where_the_template_writes_them() -> None:
    adapter = build(make_glm("glm4v"))
    encoded = encode(adapter, [noise(64, 96)])
    ids = encoded.inputs["input_ids"][0]
    (span,) = encoded.visual
    config = adapter.model.config
    assert ids[span.positions[0] - 1] == config.image_start_token_id
    assert ids[span.positions[-1] + 1] == config.image_end_token_id


def test_videos_are_refused() -> None:
    adapter = build(make_glm("glm4v"))
    with pytest.raises(ValueError, match="GlmVAdapter takes images only"):
        adapter.video_layout(Clip((noise(64, 96),), (0.0,)), 1.0)
