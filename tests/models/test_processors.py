"""Ids and pixels at scale 1 are those of the family's own processor."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import torch

from tests.models.criteria import PROMPT, build, encode, noise
from tests.models.test_families import NEED_TORCHVISION, tiny_of
from tests.models.test_placeless import MAKERS as PLACELESS
from tests.models.test_placeless import tiny_of as placeless_of

torchvision = pytest.mark.skipif(
    find_spec("torchvision") is None, reason="the image processor exists for torchvision alone"
)
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "aya_vision": ("AyaVisionProcessor", {"patch_size": 14, "img_size": 58}),
    "cohere2_vision": ("Cohere2VisionProcessor", {}),
    "deepseek_vl": ("DeepseekVLProcessor", {"num_image_tokens": 64}),
    "janus": ("JanusProcessor", {"num_image_tokens": 64}),
    "lfm2_vl": ("Lfm2VlProcessor", {}),
    "mllama": ("MllamaProcessor", {}),
    "idefics2": ("Idefics2Processor", {"image_seq_len": 8}),
}
SIZES = [(60, 120), (120, 60), (60, 64), (70, 200), (300, 300)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=torchvision if family in NEED_TORCHVISION else ())
        for family in PROCESSORS
    ],
)
def test_input_is_its_processors(family: str, size: tuple[int, int]) -> None:
    import transformers

    tiny = placeless_of(family) if family in PLACELESS else tiny_of(family)
    name, settings = PROCESSORS[family]
    processor = getattr(transformers, name)(
        tiny.image_processor,
        tiny.tokenizer,
        chat_template=tiny.tokenizer.chat_template,
        **settings,
    )
    images = [noise(*size), noise(90, 80, seed=1)]
    parts = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": PROMPT}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True
    )
    expected = processor(images=images, text=text, return_tensors="pt", add_special_tokens=False)
    found = encode(build(tiny), images).inputs
    assert set(expected) <= set(found)
    for key, value in expected.items():
        assert torch.equal(found[key].to(value), value), key
