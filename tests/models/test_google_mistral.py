"""Gemma 3, PaliGemma, Mistral 3 and Pixtral: what is special about each."""

from __future__ import annotations

import copy
import re
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core.models import WHOLE
from mmx_core.models.mistral3 import PixtralAdapter
from tests.models.criteria import PROMPT, build, encode, input_embeddings, noise
from tests.support.families import google_mistral
from tests.support.tiny_models import TinyModel

WIDE, TALL, SQUARE = noise(100, 240, 1), noise(210, 90, 2), noise(120, 120, 3)
# Crops that small images are cut into, too.
CROPS = {
    "do_pan_and_scan": True,
    "pan_and_scan_min_crop_size": 20,
    "pan_and_scan_max_num_crops": 4,
    "pan_and_scan_min_ratio_to_activate": 1.2,
}
ANSWER = (40, 41, 42, 43)


@cache
def tiny(name: str, **options) -> TinyModel:
    return getattr(google_mistral, f"make_{name}")(**options)


def with_processor(name: str, **settings) -> TinyModel:
    """One whose image processor has other settings."""
    base = tiny(name)
    image_processor = copy.deepcopy(base.image_processor)
    for setting, value in settings.items():
        setattr(image_processor, setting, value)
    return TinyModel(base.model, image_processor, base.tokenizer)


def with_config(name: str, **settings) -> TinyModel:
    model = copy.deepcopy(tiny(name).model)
    for setting, value in settings.items():
        setattr(model.config, setting, value)
    return TinyModel(model, tiny(name).image_processor, tiny(name).tokenizer)


