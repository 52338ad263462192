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


def test_a_patch_of_frames_stands_like_an_image_before_its_time() -> None:
    video = Clip(tuple(noise(64, 96, seed) for seed in range(3)), (0.0, 0.5, 3.0))
    for family, times in (("glm4v", ("0", "3")), ("glm46v", ("0.0 seconds", "3.0 seconds"))):
        adapter = build(make_glm(family))
        layout, config = adapter.video_layout(video, 1.0), adapter.model.config
        assert [view.frames for view in layout.views] == [(0, 1), (2,)]
        expected: list[int] = []
        for view, time in zip(layout.views, times, strict=True):
            count = len(view.rasters[0].offsets)
            expected += [config.image_start_token_id, *[adapter.placeholder_id] * count]
            expected.append(config.image_end_token_id)
            expected += adapter.tokenizer(time, add_special_tokens=False)["input_ids"]
        assert list(layout.ids) == expected


def test_images_and_videos_in_one_sample_are_refused() -> None:
    adapter = build(make_glm("glm4v"))
    with pytest.raises(ValueError, match="images or videos, GLM-V takes no mixture"):
        adapter.layouts([noise(64, 96), Clip((noise(64, 96),), (0.0,))], 1.0)
