"""What is special to LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import LlavaNextProcessor, LlavaProcessor

from mmx_core import Explainer
from mmx_core.models.square import square_box
from tests.models.criteria import (
    PROMPT,
    build,
    causal_mapping,
    encode,
    input_embeddings,
    noise,
)
from tests.support.families.llava import make_llava, make_llava_next, make_llava_onevision
from tests.support.tiny_models import TinyModel

SIZES = [(96, 96), (64, 160), (150, 70), (57, 211)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("strategy", ["default", "full"])
def test_llava_makes_the_ids_and_pixels_of_its_processor(
    size: tuple[int, int], strategy: str
) -> None:
    tiny = make_llava(vision_feature_select_strategy=strategy)
    processor = LlavaProcessor(
        image_processor=tiny.image_processor,
        tokenizer=tiny.tokenizer,
        patch_size=7,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=1,
        chat_template=tiny.tokenizer.chat_template,
    )
    _compare(tiny, processor, [noise(*size), noise(*size, 1)])


@pytest.mark.parametrize("size", SIZES)
def test_llava_next_makes_the_ids_and_pixels_of_its_processor(size: tuple[int, int]) -> None:
    tiny = make_llava_next()
    processor = LlavaNextProcessor(
        image_processor=tiny.image_processor,
        tokenizer=tiny.tokenizer,
        patch_size=7,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tiny.tokenizer.chat_template,
    )
    _compare(tiny, processor, [noise(*size), noise(*size, 1)])


def _compare(tiny: TinyModel, processor, images: list[Image.Image]) -> None:
    content = [*({"type": "image"} for _ in images), {"type": "text", "text": PROMPT}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    made = processor(images=images, text=text, add_special_tokens=False, return_tensors="pt")
    ours = encode(build(tiny), images).inputs
    assert set(ours) == set(made)
    for name, value in made.items():
        assert torch.equal(ours[name], value), name


def test_the_centre_of_a_wide_image_is_what_llava_sees() -> None:
    tiny = make_llava()
    (view,) = build(tiny).layout(Image.new("RGB", (200, 100)), 1.0).views
    # 112 x 56 pixels, of which the middle 56 columns are kept: 8 of 16 columns of cells.
    assert view.rasters[0].box == (0.0, 0.25, 1.0, 0.75)
    assert view.grid == (8, 16)
    explainer = Explainer(tiny.model, **tiny.parts)
    explanation = explainer.explain(noise(100, 200), PROMPT, answer="a red circle")
    unseen = np.isnan(explanation.base.map)
    assert unseen[:, :, :4].all() and unseen[:, :, 12:].all() and not unseen[:, :, 4:12].any()
    assert np.isnan(explanation.heatmap).mean() == 0.5


def test_a_square_that_an_image_is_padded_to_reaches_beyond_it() -> None:
    assert square_box((200, 100), 1.0) == (-0.5, 0.0, 1.5, 1.0)
    assert square_box((100, 200), 1.0) == (0.0, -0.5, 1.0, 1.5)
    assert square_box((100, 100), 0.75) == (0.0, 0.0, 0.75, 0.75)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_padding_to_a_square_is_mapped_causally(size: tuple[int, int], factor: float) -> None:
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    tiny = make_llava()
    padding = LlavaImageProcessorPil(
        size={"height": 56, "width": 56}, do_pad=True, do_center_crop=False
    )
    adapter = build(TinyModel(tiny.model, padding, tiny.tokenizer))
    found = causal_mapping(adapter, size, factor)
    assert found.tried and found.right == found.tried, found.wrong


SQUARE = {"height": 56, "width": 56}
SETTINGS = {
    "crops less than it resizes to": {"size": {"shortest_edge": 64}},
    "crops more than it resizes to": {"size": {"shortest_edge": 48}},
    "squeezes, then crops": {"size": {"height": 64, "width": 64}},
    "squeezes": {"size": SQUARE, "do_center_crop": False},
    "pads and crops": {"size": {"shortest_edge": 64}, "do_pad": True},
    "pads": {"size": {"shortest_edge": 56}, "do_pad": True, "do_center_crop": False},
    "crops alone": {"size": {"shortest_edge": 56}, "do_resize": False},
}


def coordinates(height: int, width: int) -> Image.Image:
    """Red says how far down a pixel is, green how far right, blue that it is of the image."""
    pixels = np.full((height, width, 3), 255.0)
    pixels[..., 0] = (np.arange(height)[:, None] + 0.5) / height * 255
    pixels[..., 1] = (np.arange(width) + 0.5) / width * 255
    return Image.fromarray(pixels.round().astype(np.uint8))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("size", SIZES)
def test_boxes_are_where_the_image_processor_took_its_pixels(
    setting: str, size: tuple[int, int]
) -> None:
    from transformers import CLIPImageProcessorPil
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    settings = SETTINGS[setting]
    # A processor without a crop still carries a crop size, of another square.
    crop = {} if settings.get("do_center_crop") is False else {"crop_size": SQUARE}
    kind = LlavaImageProcessorPil if "do_pad" in settings else CLIPImageProcessorPil
    processor = kind(**settings, **crop)
    tiny = make_llava()
    adapter = build(TinyModel(tiny.model, processor, tiny.tokenizer))
    image = coordinates(*size)
    for factor in (1.0, 1.5) if settings.get("do_resize", True) else (1.0,):
        made = adapter.pixel_inputs([image], factor)["pixel_values"][0]
        if factor == 1.0:
            own = processor(images=[image], return_tensors="pt")["pixel_values"][0]
            assert torch.equal(made, own)
        (raster,) = adapter.layout(image, factor).views[0].rasters
        mean, deviation = (
            torch.tensor(values)[:, None, None]
            for values in (processor.image_mean, processor.image_std)
        )
        cells = (made * deviation + mean).unfold(1, 7, 7).unfold(2, 7, 7)
        shown = cells[2].amin((-1, -2)) > 0.98
        assert shown.any()
        top, left, bottom, right = raster.box
        for seen, start, end, axis in ((cells[0], top, bottom, 0), (cells[1], left, right, 1)):
            side = (end - start) / raster.grid[axis]
            centres = start + (torch.arange(raster.grid[axis]) + 0.5) * side
            centres = centres[:, None] if axis == 0 else centres
            off = (seen.mean((-1, -2)) - centres).abs()[shown]
            assert float(off.max()) < 0.2 * side


def test_a_setting_that_pads_nothing_is_not_taken_for_padding() -> None:
    tiny = make_llava()
    boxes = []
    for pads in (False, True):  # CLIP's image processor carries it, and pads no square
        tiny.image_processor.do_pad = pads
        layout = build(tiny).layout(Image.new("RGB", (200, 100)), 1.0)
        boxes.append(layout.views[0].rasters[0].box)
    assert boxes == [(0.0, 0.25, 1.0, 0.75)] * 2


def test_what_is_neither_cropped_nor_square_is_refused() -> None:
    tiny = make_llava()
    tiny.image_processor.do_center_crop = False
    with pytest.raises(ValueError, match=r"expected 56x56 pixels .* makes 112x56 of 200x100"):
        build(tiny).layout(Image.new("RGB", (200, 100)), 1.0)


def test_other_scales_without_resizing_are_refused() -> None:
    tiny = make_llava()
    tiny.image_processor.do_resize = False
    with pytest.raises(ValueError, match="expected do_resize for 84x84 pixels instead of 56x56"):
        build(tiny).layout(Image.new("RGB", (200, 100)), 1.5)


def test_a_processor_of_another_side_is_refused() -> None:
    tiny = make_llava()
    tiny.image_processor.crop_size = {"height": 49, "width": 49}
    with pytest.raises(ValueError, match="expected 56x56 pixels at scale 1, got 49x49"):
        encode(build(tiny), [noise(96, 96)])


def test_a_class_token_belongs_to_no_cell() -> None:
    tiny = make_llava(vision_feature_select_strategy="full")
    (encoded,) = [encode(build(tiny), [noise(96, 96)])]
    placeholders = (encoded.inputs["input_ids"][0] == tiny.model.config.image_token_id).nonzero()
    assert len(placeholders) == 65
    assert int(encoded.visual[0].positions[0]) == int(placeholders[0]) + 1


def tiles_of(encoded) -> list:
    """The rasters behind the first, which is the whole image's."""
    return list(encoded.visual[0].view.rasters[1:])