def said_by(model, encoded, count: int = 6):
    """Ids and last states ``(T, d)`` of greedy generation."""
    with torch.no_grad():
        found = model.generate(
            **encoded.inputs,
            max_new_tokens=count,
            min_new_tokens=count,
            do_sample=False,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
    states = torch.stack([step[-1][0, -1] for step in found.hidden_states])
    return found.sequences[0, encoded.prompt_length :].tolist(), states


def gemma_processor(parts: TinyModel):
    from transformers import Gemma3Processor

    template = parts.tokenizer.chat_template
    return Gemma3Processor(
        parts.image_processor, parts.tokenizer, chat_template=template, image_seq_length=64
    )


def processed(processor, parts, content, images, **options):
    """What the family's own processor makes of a user's turn."""
    messages = [{"role": "user", "content": content}]
    text = parts.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return processor(
        images=images, text=text, add_special_tokens=False, return_tensors="pt", **options
    )


IMAGE, TEXT, MORE = (
    {"type": "image"},
    {"type": "text", "text": PROMPT},
    {"type": "text", "text": "what is left of"},
)


@pytest.mark.parametrize("crops", [{}, CROPS], ids=["whole", "crops"])
@pytest.mark.parametrize(
    ("content", "images"),
    [
        ([IMAGE, TEXT], [WIDE]),
        ([IMAGE, TEXT], [SQUARE]),
        ([IMAGE, IMAGE, TEXT], [TALL, WIDE]),
        ([IMAGE, IMAGE, TEXT], [SQUARE, TALL]),
        ([IMAGE, TEXT, IMAGE, MORE], [WIDE, SQUARE]),
    ],
    ids=["wide", "square", "two", "mixed", "between"],
)
def test_gemma3_gets_what_its_processor_makes(crops, content, images) -> None:
    parts = with_processor("gemma3", **crops)
    # The processor has defaults of its own, which take precedence over its image processor's.
    expected = processed(gemma_processor(parts), parts, content, [images], **crops)
    adapter = build(parts)
    rendered = adapter.render([{"role": "user", "content": content}], pictures=images)
    found = adapter.encode(images, rendered, [], factor=1.0).inputs
    assert set(found) == set(expected)
    for name in found:
        assert torch.equal(found[name], expected[name]), name


@pytest.mark.parametrize(
    "spelling",
    ["{}", "{}\n", "{}\n\n", "  {}", "\n{}", "{{% set x = 1 %}}\n{}", "{}  {{%- set x = 1 %}}\n"],
)
def test_gemma3_puts_blank_lines_around_pictures_and_changes_nothing_else(spelling: str) -> None:
    parts = tiny("gemma3")
    template = spelling.format(google_mistral.GEMMA_TEMPLATE)
    adapter = type(build(parts))(parts.model, chat_template=template, **parts.parts)
    messages = [{"role": "user", "content": [TEXT, IMAGE, MORE, IMAGE]}]
    plain, spaced = (
        parts.tokenizer.apply_chat_template(
            messages, chat_template=source, tokenize=False, add_generation_prompt=True
        )
        for source in (template, adapter.chat_template)
    )
    assert spaced == plain.replace("<start_of_image>", "\n\n<start_of_image>\n\n")


def test_gemma3_needs_no_limits_to_follow_pan_and_scan() -> None:
    # Checkpoints leave them empty, and the processor then puts in 256 pixels, 4 crops, 1.2.
    parts = with_processor("gemma3", do_pan_and_scan=True)
    adapter = build(parts)
    assert len(adapter.layout(noise(256, 700), 1.0).views[0].rasters) == 1 + 2
    assert len(adapter.layout(WIDE, 1.0).views[0].rasters) == 1
    assert adapter.pixel_inputs([noise(256, 700)], 1.0)["pixel_values"].shape[0] == 1 + 2


def test_gemma3_cuts_the_crops_of_its_processor() -> None:
    limits = {**CROPS, "pan_and_scan_min_crop_size": 40}
    parts = with_processor("gemma3", **limits)
    del limits["do_pan_and_scan"]
    adapter = build(parts)
    seen = set()
    for height, width in product((37, 60, 101, 160, 233, 401), repeat=2):
        rows, columns = np.mgrid[:height, :width]
        crops = parts.image_processor.pan_and_scan(np.stack([rows, columns]), **limits)
        starts = [(c[0].min() / height, c[1].min() / width) for c in crops]
        ends = [((c[0].max() + 1) / height, (c[1].max() + 1) / width) for c in crops]
        expected = [(*start, *end) for start, end in zip(starts, ends, strict=True)]
        image = Image.new("RGB", (width, height))
        found = [raster.box for raster in adapter.layout(image, 1.0).views[0].rasters]
        assert found == [WHOLE, *expected], (height, width)
        seen.add(len(expected))
    assert seen == {0, 2, 3, 4}


def test_gemma3_boxes_of_a_wide_image_by_hand() -> None:
    adapter = build(tiny("gemma3"))
    (whole,) = adapter.layout(WIDE, 1.0).views[0].rasters
    assert (whole.grid, whole.box) == ((8, 8), WHOLE)
    boxes = [raster.box for raster in adapter.layout(WIDE, 2.0).views[0].rasters]
    quarters = [(t, left, t + 0.5, left + 0.5) for t in (0.0, 0.5) for left in (0.0, 0.5)]
    assert boxes == [WHOLE, *quarters]
    # 100 / 1.5 and 240 / 1.5 pixels, which overlap by a third of the image.
    boxes = [raster.box for raster in adapter.layout(WIDE, 1.5).views[0].rasters]
    ends = [(0, 160), (80, 240)]
    expected = [
        (top / 100, left / 240, bottom / 100, right / 240)
        for (top, bottom), (left, right) in product([(0, 67), (33, 100)], ends)
    ]
    assert boxes == [WHOLE, *expected]


def test_gemma3_at_a_larger_scale_is_written_as_its_processor_writes_crops() -> None:
    adapter = build(tiny("gemma3"))
    ids = encode(adapter, [WIDE], factor=2.0).inputs["input_ids"][0].tolist()
    tokens = adapter.tokenizer.convert_ids_to_tokens(ids)
    picture = ["<start_of_image>", "<end_of_image>"]
    assert [token for token in tokens if token != "<image_soft_token>"] == [
        *["<bos>", "<start_of_turn>", "user", "\n"],
        *["Here", "is", "the", "original", "image", "\n\n", *picture],
        *["\n\n", "and", "here", "are", "some", "crops", "to", "help", "you", "see", "better"],
        *["\n\n", *picture],
        *(["\n\n", "\n\n", *picture] * 3),
        *["\n\n", *PROMPT.split(), "<end_of_turn>", "\n", "<start_of_turn>", "model", "\n"],
    ]
    whole = encode(adapter, [WIDE])
    assert len(whole.text_positions) == len(encode(adapter, [WIDE], factor=2.0).text_positions)


def test_gemma3_shows_a_shrunk_image_amid_grey() -> None:
    adapter = build(tiny("gemma3"))
    layout = adapter.layout(WIDE, 0.5)
    ((raster,),) = [view.rasters for view in layout.views]
    assert (raster.grid, raster.box) == ((4, 4), WHOLE)
    # The begin-of-image token, then rows of 8, of which the middle 4 of the middle 4.
    assert raster.offsets[:5] == [1 + 2 * 8 + 2 + j for j in range(4)] + [1 + 3 * 8 + 2]
    pixels = adapter.pixel_inputs([WIDE], 0.5)["pixel_values"][0]
    assert pixels.shape == (3, 112, 112)
    outside = torch.ones(112, 112, dtype=torch.bool)
    outside[28:84, 28:84] = False
    assert pixels[:, outside].abs().max() < 0.01
    assert pixels[:, ~outside].std() > 0.2


def test_gemma3_pools_patches_in_rows_from_the_top_left() -> None:
    adapter = build(tiny("gemma3"))
    pixels = np.asarray(noise(112, 112))
    before_input = encode(adapter, [Image.fromarray(pixels)])
    positions = before_input.visual[0].positions
    before = input_embeddings(adapter, before_input)[positions]
    for i, j in product(range(8), repeat=2):
        changed = pixels.copy()
        block = changed[14 * i : 14 * i + 14, 14 * j : 14 * j + 14]
        block[:] = 255 - block
        after = input_embeddings(adapter, encode(adapter, [Image.fromarray(changed)]))[positions]
        assert int((after - before).norm(dim=1).argmax()) == 8 * i + j


@pytest.mark.parametrize("name", ["gemma3", "paligemma"])
def test_token_types_tell_pictures_and_prefix(name: str) -> None:
    adapter = build(tiny(name))
    encoded = encode(adapter, [SQUARE], ANSWER)
    types = encoded.inputs["token_type_ids"][0]
    expected = torch.zeros_like(types)
    if name == "gemma3":
        expected[encoded.visual[0].positions] = 1
    else:
        expected[encoded.prompt_length :] = 1
    assert torch.equal(types, expected)


def test_gemma3_states_are_those_of_generation_beyond_its_window() -> None:
    adapter = build(tiny("gemma3"))
    prompt = encode(adapter, [WIDE], factor=2.0)
    assert prompt.length > 3 * adapter.model.config.text_config.sliding_window
    ids, states = said_by(adapter.model, prompt)
    forced = encode(adapter, [WIDE], ids, factor=2.0)
    with torch.no_grad():
        found = adapter.hidden_states(forced)[forced.predicting_positions]
    assert torch.allclose(found, states, atol=1e-5)


@pytest.mark.parametrize("gemma2", [False, True])
def test_paligemma_states_are_those_of_generation(gemma2: bool) -> None:
    adapter = build(tiny("paligemma", gemma2=gemma2))
    ids, states = said_by(adapter.model, encode(adapter, [WIDE]))
    forced = encode(adapter, [WIDE], ids)
    inputs = forced.inputs
    seen_by_prefix = {**inputs, "token_type_ids": torch.zeros_like(inputs["token_type_ids"])}
    with torch.no_grad():
        found = adapter.forward(inputs)[0][forced.predicting_positions]
        leaking = adapter.forward(seen_by_prefix)[0][forced.predicting_positions]
    assert torch.allclose(found, states, atol=1e-5)
    assert not torch.allclose(leaking, states, atol=1e-2)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("images", [[WIDE], [SQUARE, TALL]], ids=["one", "two"])
@pytest.mark.parametrize("opened", [False, True], ids=["plain", "tokenizer_adds_bos"])
def test_paligemma_gets_what_its_processor_makes(images, opened: bool) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import PaliGemmaProcessor

    base = tiny("paligemma")
    # Its processor extends the tokenizer.
    processor = PaliGemmaProcessor(base.image_processor, copy.deepcopy(base.tokenizer))
    text = "<image>" * len(images) + PROMPT
    expected = processor(images=[images], text=text, return_tensors="pt")
    tokenizer = copy.deepcopy(base.tokenizer)
    if opened:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
        )
        assert tokenizer("image")["input_ids"][0] == tokenizer.bos_token_id
    adapter = build(TinyModel(base.model, base.image_processor, tokenizer))
    encoded = encode(adapter, images)
    assert set(encoded.inputs) == set(expected) - {"labels"}
    for name, value in encoded.inputs.items():
        assert torch.equal(value, expected[name]), name
    for span in encoded.visual:
        assert set(encoded.inputs["input_ids"][0][span.positions].tolist()) == {
            adapter.placeholder_id
        }
    prompt = adapter.render(PROMPT, pictures=images)
    written = [token.id for token in prompt.text if token.written]
    assert tokenizer.convert_ids_to_tokens(written) == PROMPT.split()


