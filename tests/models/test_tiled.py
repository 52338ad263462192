"""InternVL, Idefics3, SmolVLM: what is special about images cut into tiles."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core.models.idefics3 import Idefics3Adapter
from mmx_core.models.internvl import InternVLAdapter
from tests.support.families.tiled import make_idefics3, make_internvl, make_smolvlm

FAMILIES = {
    "internvl": (make_internvl, InternVLAdapter),
    "idefics3": (make_idefics3, Idefics3Adapter),
    "smolvlm": (make_smolvlm, Idefics3Adapter),
}
PROMPT = "describe the image ."
SIZES = [(120, 60), (60, 120), (64, 60), (200, 70), (37, 180), (300, 300)]
SEEN = 63 / 66  # SmolVLM: 9 patches of 7 pixels along a tile of 66


def make(family):
    factory, adapter = FAMILIES[family]
    tiny = factory()
    return adapter(tiny.model, **tiny.parts)


@pytest.fixture(scope="module")
def adapters():
    return {family: make(family) for family in FAMILIES}


def picture(width, height, seed=0):
    coarse = np.random.default_rng(seed).integers(
        0, 256, (max(2, height // 12), max(2, width // 12), 3), dtype=np.uint8
    )
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(adapter, images, factor=1.0):
    rendered = adapter.render(PROMPT, pictures=images)
    return adapter.encode(images, rendered, [], factor=factor)


def written(adapter, images, replacement):
    """Ids of the prompt with what the family's processor writes for each image."""
    tokenizer = adapter.tokenizer
    parts = [{"type": "image"}] * len(images) + [{"type": "text", "text": PROMPT}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
    )
    placeholder = tokenizer.convert_ids_to_tokens(adapter.placeholder_id)
    head, *tails = text.split(placeholder)
    for image, tail in zip(images, tails, strict=True):
        head += replacement(image) + tail
    return tokenizer(head)["input_ids"]


@pytest.mark.parametrize("size", SIZES)
def test_idefics3_input_is_its_processors(adapters, size):
    from transformers import Idefics3Processor

    adapter = adapters["idefics3"]
    processor = Idefics3Processor(
        adapter.image_processor,
        adapter.tokenizer,
        image_seq_len=16,
        chat_template=adapter.tokenizer.chat_template,
    )
    images = [picture(*size), picture(90, 80, seed=1)]
    parts = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": PROMPT}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True
    )
    expected = processor(images=images, text=text, return_tensors="pt")
    found = encoded(adapter, images).inputs
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)


def test_two_line_breaks_may_be_one_token(adapters):
    tokens = {
        family: adapters[family].tokenizer.convert_ids_to_tokens(
            adapters[family].layout(picture(120, 60), 1.0).ids
        )
        for family in ("idefics3", "smolvlm")
    }
    assert tokens["idefics3"].count("\n\n") == 1 and "\n" not in tokens["idefics3"]
    assert tokens["smolvlm"].count("\n") == 3 and "\n\n" not in tokens["smolvlm"]


@pytest.mark.parametrize("size", SIZES)
def test_smolvlm_input_is_what_its_processor_writes(adapters, size):
    # The processor itself needs torchvision and num2words; its function for the text does not.
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    adapter = adapters["smolvlm"]
    images = [picture(*size), picture(90, 80, seed=1)]
    pixels = adapter.image_processor(images=[images], return_row_col_info=True, return_tensors="pt")
    counts = iter(zip(pixels["rows"][0], pixels["cols"][0], strict=True))

    def replacement(_):
        marks = ("<fake_token_around_image>", "<image>", "<global-img>")
        return get_image_prompt_string(*next(counts), 9, *marks)

    found = encoded(adapter, images).inputs
    assert found["input_ids"][0].tolist() == written(adapter, images, replacement)
    for name in ("pixel_values", "pixel_attention_mask"):
        assert torch.equal(found[name], pixels[name])