def test_newlines_belong_to_no_cell_and_do_not_change_with_the_image() -> None:
    tiny = make_llava_next()
    adapter = build(tiny)
    for factor in (1.0, 2.0):
        encoded = encode(adapter, [noise(96, 96)], factor=factor)
        visual = set(encoded.visual[0].positions.tolist())
        ids = encoded.inputs["input_ids"][0]
        ends = [
            place
            for place in (ids == adapter.placeholder_id).nonzero()[:, 0].tolist()
            if place not in visual
        ]
        rows = sum({raster.box[0]: raster.grid[0] for raster in tiles_of(encoded)}.values())
        assert len(ends) == rows
        states = input_embeddings(adapter, encoded)[ends]
        assert torch.allclose(states, states[:1].expand_as(states), atol=1e-5)


def test_other_scales_have_their_own_number_of_tiles() -> None:
    adapter = build(make_llava_next())
    image = Image.new("RGB", (96, 96))
    grids = {factor: adapter.layout(image, factor).views[0].grid for factor in (0.5, 1.0, 2.0)}
    assert grids == {0.5: (8, 8), 1.0: (16, 16), 2.0: (32, 32)}


def test_our_packing_of_tiles_is_the_models_own() -> None:
    """At scale 1 both ways are possible: they must put the same features in the same places."""
    for tiny in (make_llava_next(), make_llava_onevision()):
        adapter = build(tiny)
        for size in SIZES:
            image = noise(*size)
            own = encode(adapter, [image])
            canvas = adapter._canvas(image, 1.0)
            side = canvas.side
            rows, columns = canvas.kept(size)
            tiles = own.pixel_inputs["pixel_values"][0]
            assert tiles.shape[1:] == (3, side, side)
            kept = [*canvas.tiles, rows.start, rows.stop, columns.start, columns.stop]
            ours = {**own.token_inputs, "tiles": tiles, "tile_layouts": torch.tensor([kept])}
            with torch.no_grad():
                assert torch.allclose(adapter.forward(ours), adapter.forward(own.inputs), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_pooled_tiles_are_mapped_causally(size: tuple[int, int]) -> None:
    """LLaVA-OneVision shrinks the features of many tiles; cells are then no whole patches."""
    tiny = make_llava_onevision(most_tiles=1)
    adapter = build(tiny)
    rasters = adapter.layout(Image.new("RGB", size[::-1]), 1.0).views[0].rasters
    assert len(rasters) == 2 and len(rasters[1].offsets) <= 1.21 * 64
    found = causal_mapping(adapter, size, 1.0, blocks=60, within=True)
    assert found.tried and found.right >= 0.95 * found.tried, found.wrong


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_onevision_shows_each_of_several_images_whole(factor: float) -> None:
    tiny = make_llava_onevision()
    adapter = build(tiny)
    images = [noise(64, 128, 1), noise(128, 64, 2)]
    encoded = encode(adapter, images, factor=factor)
    boxes = [span.view.rasters[0].box for span in encoded.visual]
    assert all(len(span.view.rasters) == 1 for span in encoded.visual)
    # A padded square whose last two pixels of 58 make no patch at scale 1.
    assert boxes[0][0] == -0.5 and boxes[1][1] == -0.5
    before = input_embeddings(adapter, encoded)
    pixels = np.asarray(images[1]).copy()
    pixels[64:, :] = 255 - pixels[64:, :]
    after = input_embeddings(
        adapter, encode(adapter, [images[0], Image.fromarray(pixels)], factor=factor)
    )
    moved = (after - before).norm(dim=1)
    first, second = (moved[span.positions] for span in encoded.visual)
    assert float(first.max()) < 1e-5
    strongest = encoded.visual[1].rectangles[int(second.argmax())]
    assert strongest[2] > 0.5


def test_scales_count_from_the_grid_that_tiles_are_pooled_to() -> None:
    """3 x 3 tiles pooled to about one: half of that is the least, twice is 2 x 2 tiles."""
    adapter = build(make_llava_onevision(most_tiles=1))
    image = Image.new("RGB", (170, 170))
    grids = {factor: adapter.layout(image, factor).views[0].grid for factor in (1.0, 2.0, 3.0)}
    # Two pixels of 58 are in no patch, so that a plane is a cell wider than the patches in it.
    assert adapter._canvas(image, 1.0).tiles == (3, 3)
    assert adapter._canvas(image, 2.0).tiles == (2, 2)
    assert adapter._canvas(image, 3.0).tiles == (3, 3)
    assert grids[1.0] < grids[2.0] < grids[3.0]


@pytest.mark.parametrize("make", [make_llava_next, make_llava_onevision])
@pytest.mark.parametrize("size", [(4, 400), (400, 4), (2, 900), (900, 2)])
def test_an_image_too_elongated_for_a_row_of_cells_keeps_its_whole_view(
    make, size: tuple[int, int]
) -> None:
    adapter = build(make())
    for factor in (1.0, 2.0):
        encoded = encode(adapter, [noise(*size)], factor=factor)
        with torch.no_grad():
            assert adapter.hidden_states(encoded).isfinite().all()
        assert encoded.visual[0].view.rasters[0].grid == (8, 8)
        assert tiles_of(encoded) == []


def test_tiles_are_fitted_as_the_image_processor_fits_them() -> None:
    from transformers.image_processing_utils import get_patch_output_size
    from transformers.image_utils import ChannelDimension

    from mmx_core.models.tiles import Canvas

    for tiles, image in {(1, 2): (300, 1200), (3, 2): (1568, 742), (2, 3): (1241, 1241)}.items():
        canvas = Canvas.fit(image, tiles, 336, 24, 14)
        shape = np.broadcast_to(np.uint8(0), (3, *image))
        target = (tiles[0] * 336, tiles[1] * 336)
        assert canvas.size == get_patch_output_size(shape, target, ChannelDimension.FIRST)


def test_a_processor_that_cuts_other_tiles_than_the_model_expects_is_refused() -> None:
    tiny = make_llava_next()
    tiny.model.config.image_grid_pinpoints = [[56, 112]]
    with pytest.raises(ValueError, match=r"cut 160x64 pixels out of 168x56, .* expect 112x56"):
        build(tiny).layout(Image.new("RGB", (160, 64)), 1.0)


def test_tiles_of_another_side_are_refused() -> None:
    tiny = make_llava_next()
    tiny.image_processor.crop_size = {"height": 28, "width": 28}
    with pytest.raises(ValueError, match=r"the tower's 56 pixels, got \[28, 56\]"):
        build(tiny).layout(Image.new("RGB", (96, 96)), 1.0)


def test_an_unknown_pooling_is_refused() -> None:
    tiny = make_llava_onevision()
    tiny.model.config.vision_aspect_ratio = "pad"
    with pytest.raises(ValueError, match="expected a vision_aspect_ratio of anyres_max_"):
        build(tiny).layout(Image.new("RGB", (96, 96)), 1.0)


def test_a_tower_whose_first_patch_would_be_dropped_is_refused() -> None:
    tiny = make_llava_onevision()
    tiny.model.config.vision_feature_select_strategy = "default"
    with pytest.raises(ValueError, match="expected 'default' with CLIP"):
        build(tiny).layout(Image.new("RGB", (96, 96)), 1.0)


def test_a_scale_that_leaves_no_patch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scale 0.05: 56x56 .* smallest usable scale is 0.125"):
        build(make_llava()).layout(Image.new("RGB", (96, 96)), 0.05)
