"""What is special to Kimi K2.5."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmx_core.models import ModelAdapter, adapter_for
from tests.models.criteria import build, noise
from tests.support.families.kimi import SETTINGS, make_kimi_k25


@pytest.fixture(scope="module")
def adapter() -> ModelAdapter:
    return build(make_kimi_k25())


def test_an_image_keeps_its_size_and_is_filled_up_to_whole_cells(adapter: ModelAdapter) -> None:
    image = noise(40, 70)
    (raster,) = adapter.layout(image, 1.0).views[0].rasters
    # Cells of 16 pixels: three rows are 48 of 40 pixels, five columns 80 of 70.
    assert (raster.grid, raster.box) == ((3, 5), (0.0, 0.0, 48 / 40, 80 / 70))
    made = adapter.pixel_inputs([image], 1.0)
    assert made["image_grid_thw"].tolist() == [[1, 6, 10]]
    last = made["pixel_values"].view(6, 10, 3, 8, 8)[5]
    assert bool((last == -1).all()), "black is -1, and the last row of patches is filled up"
    plane = made["pixel_values"].view(6, 10, 3, 8, 8).permute(2, 0, 3, 1, 4).reshape(3, 48, 80)
    expected = torch.from_numpy(np.asarray(image) / 127.5 - 1).permute(2, 0, 1).float()
    assert torch.allclose(plane[:, :40, :70], expected, atol=1e-6)


def test_limits_hold_at_scale_one_and_are_lifted_at_others(adapter: ModelAdapter) -> None:
    # 32 patches of 8 pixels along a side at most.
    image = noise(64, 512)
    assert adapter.layout(image, 1.0).views[0].grid == (2, 16)
    assert adapter.layout(image, 2.0).views[0].grid == (4, 32)
    assert adapter.layout(image, 0.5).views[0].grid == (1, 8)


@pytest.mark.parametrize(("name", "value"), [("patch_size", 7), ("merge_size", 1)])
def test_a_processor_of_other_cells_is_refused(name: str, value: int) -> None:
    tiny = make_kimi_k25()
    setattr(tiny.image_processor, name, value)
    with pytest.raises(ValueError, match=f"image processor: expected .*got {value}"):
        build(tiny).layout(noise(40, 70), 1.0)


@pytest.mark.parametrize(
    "limits", [{}, {"max_patches": 100}, {"size": {"max_height": 8, "max_width": 8}}]
)
def test_pixels_are_those_of_the_familys_own_processor(limits: dict[str, object]) -> None:
    pytest.importorskip("torchvision", reason="Kimi K2.5's image processor needs it")
    from transformers import Kimi_K25ImageProcessor

    tiny = make_kimi_k25()
    processor = Kimi_K25ImageProcessor(**{**SETTINGS, **limits})
    adapter = adapter_for(tiny.model, image_processor=processor, tokenizer=tiny.tokenizer)
    for height, width in np.random.default_rng(0).integers(3, 400, (40, 2)).tolist():
        image = noise(height, width)
        made = processor(images=[image], return_tensors="pt")
        ours = adapter.pixel_inputs([image], 1.0)
        assert torch.equal(ours["image_grid_thw"], made["image_grid_thw"].view(1, 3))
        expected = made["pixel_values"].view(-1, 3, 8, 8)
        assert torch.allclose(ours["pixel_values"], expected, atol=1e-6)