@pytest.mark.parametrize("size", SIZES)
def test_internvl_input_is_what_its_processor_writes(adapters, size):
    # The processor itself needs torchvision; its method for the text does not need the processor.
    from transformers import InternVLProcessor

    adapter = adapters["internvl"]
    images = [picture(*size), picture(90, 80, seed=1)]
    settings = InternVLProcessor.images_kwargs
    pixels = adapter.image_processor(images=images, return_tensors="pt", **settings)
    stand_in = SimpleNamespace(
        start_image_token="<img>",
        image_token="<IMG_CONTEXT>",
        end_image_token="</img>",
        image_seq_length=adapter.model.config.image_seq_length,
    )

    def replacement(image):
        return InternVLProcessor.replace_image_token(stand_in, pixels, images.index(image))

    found = encoded(adapter, images).inputs
    assert found["input_ids"][0].tolist() == written(adapter, images, replacement)
    assert torch.equal(found["pixel_values"], pixels["pixel_values"])


def test_boxes_of_a_wide_image(adapters):
    def boxes(family, factor=1.0):
        (view,) = adapters[family].layout(picture(120, 60), factor).views
        return [raster.box for raster in view.rasters]

    halves = [(0, 0, 1, 0.5), (0, 0.5, 1, 1)]
    whole = [(0, 0, 1, 1)]
    assert boxes("internvl") == halves + whole
    assert boxes("idefics3") == halves + whole
    # 198 x 99 pixels, filled up to 198 x 132: three columns by two rows.
    tiles = [(i / 2, j / 3, (i + SEEN) / 2, (j + SEEN) / 3) for i in range(2) for j in range(3)]
    np.testing.assert_allclose(boxes("smolvlm"), [*tiles, (0, 0, SEEN, SEEN)], rtol=1e-12)
    quarters = [(i / 2, j / 4, (i + 1) / 2, (j + 1) / 4) for i in range(2) for j in range(4)]
    assert boxes("internvl", 2.0) == quarters + whole
    assert boxes("idefics3", 2.0) == quarters + whole


@pytest.mark.parametrize(
    ("family", "size", "factor", "tiles", "grid"),
    [
        ("internvl", (64, 60), 0.25, (1, 1), (1, 1)),
        ("internvl", (64, 60), 0.5, (1, 1), (2, 2)),
        ("internvl", (64, 60), 1.0, (1, 1), (4, 4)),
        ("internvl", (64, 60), 1.5, (2, 2), (4, 4)),
        ("internvl", (120, 60), 0.5, (1, 1), (4, 4)),
        ("internvl", (120, 60), 1.5, (2, 3), (4, 4)),
        ("internvl", (300, 300), 0.5, (1, 1), (4, 4)),
        ("idefics3", (300, 300), 0.25, (1, 1), (2, 2)),
        ("idefics3", (300, 300), 0.5, (1, 1), (4, 4)),
        ("idefics3", (300, 300), 1.5, (3, 3), (4, 4)),
        ("idefics3", (60, 120), 2.0, (4, 2), (4, 4)),
        ("smolvlm", (300, 300), 0.25, (1, 1), (2, 2)),
        ("smolvlm", (300, 300), 0.5, (2, 2), (3, 3)),
        ("smolvlm", (200, 70), 2.0, (3, 6), (3, 3)),
        # 297 x 148 pixels, filled up to 330 x 164, then to 330 x 198.
        ("smolvlm", (120, 60), 1.5, (3, 5), (3, 3)),
    ],
)
def test_other_scales_have_other_grids(adapters, family, size, factor, tiles, grid):
    adapter = adapters[family]
    image = picture(*size)
    (view,) = adapter.layout(image, factor).views
    rows, columns = tiles
    assert len(view.rasters) == (rows * columns + 1 if tiles != (1, 1) else 1)
    assert {raster.grid for raster in view.rasters} == {grid}
    if tiles != (1, 1):
        seen = SEEN if family == "smolvlm" else 1
        assert view.rasters[0].box[2:] == pytest.approx((seen / rows, seen / columns))
    inputs = encoded(adapter, [image], factor)
    with torch.no_grad():
        hidden = adapter.forward(inputs.inputs)
    assert hidden.shape[1] == inputs.length and hidden.isfinite().all()


