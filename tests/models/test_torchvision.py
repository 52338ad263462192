"""Families whose image processors exist for torchvision alone: their pixels are made without it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core.models import adapter_for
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.registry import adapter_class
from mmx_core.models.tiles import closest_tiles
from tests.models.criteria import build, noise
from tests.models.test_families import tiny_of

PROCESSORS = {
    "cohere2_vision": "Cohere2VisionImageProcessor",
    "kimi_k25": "Kimi_K25ImageProcessor",
    "lfm2_vl": "Lfm2VlImageProcessor",
    "llama4": "Llama4ImageProcessor",
    "molmo2": "Molmo2ImageProcessor",
    "perception_lm": "PerceptionLMImageProcessor",
}
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("cohere2_vision", {}),
    ("cohere2_vision", {"max_patches": 12, "resample": 2}),
    ("cohere2_vision", {"crop_to_patches": False}),
    ("kimi_k25", {"resample": 2}),
    ("lfm2_vl", {}),
    ("lfm2_vl", {"max_tiles": 3, "resample": 3, "use_thumbnail": False}),
    ("lfm2_vl", {"do_image_splitting": False, "min_image_tokens": 9}),
    ("lfm2_vl", {"max_pixels_tolerance": 1.2, "image_mean": [0.4, 0.5, 0.6]}),
    ("llama4", {"resample": 3}),
    ("molmo2", {}),
    ("molmo2", {"max_crops": 12, "resample": 3}),
    ("molmo2", {"overlap_margins": [2, 1], "pooling_size": [3, 2]}),
    ("molmo2", {"overlap_margins": [0, 0], "image_std": [0.4, 0.5, 0.6]}),
    ("perception_lm", {}),
    ("perception_lm", {"max_num_tiles": 12, "resample": 2}),
    ("perception_lm", {"vision_input_type": "vanilla"}),
]


def values(image: Image.Image, family: str) -> torch.Tensor:
    """``(3, height, width)`` of an image that needs no resampling."""
    own = tiny_of(family).image_processor
    mean, deviation = (
        torch.tensor(getattr(own, name)).view(3, 1, 1) for name in ("image_mean", "image_std")
    )
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
    return (pixels - mean) / deviation


def patches(pixels: torch.Tensor, side: int) -> torch.Tensor:
    """One row per patch, its pixels from left to right and from above, their colours together."""
    rows = [
        pixels[:, y : y + side, x : x + side].permute(1, 2, 0).flatten()
        for y in range(0, pixels.shape[1], side)
        for x in range(0, pixels.shape[2], side)
    ]
    return torch.stack(rows)


def test_command_a_visions_tiles_are_the_image_cut() -> None:
    image = noise(112, 56)
    made = build(tiny_of("cohere2_vision")).pixel_inputs([image], 1.0)["pixel_values"]
    expected = values(image, "cohere2_vision")
    assert made.shape == (3, 3, 56, 56), "two tiles, and the whole"
    assert torch.allclose(made[0], expected[:, :56], atol=1e-5)
    assert torch.allclose(made[1], expected[:, 56:], atol=1e-5)


def test_lfm2_vl_shows_a_small_image_as_it_is_and_fills_up_behind() -> None:
    image = noise(32, 48)
    made = build(tiny_of("lfm2_vl")).pixel_inputs([image], 1.0)
    expected = patches(values(image, "lfm2_vl"), 8)
    # 16 tokens of two by two patches at most, as many as a tile has.
    assert made["pixel_values"].shape == (1, 64, 8 * 8 * 3)
    assert made["spatial_shapes"].tolist() == [[4, 6]]
    assert made["pixel_attention_mask"].tolist() == [[1] * 24 + [0] * 40]
    assert torch.allclose(made["pixel_values"][0, :24], expected, atol=1e-5)
    assert not made["pixel_values"][0, 24:].any()


def test_lfm2_vl_cuts_a_large_image_into_tiles_row_by_row() -> None:
    image = noise(128, 192)
    made = build(tiny_of("lfm2_vl")).pixel_inputs([image], 1.0)
    expected = values(image, "lfm2_vl")
    # Of the whole 16 tokens are left: 3 by 4 of them keep the proportions best.
    assert made["spatial_shapes"].tolist() == [[8, 8]] * 6 + [[6, 8]]
    for number in range(6):
        y, x = number // 3 * 64, number % 3 * 64
        tile = patches(expected[:, y : y + 64, x : x + 64], 8)
        assert torch.allclose(made["pixel_values"][number], tile, atol=1e-5)


def test_molmo2_pools_the_patches_of_overlapping_crops_as_one_grid() -> None:
    # Two crops of nine patches' height, which share two: sixteen rows of patches.
    image = noise(112, 63)
    made = build(tiny_of("molmo2")).pixel_inputs([image], 1.0)
    expected = values(image, "molmo2")
    assert made["image_grids"].tolist() == [[5, 5, 8, 5]]
    assert made["image_num_crops"].tolist() == [3], "the whole, and two"
    assert torch.allclose(made["pixel_values"][1], patches(expected[:, :63], 7), atol=1e-5)
    assert torch.allclose(made["pixel_values"][2], patches(expected[:, 49:], 7), atol=1e-5)
    windows = made["image_token_pooling"].tolist()
    # Nine patches are filled up to ten, behind; of each crop there are 81.
    assert (windows[0], windows[4]) == ([0, 1, 9, 10], [8, -1, 17, -1])
    assert windows[25] == [81, 82, 90, 91]
    # The ninth row is the second crop's second: its first is margin.
    assert windows[25 + 4 * 5] == [162 + 9, 162 + 10, 162 + 18, 162 + 19]
    assert len(windows) == 25 + 8 * 5


def test_tiles_enlarge_least_or_else_shrink_least() -> None:
    grids = [(rows, columns) for rows in range(1, 5) for columns in range(1, 5)]

    def tiles(height: int, width: int) -> tuple[int, int]:
        return closest_tiles(grids, 4, 10, (height, width), dtype=torch.float64)

    assert tiles(8, 18) == (1, 2), "enlarged by 10 / 9; by 1.25 it would be one tile more"
    assert tiles(10, 10) == (1, 1)
    assert tiles(50, 50) == (2, 2), "no four tiles hold it: shrunk to 2 / 5"
    assert tiles(100, 10) == (4, 1)


@pytest.mark.parametrize("size", [56, {"shortest_edge": 56}])
def test_a_size_of_another_form_is_refused(size: object) -> None:
    adapter = adapter_class(tiny_of("llama4").model.config)
    assert adapter is not None and issubclass(adapter, ReadsSettings)
    with pytest.raises(ValueError, match="expected a size of height and width, got"):
        adapter.settings({"size": size})


def real_processor(family: str, **settings: Any) -> Any:
    """The family's own, where torchvision is installed."""
    pytest.importorskip("torchvision", reason="the image processor exists for torchvision alone")
    import transformers

    own = vars(tiny_of(family).image_processor)
    return getattr(transformers, PROCESSORS[family])(**{**own, **settings})


