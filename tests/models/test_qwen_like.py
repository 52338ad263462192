"""What is special to families that share Qwen-VL's layout."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from mmx_core.images import Clip
from mmx_core.models import adapter_for
from tests.models.criteria import PROMPT, build, encode, noise
from tests.support.families import qwen_like

MAKERS = (
    qwen_like.make_qwen2_5_omni,
    qwen_like.make_qwen3_omni,
    qwen_like.make_ernie_vl,
    qwen_like.make_paddleocr_vl,
    qwen_like.make_video_llama_3,
)


@pytest.mark.parametrize("make", MAKERS)
def test_sizes_and_pixels_are_those_of_the_processor(make) -> None:
    adapter = build(make())
    # Below the least number of pixels, between, narrower than a cell, above the greatest.
    images = [noise(20, 30), noise(64, 160), noise(9, 90), noise(700, 800)]
    made = adapter.image_processor(images=images, return_tensors="pt")
    inputs = adapter.pixel_inputs(images, 1.0)
    assert set(inputs) == set(adapter.image_processor.model_input_names)
    for name, value in inputs.items():
        assert torch.equal(value, made[name])
    merge = adapter.image_processor.merge_size
    grids = [adapter.layout(image, 1.0).views[0].grid for image in images]
    assert grids == [(h // merge, w // merge) for _, h, w in made["image_grid_thw"].tolist()]


@pytest.mark.parametrize("make", MAKERS[2:4])
def test_videos_are_refused(make) -> None:
    clip = Clip((noise(64, 96),), (0.0,))
    with pytest.raises(ValueError, match="takes images only; give frames as images"):
        build(make()).video_layout(clip, 1.0)


def test_experts_for_pictures_get_the_tokens_around_them_too() -> None:
    adapter = build(qwen_like.make_ernie_vl())
    encoded = encode(adapter, [noise(32, 32)], [9, 10])
    ids = encoded.inputs["input_ids"][0]
    kinds = encoded.inputs["mm_token_type_ids"][0]
    experts = encoded.inputs["moe_mm_token_type_ids"][0]
    config = adapter.model.config
    around = (ids == config.image_start_token_id) | (ids == config.image_end_token_id)
    assert kinds.sum() == 4 and around.sum() == 2
    assert torch.equal(experts.bool(), kinds.bool() | around)


@pytest.mark.parametrize("make", MAKERS)
def test_cells_are_hidden_where_they_are(make) -> None:
    """Hiding the left half changes the patches of the left half, whatever their order."""
    adapter = build(make())
    shown, hidden = noise(64, 64), Image.new("RGB", (64, 64), "grey")
    rendered = adapter.render(PROMPT, pictures=[shown])
    rows, columns = adapter.layout(shown, 1.0).views[0].grid
    keep = torch.ones(1, rows, columns, dtype=torch.bool)
    keep[:, :, : columns // 2] = False
    found = adapter.perturbed(shown, hidden, keep, rendered, [9])["pixel_values"]
    half = Image.new("RGB", (64, 64), "grey")
    half.paste(shown.crop((32, 0, 64, 64)), (32, 0))
    expected = encode(adapter, [half], [9]).inputs["pixel_values"]
    assert torch.equal(found, expected)


def test_of_a_whole_omni_model_the_thinker_is_explained() -> None:
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    tiny = qwen_like.make_qwen2_5_omni()
    config = Qwen2_5OmniConfig(
        thinker_config=tiny.model.config.to_dict(), enable_audio_output=False
    )
    whole = Qwen2_5OmniForConditionalGeneration(config)
    assert adapter_for(whole, **tiny.parts).model is whole.thinker