def test_rows_are_counted_as_pixels_are_cut(adapters):
    # 123 x 86 pixels: filled up to 168 columns there are 117 rows, three tiles; 86 were two.
    adapter, image = adapters["idefics3"], picture(200, 140)
    (view,) = adapter.layout(image, 1.1).views
    counted = adapter.image_processor.get_number_of_image_patches(
        image.height, image.width, {"size": {"longest_edge": round(112 * 1.1)}}
    )
    assert len(view.rasters) == adapter.pixel_inputs([image], 1.1)["pixel_values"].shape[1] == 10
    assert counted == (7, 2, 3)


def test_internvl_cuts_as_its_processor(adapters):
    # Three quarters of one row of two tiles are one row of two tiles again.
    adapter, image = adapters["internvl"], picture(120, 60)
    own, processors = (adapter.pixel_inputs([image], f)["pixel_values"] for f in (0.75, 1.0))
    assert torch.equal(own, processors)


def test_idefics3_that_does_not_cut(adapters):
    adapter = make("idefics3")
    adapter.image_processor.do_image_splitting = False
    image = picture(120, 60)
    for factor, count, grid in ((0.5, 1, (2, 2)), (1.0, 1, (4, 4)), (2.0, 3, (4, 4))):
        (view,) = adapter.layout(image, factor).views
        assert len(view.rasters) == count and view.rasters[0].grid == grid
        assert adapter.pixel_inputs([image], factor)["pixel_values"].shape[1] == count


def embeddings(adapter, image, factor):
    """``(N, d)`` visual tokens as the language model gets them, and their span."""
    inputs = encoded(adapter, [image], factor)
    kept = {}

    def keep(module, args, kwargs):
        kept["embeddings"] = kwargs["inputs_embeds"][0]

    handle = adapter.model.get_decoder().register_forward_pre_hook(keep, with_kwargs=True)
    with handle, torch.no_grad():
        adapter.forward(inputs.inputs)
    (span,) = inputs.visual
    return kept["embeddings"][span.positions], span


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_token_shows_its_rectangle(adapters, family, factor):
    """Of each tile and of the whole image, the token that changes most is the one changed."""
    adapter, image = adapters[family], picture(330, 180)
    before, span = embeddings(adapter, image, factor)
    pixels = np.asarray(image)
    rasters = torch.cat([torch.full((len(r.offsets),), i) for i, r in enumerate(span.view.rasters)])
    for index in range(0, len(rasters), 3):
        top, left, bottom, right = span.rectangles[index].tolist()
        margin = 0.2
        rows = slice(
            round((top + margin * (bottom - top)) * 180),
            round((bottom - margin * (bottom - top)) * 180),
        )
        columns = slice(
            round((left + margin * (right - left)) * 330),
            round((right - margin * (right - left)) * 330),
        )
        changed = pixels.copy()
        changed[rows, columns] = np.where(pixels[rows, columns] > 127, 0, 255)
        after, _ = embeddings(adapter, Image.fromarray(changed), factor)
        change = (after - before).norm(dim=1)
        change[rasters != rasters[index]] = -1
        assert int(change.argmax()) == index


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_is_its_samples(adapters, family):
    adapter = adapters[family]
    batch = [encoded(adapter, [picture(*size)]) for size in ((64, 60), (200, 70))]
    batch.append(encoded(adapter, [picture(37, 180), picture(60, 60)]))
    assert len({len(sample.visual[0].positions) for sample in batch}) > 1
    with torch.no_grad():
        together = adapter.forward(adapter.collate(batch))
        for row, sample in zip(together, batch, strict=True):
            alone = adapter.hidden_states(sample)
            torch.testing.assert_close(row[: sample.length], alone, rtol=1e-4, atol=1e-4)


