"""What is special to Gemma 4."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.models import test_families
from tests.models.criteria import build, encode, noise
from tests.support.families.gemma import make_gemma4


def test_small_ones_with_embeddings_per_layer_are_run_as_in_generation() -> None:
    tiny = make_gemma4(bidirectional=False, per_layer=16)
    test_families.test_teacher_forced_states_equal_those_of_generation(tiny)


def test_the_model_gets_what_its_processor_makes() -> None:
    adapter = build(make_gemma4())
    images = [noise(64, 160), noise(150, 70)]
    made = adapter.image_processor(images=images, return_tensors="pt")
    inputs = adapter.pixel_inputs(images, 1.0)
    for name in ("pixel_values", "image_position_ids"):
        assert torch.equal(inputs[name], made[name])
    # 70 cells of 16 pixels in 64 to 160: 5.29 by 13.2; in 150 to 70: 12.2 by 5.7.
    grids = [(5, 13), (12, 5)]
    assert [adapter.layout(image, 1.0).views[0].grid for image in images] == grids
    assert made["num_soft_tokens_per_image"].tolist() == [65, 60]
    config = adapter.model.config
    ids = adapter.layout(images[0], 1.0).ids
    visual = (config.image_token_id,) * 65
    assert ids == (config.boi_token_id, *visual, config.eoi_token_id)


def test_images_of_a_lifted_limit_are_filled_up_alike() -> None:
    adapter = build(make_gemma4())
    for factor in (0.5, 2.0):
        encoded = encode(adapter, [noise(64, 160), noise(150, 70)], factor=factor)
        places = encoded.pixel_inputs["image_position_ids"]
        shown = (places != -1).all(-1).sum(1) // 4
        assert shown.tolist() == [len(span.positions) for span in encoded.visual]
        assert places.shape[1] == 4 * round(70 * factor**2 + 0.49)


def test_logits_are_capped_as_the_models_own() -> None:
    tiny = make_gemma4(cap=2.0)
    adapter = build(tiny)
    encoded = encode(adapter, [noise(64, 64)], [9, 10])
    with torch.no_grad():
        own = tiny.model(**encoded.inputs).logits[0]
        found = adapter.logits(adapter.hidden_states(encoded))
    assert float(own.abs().max()) > 1.5
    assert torch.allclose(found, own, atol=1e-5)


def test_a_processor_with_other_patches_is_refused() -> None:
    tiny = make_gemma4()
    tiny.image_processor.pooling_kernel_size = 3
    with pytest.raises(ValueError, match="pooled 2 by 2, as the model's; got 8 and 3"):
        build(tiny).layout(noise(64, 64), 1.0)


def test_a_scale_that_leaves_nothing_is_refused_with_the_smallest_one() -> None:
    with pytest.raises(ValueError, match=r"5x13 visual tokens.*smallest usable scale is 0\.2"):
        build(make_gemma4()).layout(noise(64, 160), 0.05)


def test_a_unified_models_token_is_a_square_of_the_pictures_own_pixels() -> None:
    """Row by row, with its colours last, from 0 to 1; as its processor of torchvision's merges."""
    tiny = test_families.tiny_of("gemma4_unified")
    adapter = build(tiny)
    # 70 visual tokens of 16 x 16 pixels at most: 80 x 224 is made of them without resizing.
    image = noise(80, 224)
    (raster,) = adapter.layout(image, 1.0).views[0].rasters
    assert raster.grid == (5, 14)
    made = adapter.pixel_inputs([image], 1.0)
    pixels = np.asarray(image, np.float32) / 255
    expected = pixels[16:32, 48:64].reshape(-1)
    np.testing.assert_allclose(made["pixel_values"][0, 14 + 3], expected, atol=1e-6)
    assert made["image_position_ids"][0, 14 + 3].tolist() == [3, 1], "across, down"
