"""What is special to Llama 4."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core.models import ModelAdapter, adapter_for
from tests.models.criteria import build, noise
from tests.support.families.llama4 import SETTINGS, make_llama4


@pytest.fixture(scope="module")
def adapter() -> ModelAdapter:
    return build(make_llama4())


def names(adapter: ModelAdapter, image: Image.Image, factor: float = 1.0) -> str:
    """The ids of a layout in words, runs of visual tokens as a number."""
    tokens = adapter.tokenizer.convert_ids_to_tokens(list(adapter.layout(image, factor).ids))
    text = "".join(tokens).replace("<|patch|>" * 16, "16 ")
    for name in ("tile_", "_separator", "<|", "|>"):
        text = text.replace(name, " " if name == "|>" else "")
    return " ".join(text.split())


def test_tiles_are_divided_by_tokens_and_followed_by_the_whole(adapter: ModelAdapter) -> None:
    # 56 high and 112 wide fill one row of two tiles.
    assert names(adapter, noise(56, 112)) == "image_start 16 x 16 y image 16 image_end"
    assert names(adapter, noise(112, 112)) == "image_start 16 x 16 y 16 x 16 y image 16 image_end"
    assert names(adapter, noise(40, 50)) == "image_start image 16 image_end"


def test_an_image_stands_at_the_top_left_and_the_rest_is_padding(adapter: ModelAdapter) -> None:
    # 40 high: enlarged to the tile's 56, of which it is 56 wide and 44 high.
    (raster,) = adapter.layout(noise(40, 50), 1.0).views[0].rasters
    assert raster.box == (0.0, 0.0, 56 / 44, 1.0)
    pixels = adapter.pixel_inputs([Image.new("RGB", (50, 40), "white")], 1.0)["pixel_values"]
    assert bool((pixels[0, :, :44] == 1).all()) and bool((pixels[0, :, 44:] == -1).all())


def test_a_scale_takes_the_tiles_that_hold_the_image(adapter: ModelAdapter) -> None:
    image = noise(56, 112)
    assert names(adapter, image, 0.5) == "image_start image 16 image_end"
    (raster,) = adapter.layout(image, 0.5).views[0].rasters
    assert raster.box == (0.0, 0.0, 2.0, 1.0)
    # 84 by 168 pixels: two rows of three tiles.
    assert len(adapter.layout(image, 1.5).views[0].rasters) == 7
    with pytest.raises(ValueError, match=r"scale 0\.1: .*smallest usable scale is 0\.25"):
        adapter.layout(image, 0.1)


def test_the_canvass_limit_is_divided_in_single_precision() -> None:
    """In double precision 345 times 56 / 40 is less than 483, and a column would be missing."""
    tiny = make_llama4()
    for name, value in (("max_patches", 16), ("resize_to_max_canvas", True)):
        setattr(tiny.image_processor, name, value)
    first = build(tiny).layout(noise(40, 345), 1.0).views[0].rasters[0]
    assert first.box == (0.0, 0.0, 1.0, 56 / 483)


def test_a_processor_of_other_tiles_is_refused() -> None:
    tiny = make_llama4()
    tiny.image_processor.size = {"height": 64, "width": 64}
    with pytest.raises(ValueError, match="tower's 56x56 pixels"):
        build(tiny).layout(noise(40, 50), 1.0)


@pytest.mark.parametrize("enlarged", [False, True])
@pytest.mark.parametrize("most", [4, 16])
def test_tiles_are_those_of_the_familys_own_processor(enlarged: bool, most: int) -> None:
    pytest.importorskip("torchvision", reason="Llama 4's image processor needs it")
    from transformers import Llama4ImageProcessor

    tiny = make_llama4()
    own = {**SETTINGS, "max_patches": most, "resize_to_max_canvas": enlarged}
    processor = Llama4ImageProcessor(**own)
    adapter = adapter_for(tiny.model, image_processor=processor, tokenizer=tiny.tokenizer)
    random = np.random.default_rng(0)
    for height, width in [(40, 345), *random.integers(5, 400, (40, 2)).tolist()]:
        image = noise(height, width)
        made = processor(images=[image], return_tensors="pt")["pixel_values"]
        assert torch.equal(
            adapter.pixel_inputs([image], 1.0)["pixel_values"], made.view(-1, 3, 56, 56)
        )
