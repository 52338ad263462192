"""Qwen-VL: sizes, groups of frames and times, by hand."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from mmx_core.images import Clip
from mmx_core.models import adapter_for
from tests.support.tiny_models import make_tiny


@pytest.fixture(scope="module")
def adapters():
    found = {}
    for family in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"):
        tiny = make_tiny(family)
        found[family] = adapter_for(tiny.model, **tiny.parts)
    return found


def blank(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height))


def clip(*seconds: float) -> Clip:
    return Clip((blank(96, 64),) * len(seconds), seconds)


def cell_of(adapter) -> int:
    return adapter.image_processor.patch_size * adapter.image_processor.merge_size


def test_a_scale_rounds_to_whole_cells(adapters) -> None:
    adapter = adapters["qwen2_vl"]
    cell = cell_of(adapter)
    image = blank(6 * cell, 4 * cell)
    grids = {factor: adapter.layout(image, factor).views[0].grid for factor in (1.0, 2.0, 0.5, 1.3)}
    # 1.3 * 4 = 5.2 and 1.3 * 6 = 7.8.
    assert grids == {1.0: (4, 6), 2.0: (8, 12), 0.5: (2, 3), 1.3: (5, 8)}
    layout = adapter.layout(image, 0.5)
    assert layout.ids == (adapter.placeholder_id,) * 6
    assert list(layout.views[0].rasters[0].offsets) == list(range(6))


def test_a_scale_that_leaves_no_cell_is_refused_with_the_smallest_one(adapters) -> None:
    adapter = adapters["qwen2_vl"]
    cell = cell_of(adapter)
    with pytest.raises(ValueError, match=r"scale 0\.1: .* the smallest usable scale is 0\.25"):
        adapter.layout(blank(6 * cell, 4 * cell), 0.1)


def test_a_small_image_is_enlarged_to_the_processors_own_least(adapters) -> None:
    # 32 x 32 pixels at least, in cells of 16.
    assert adapters["qwen2_vl"].layout(blank(16, 16), 1.0).views[0].grid == (2, 2)


def test_pixels_are_those_of_the_grid(adapters) -> None:
    adapter = adapters["qwen2_vl"]
    cell = cell_of(adapter)
    images = [blank(6 * cell, 4 * cell), blank(4 * cell, 4 * cell)]
    for factor, rows in ((1.0, [[8, 12], [8, 8]]), (1.5, [[12, 18], [12, 12]])):
        inputs = adapter.pixel_inputs(images, factor)
        assert inputs["image_grid_thw"].tolist() == [[1, *row] for row in rows]
        assert len(inputs["pixel_values"]) == sum(a * b for a, b in rows)
    assert adapter.input_image(blank(6 * cell + 1, 4 * cell)).size == (6 * cell, 4 * cell)


def test_frames_are_taken_in_pairs_and_the_last_stands_alone(adapters) -> None:
    adapter = adapters["qwen2_vl"]
    layout = adapter.video_layout(clip(0.0, 0.5, 1.0, 1.5, 2.0), 1.0)
    assert [view.frames for view in layout.views] == [(0, 1), (2, 3), (4,)]
    rows, columns = adapter.layout(blank(96, 64), 1.0).views[0].grid
    count = rows * columns
    assert layout.ids == (adapter.video_placeholder_id,) * (3 * count)
    assert [view.rasters[0].offsets[0] for view in layout.views] == [0, count, 2 * count]


def test_a_pair_of_frames_is_patched_together_and_an_odd_one_with_itself(adapters) -> None:
    adapter = adapters["qwen2_vl"]
    dark, light = Image.new("RGB", (96, 64), "black"), Image.new("RGB", (96, 64), "white")
    inputs = adapter.video_inputs([Clip((dark, light, dark), (0.0, 1.0, 2.0))], 1.0)
    (size,) = inputs["video_grid_thw"].tolist()
    assert size[0] == 2
    count = size[1] * size[2]
    side = adapter.image_processor.patch_size
    assert inputs["pixel_values_videos"].shape == (2 * count, 3 * 2 * side * side)
    patches = inputs["pixel_values_videos"].view(2, count, 3, 2, side * side)
    first, last = patches[0], patches[1]
    assert (first[:, :, 0] < first[:, :, 1]).all(), "the dark frame, then the light one"
    assert torch.equal(last[:, :, 0], last[:, :, 1])
    assert torch.equal(last[:, :, 0], first[:, :, 0])


def test_a_second_of_a_pair_is_twice_the_time_between_frames(adapters) -> None:
    videos = [clip(0.0, 0.5, 1.0), clip(3.0), clip(1.0, 4.0)]
    found = adapters["qwen2_5_vl"].video_inputs(videos, 1.0)["second_per_grid_ts"]
    assert found.tolist() == [1.0, 2.0, 6.0]
    assert found.dtype == torch.float32
    assert "second_per_grid_ts" not in adapters["qwen2_vl"].video_inputs(videos, 1.0)


def test_token_types_tell_pictures_of_the_prompt_from_text(adapters) -> None:
    adapter = adapters["qwen2_vl"]
    image, video = adapter.placeholder_id, adapter.video_placeholder_id
    sequence = torch.tensor([[30, image, video, 31, image, 32]])
    found = adapter.token_inputs(sequence, 4)["mm_token_type_ids"]
    assert found.tolist() == [[0, 1, 2, 0, 0, 0]], "an answer has no pictures"


def test_each_pair_of_frames_stands_behind_its_time_in_qwen3(adapters) -> None:
    adapter = adapters["qwen3_vl"]
    layout = adapter.video_layout(clip(0.0, 0.5, 1.0), 1.0)
    config = adapter.model.config
    plain = adapters["qwen2_vl"].video_layout(clip(0.0, 0.5, 1.0), 1.0)
    assert [view.grid for view in layout.views] == [view.grid for view in plain.views]
    assert [view.frames for view in layout.views] == [(0, 1), (2,)]
    for view in layout.views:
        offsets = list(view.rasters[0].offsets)
        assert {layout.ids[at] for at in offsets} == {adapter.video_placeholder_id}
        assert layout.ids[offsets[0] - 1] == config.vision_start_token_id
        assert layout.ids[offsets[-1] + 1] == config.vision_end_token_id
    assert layout.ids.count(adapter.video_placeholder_id) == layout.count


def test_a_time_in_qwen3_gets_no_opening_token() -> None:
    from tokenizers.processors import TemplateProcessing

    tiny = make_tiny("qwen3_vl")
    adapter = adapter_for(tiny.model, **tiny.parts)
    plain = adapter.video_layout(clip(0.0, 0.5), 1.0)
    opening = adapter.tokenizer.convert_tokens_to_ids("<|im_start|>")
    adapter.tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", opening)]
    )
    assert adapter.tokenizer("a")["input_ids"][0] == opening
    assert adapter.video_layout(clip(0.0, 0.5), 1.0) == plain
