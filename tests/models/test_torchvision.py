"""Families whose image processors exist for torchvision alone: their pixels are made without it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mmx_core.models import adapter_for
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.registry import adapter_class
from tests.models.criteria import noise
from tests.models.test_families import tiny_of

PROCESSORS = {
    "cohere2_vision": "Cohere2VisionImageProcessor",
    "kimi_k25": "Kimi_K25ImageProcessor",
    "lfm2_vl": "Lfm2VlImageProcessor",
    "llama4": "Llama4ImageProcessor",
    "molmo2": "Molmo2ImageProcessor",
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
]


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