@pytest.mark.parametrize(("family", "settings"), OTHERS)
def test_pixels_are_those_of_the_familys_own_processor(
    family: str, settings: dict[str, Any]
) -> None:
    processor = real_processor(family, **settings)
    tiny = tiny_of(family)
    adapter = adapter_for(tiny.model, image_processor=processor, tokenizer=tiny.tokenizer)
    # LFM2-VL's own fails where a side is shorter than a cell.
    least = 30 if family == "lfm2_vl" else 3
    sizes = np.random.default_rng(0).integers(least, 400, (40, 2)).tolist()
    for height, width in [*sizes, (64, 64), (63, 63), (30, 30), (128, 320)]:
        images = [noise(height, width), noise(90, 80, seed=1)]
        # Perception LM's own takes images of as many tiles alone.
        images = images[:1] if family == "perception_lm" else images
        made = processor(images=images, return_tensors="pt")
        for name, found in adapter.pixel_inputs(images, 1.0).items():
            expected = made[name].reshape(found.shape)
            assert torch.allclose(found.to(expected), expected, atol=1e-6), (name, height, width)


@pytest.mark.parametrize("family", PROCESSORS)
def test_settings_that_a_file_leaves_out_are_the_processors_own(family: str) -> None:
    pytest.importorskip("torchvision", reason="the image processor exists for torchvision alone")
    import transformers

    adapter = adapter_class(tiny_of(family).model.config)
    assert adapter is not None and issubclass(adapter, ReadsSettings)
    own = getattr(transformers, PROCESSORS[family])()
    for name, value in vars(adapter.settings({})).items():
        said = getattr(own, name)
        said = dict(said) if name == "size" else list(said) if isinstance(said, tuple) else said
        assert said == value, name


@pytest.mark.parametrize("family", PROCESSORS)
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("do_normalize", False, "expected do_normalize"),
        ("do_rescale", False, "expected do_rescale"),
        ("resample", 1, "expected resample 2"),
    ],
)
def test_settings_that_make_other_pixels_are_refused(
    family: str, name: str, value: object, told: str
) -> None:
    tiny = tiny_of(family)
    own = SimpleNamespace(**{**vars(tiny.image_processor), name: value})
    adapter = adapter_for(tiny.model, image_processor=own, tokenizer=tiny.tokenizer)
    with pytest.raises(ValueError, match=told):
        adapter.pixel_inputs([noise(60, 80)], 1.0)