def test_paligemma_interpolates_as_its_tower_does() -> None:
    adapter = build(tiny("paligemma"))
    model = adapter.model.model
    for factor, side in ((0.5, 4), (1.0, 8), (2.0, 16)):
        encoded = encode(adapter, [WIDE], ANSWER, factor=factor)
        assert encoded.visual[0].grid == (side, side)
        inputs = dict(encoded.inputs)
        pixels = inputs.pop("pixel_values")
        assert pixels.shape[-2:] == (7 * side, 7 * side)
        with torch.no_grad():
            features = model.get_image_features(pixels, interpolate_pos_encoding=True)
            expected = model(**inputs, mm_encoder_outputs={"image": features}).last_hidden_state
            found = adapter.forward(encoded.inputs)
        assert torch.allclose(found, expected, atol=1e-5)


def test_paligemma2_probabilities_are_capped_as_the_models_are() -> None:
    adapter = build(tiny("paligemma", gemma2=True))
    encoded = encode(adapter, [WIDE], ANSWER)
    with torch.no_grad():
        expected = adapter.model(**encoded.inputs).logits[0]
        states = adapter.hidden_states(encoded)
        found = adapter.logits(states)
        uncapped = states @ adapter.head_weight.T
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(uncapped, expected, atol=0.1)
    assert torch.equal(uncapped.argsort(1)[:, -5:], expected.argsort(1)[:, -5:])