def test_smolvlm_does_not_see_beyond_its_last_patch():
    adapter = make("smolvlm")
    adapter.image_processor.size = {"longest_edge": 66}
    image = picture(66, 66)
    before, span = embeddings(adapter, image, 1.0)
    assert span.view.rasters[0].box == pytest.approx((0, 0, SEEN, SEEN))
    pixels = np.array(image)
    pixels[:, 63:] = 255 - pixels[:, 63:]
    pixels[63:] = 255 - pixels[63:]
    assert torch.equal(embeddings(adapter, Image.fromarray(pixels), 1.0)[0], before)
    pixels[:, 62] = 255 - pixels[:, 62]
    assert not torch.equal(embeddings(adapter, Image.fromarray(pixels), 1.0)[0], before)


def test_scales_that_leave_nothing_are_refused(adapters):
    image = picture(64, 60)
    with pytest.raises(ValueError, match=r"scale 0\.1: a tile of 56 .* of 14; .* scale is 0\.125"):
        adapters["internvl"].layout(image, 0.1)
    with pytest.raises(ValueError, match=r"scale 0\.05: a side of 6 .* of 14; .* scale is 0\.0625"):
        adapters["idefics3"].layout(image, 0.05)
    with pytest.raises(ValueError, match=r"scale 40: .* 4480 pixels, .* 4096; .* scale is 36\.57"):
        adapters["idefics3"].layout(image, 40.0)


def test_tiles_of_two_sizes_in_one_sample_are_refused(adapters):
    with pytest.raises(ValueError, match=r"scale 0\.5: .* tiles of 28 and 56 pixels"):
        adapters["internvl"].layouts([picture(64, 60), picture(120, 60)], 0.5)


def test_another_way_of_cutting_is_refused(monkeypatch):
    image = picture(120, 60)
    internvl = make("internvl")
    processor = internvl.image_processor
    monkeypatch.setattr(processor, "get_number_of_image_patches", lambda *_: 5)
    with pytest.raises(ValueError, match=r"expected 3 tiles for 120x60, .* makes 5"):
        internvl.layout(image, 1.0)
    monkeypatch.undo()
    crop = processor.crop_image_to_patches
    monkeypatch.setattr(
        processor, "crop_image_to_patches", lambda *a, **k: crop(*a, **k, use_thumbnail=False)
    )
    with pytest.raises(ValueError, match=r"expected \[3\] tiles per image, got \[2\]"):
        internvl.pixel_inputs([image], 1.0)
    processor.size = {"height": 56, "width": 70}
    with pytest.raises(ValueError, match=r"expected square tiles, got 56 x 70 pixels"):
        internvl.layout(image, 1.0)

    idefics3 = make("idefics3")
    idefics3.image_processor.do_resize = False
    with pytest.raises(ValueError, match=r"tiles \[\(1, 2\)\], got \[\(2, 3\)\]"):
        idefics3.pixel_inputs([image], 1.0)
    idefics3.image_processor.size = {"height": 56, "width": 56}
    with pytest.raises(ValueError, match=r"expected size to be .* got .*'height': 56"):
        idefics3.layout(image, 1.0)


def test_a_vocabulary_without_the_markers_is_refused():
    adapter = make("internvl")
    adapter.tokenizer = make("idefics3").tokenizer
    with pytest.raises(ValueError, match=r"tokenizer: expected '<img>' in its vocabulary"):
        adapter.layout(picture(64, 60), 1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_tiles_that_do_not_make_whole_tokens_are_refused(family):
    adapter = make(family)
    key = "size" if family == "internvl" else "max_image_size"
    side = {"height": 50, "width": 50} if family == "internvl" else {"longest_edge": 50}
    setattr(adapter.image_processor, key, side)
    join = 3 if family == "smolvlm" else 2
    with pytest.raises(ValueError, match=rf"50 pixels has 7 patches .* join {join} by {join}"):
        adapter.layout(picture(64, 60), 1.0)
