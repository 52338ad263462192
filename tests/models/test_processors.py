"""Ids and pixels at scale 1 are those of the family's own processor."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.models.criteria import PROMPT, build, encode, noise
from tests.models.test_families import tiny_of
from tests.models.test_placeless import MAKERS as PLACELESS
from tests.models.test_placeless import tiny_of as placeless_of
from tests.models.test_torchvision import PROCESSORS as TORCHVISION
from tests.models.test_torchvision import real_processor

PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "aya_vision": ("AyaVisionProcessor", {"patch_size": 14, "img_size": 58}),
    "cohere2_vision": ("Cohere2VisionProcessor", {}),
    "deepseek_vl": ("DeepseekVLProcessor", {"num_image_tokens": 64}),
    "janus": ("JanusProcessor", {"num_image_tokens": 64}),
    "lfm2_vl": ("Lfm2VlProcessor", {}),
    "ovis2": ("Ovis2Processor", {"image_seq_length": 16}),
    "mllama": ("MllamaProcessor", {}),
    "idefics2": ("Idefics2Processor", {"image_seq_len": 8}),
    "granite_docling": ("GraniteDoclingProcessor", {"image_seq_len": 16}),
    "granite_docling/fine": ("GraniteDoclingProcessor", {"image_seq_len": 16}),
    "hunyuan_vl": ("HunYuanVLProcessor", {}),
}
SIZES = [(60, 120), (120, 60), (60, 64), (70, 200), (300, 300)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", PROCESSORS)
def test_input_is_its_processors(family: str, size: tuple[int, int]) -> None:
    import transformers

    tiny = placeless_of(family) if family in PLACELESS else tiny_of(family)
    name, settings = PROCESSORS[family]
    processor = getattr(transformers, name)(
        real_processor(family) if family in TORCHVISION else tiny.image_processor,
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


@pytest.mark.parametrize("size", SIZES)
def test_molmo2_input_is_what_its_processor_writes(size: tuple[int, int]) -> None:
    # The processor itself needs a video processor; its method for the text does not.
    from types import SimpleNamespace

    from transformers import Molmo2Processor

    tiny = tiny_of("molmo2")
    images = [noise(*size), noise(90, 80, seed=1)]
    pixels = real_processor("molmo2")(images=images, return_tensors="pt")
    released = SimpleNamespace(
        image_use_col_tokens=True,
        use_single_crop_col_tokens=False,
        use_single_crop_start_token=True,
    )
    tokenizer = tiny.tokenizer
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": [*[{"type": "image"}] * 2, {"type": "text", "text": PROMPT}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    for index in range(2):
        written = Molmo2Processor.replace_image_token(released, dict(pixels), index)
        text = text.replace("<|image|>", written, 1)
    found = encode(build(tiny), images).inputs
    expected = tokenizer(f"{tokenizer.bos_token}{text}", add_special_tokens=False)["input_ids"]
    assert found["input_ids"][0].tolist() == expected
    for name, value in pixels.items():
        assert torch.equal(found[name].to(value), value), name
    marks = {tokenizer.convert_tokens_to_ids(token) for token in ("<|image|>", "<|unk|>")}
    image = [
        int(i not in marks and tokenizer.decode([i]).startswith(("<im_", "<low_res")))
        for i in expected
    ]
    assert found["mm_token_type_ids"][0].tolist() == image


@pytest.mark.parametrize("size", SIZES)
def test_minicpm_input_is_what_its_processor_writes(size: tuple[int, int]) -> None:
    # The processor itself needs a video processor; its methods for the text do not.
    from types import SimpleNamespace

    from transformers import MiniCPMV4_6Processor

    tiny = tiny_of("minicpmv4_6")
    tokenizer = tiny.tokenizer
    images = [noise(*size), noise(90, 80, seed=1)]
    pixels = tiny.image_processor(images=images, return_tensors="pt")
    names = ("image", "slice", "image_id")
    stand_in = SimpleNamespace(image_token=tokenizer.image_token, slice_mode=True)
    for name in names:
        for end in ("start", "end"):
            setattr(stand_in, f"{name}_{end}_token", getattr(tokenizer, f"{name}_{end}_token"))
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": [*[{"type": "image"}] * 2, {"type": "text", "text": PROMPT}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    written = [
        MiniCPMV4_6Processor.replace_image_token(stand_in, pixels, index, image_token_divisor=16)
        for index in range(2)
    ]
    mark = tokenizer.image_token
    written = MiniCPMV4_6Processor._prepend_local_ids(stand_in, [text], written, mark)
    before, between, after = text.split(mark)
    found = encode(build(tiny), images).inputs
    whole = f"{before}{written[0]}{between}{written[1]}{after}"
    assert found["input_ids"][0].tolist() == tokenizer(whole, add_special_tokens=False)["input_ids"]
    for name in ("pixel_values", "target_sizes"):
        assert torch.equal(found[name].to(pixels[name]), pixels[name])