def test_paligemma_box_ends_with_the_last_whole_patch() -> None:
    adapter = build(with_processor("paligemma", size={"height": 60, "width": 60}))
    adapter.model = copy.deepcopy(adapter.model)
    adapter.model.config.vision_config.image_size = 60
    (raster,) = adapter.layout(WIDE, 1.0).views[0].rasters
    assert (raster.grid, raster.box) == ((8, 8), (0.0, 0.0, 56 / 60, 56 / 60))
    assert adapter.layout(WIDE, 2.0).views[0].rasters[0].box == WHOLE


@pytest.mark.parametrize(
    ("name", "size", "cell"), [("mistral3", (100, 240), 14), ("pixtral", (100, 240), 12)]
)
def test_pixtral_rows_end_with_a_token(name: str, size, cell: int) -> None:
    adapter = build(tiny(name))
    assert isinstance(adapter, PixtralAdapter)
    image = noise(*size)
    # Mistral 3: 240 pixels become 224, 100 become 93; Pixtral: 144 and 60.
    rows, columns = {"mistral3": (7, 16), "pixtral": (5, 12)}[name]
    layout = adapter.layout(image, 1.0)
    tokens = adapter.tokenizer.convert_ids_to_tokens(layout.ids)
    row = ["[IMG]"] * columns + ["[IMG_BREAK]"]
    assert tokens == [*(row * rows)[:-1], "[IMG_END]"]
    (raster,) = layout.views[0].rasters
    assert (raster.grid, raster.box) == ((rows, columns), WHOLE)
    assert [tokens[offset] for offset in raster.offsets] == ["[IMG]"] * (rows * columns)
    made = adapter.image_processor(images=[image], patch_size=cell, return_tensors="pt")
    found = adapter.pixel_inputs([image], 1.0)
    assert set(found) == set(made)
    assert torch.equal(found["pixel_values"], made["pixel_values"])
    assert found["image_sizes"].tolist() == [[rows * cell, columns * cell]]


@pytest.mark.parametrize("name", ["mistral3", "pixtral"])
def test_pixtral_is_resized_once_beyond_its_limit(name: str) -> None:
    adapter = build(tiny(name))
    native = adapter.pixel_size(WIDE, 1.0)
    for factor in (0.5, 1.5, 2.0):
        height, width = adapter.pixel_size(WIDE, factor)
        found = adapter.pixel_inputs([WIDE], factor)
        assert found["pixel_values"].shape[-2:] == (height, width)
        cell = adapter._cell_pixels
        assert height % cell == width % cell == 0
        assert abs(height - factor * native[0]) <= cell / 2
        assert abs(width - factor * native[1]) <= cell / 2


@pytest.mark.parametrize("name", ["mistral3", "pixtral"])
def test_pixtral_fills_up_images_of_several_sizes(name: str) -> None:
    """Of one sample as the image processor does, of a batch in the same way."""
    adapter = build(tiny(name))
    images = [WIDE, TALL]
    cell = adapter._cell_pixels
    made = adapter.image_processor(images=images, patch_size=cell, return_tensors="pt")
    found = adapter.pixel_inputs(images, 1.0)
    assert torch.equal(found["pixel_values"], made["pixel_values"])
    singles = [encode(adapter, [image], ANSWER) for image in images]
    both = [*singles, encode(adapter, images, ANSWER)]
    with torch.no_grad():
        together = adapter.forward(adapter.collate(both))
        for row, encoded in zip(together, both, strict=True):
            alone = adapter.hidden_states(encoded)
            assert torch.allclose(row[: encoded.length], alone, atol=1e-4)


@pytest.mark.parametrize("name", ["gemma3", "paligemma", "mistral3", "pixtral"])
def test_an_image_at_the_models_size_is_seen_as_the_image_is(name: str) -> None:
    adapter = build(tiny(name))
    shown = adapter.input_image(WIDE)
    expected = adapter.pixel_inputs([WIDE], 1.0)["pixel_values"]
    assert shown.size == expected.shape[:1:-1]
    assert torch.equal(adapter.pixel_inputs([shown], 1.0)["pixel_values"], expected)


def test_an_image_cut_into_crops_stays_what_it_is() -> None:
    adapter = build(with_processor("gemma3", **CROPS))
    assert adapter.input_image(WIDE) is WIDE


@pytest.mark.parametrize(
    ("parts", "factor", "numbers"),
    [
        (lambda: tiny("gemma3"), 0.05, ["8x8", "0.125"]),
        (lambda: tiny("paligemma"), 0.05, ["8x8", "0.125"]),
        (lambda: tiny("mistral3"), 0.05, ["7x16", "0.142857"]),
        (lambda: with_config("gemma3", mm_tokens_per_image=60), 1.0, ["60", "16 patches"]),
        (lambda: with_config("gemma3", mm_tokens_per_image=49), 1.0, ["49", "16 patches"]),
        (
            lambda: with_processor("paligemma", size={"height": 64, "width": 56}),
            1.0,
            ["56x56", "64"],
        ),
        (lambda: with_processor("paligemma", do_center_crop=True), 1.0, ["cropped", "True"]),
        (lambda: with_processor("pixtral", do_center_crop=True), 1.0, ["do_center_crop"]),
        (
            lambda: with_config("pixtral", vision_feature_select_strategy="default"),
            1.0,
            ["5 x 12 = 60", "keeps 59", "'full'"],
        ),
    ],
    ids=["gemma", "pali", "mistral", "tokens", "pool", "size", "crop", "pixcrop", "strategy"],
)
def test_what_does_not_work_out_is_refused(parts, factor: float, numbers: list[str]) -> None:
    with pytest.raises(ValueError, match=".*".join(map(re.escape, numbers))):
        build(parts()).layout(WIDE, factor)


def test_images_that_come_out_otherwise_are_refused() -> None:
    adapter = build(with_processor("gemma3", size={"height": 98, "width": 98}))
    with pytest.raises(ValueError, match=r"\(1, 3, 112, 112\).*\(1, 3, 98, 98\)"):
        adapter.pixel_inputs([WIDE], 1.0)
    adapter = build(with_processor("mistral3", do_resize=True))
    fixed = adapter.image_processor
    adapter.image_processor = lambda **options: fixed(**{**options, "size": {"longest_edge": 64}})
    adapter.image_processor.size = fixed.size
    with pytest.raises(ValueError, match=r"\(98, 224\).*\(28, 70\)"):
        adapter.pixel_inputs([WIDE], 1.0)


def test_a_tokenizer_without_row_ends_is_refused() -> None:
    parts = tiny("pixtral")
    other = tiny("paligemma").tokenizer
    with pytest.raises(ValueError, match=r"\[IMG_BREAK\]"):
        build(TinyModel(parts.model, parts.image_processor, other)).layout(WIDE, 1.0)
