"""Models of an unknown class: what is measured, what is assumed, what is refused."""

from __future__ import annotations

import copy
import dataclasses
import re
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core import Explainer
from mmx_core.models import WHOLE, adapter_for
from mmx_core.models.generic import GenericAdapter
from tests.models.criteria import PROMPT, causal_mapping, encode, noise
from tests.support.families.google_mistral import make_pixtral, make_plain
from tests.support.families.parts import spaced_tokenizer
from tests.support.tiny_models import TinyModel, make_tiny

WIDE, TALL = noise(100, 240, 1), noise(210, 90, 2)
SIZES = {"square": (96, 96), "wide": (64, 160), "tall": (150, 70)}
pytestmark = pytest.mark.filterwarnings("ignore:.*has no adapter of its own")


@pytest.fixture(scope="module")
def plain() -> TinyModel:
    return make_plain()


@pytest.fixture
def adapter(plain: TinyModel) -> GenericAdapter:
    return generic(plain)


def generic(parts, **settings) -> GenericAdapter:
    """An adapter of a model whose image processor has other settings."""
    image_processor = copy.deepcopy(parts.image_processor)
    for name, value in settings.items():
        setattr(image_processor, name, value)
    return GenericAdapter(parts.model, image_processor=image_processor, tokenizer=parts.tokenizer)


def test_an_unknown_class_is_explained_after_one_warning(plain: TinyModel) -> None:
    model = copy.deepcopy(plain.model)
    model.config.model_type = "never_heard_of"
    explainer = Explainer(model, **plain.parts, scales=(0.5, 1.0, 2.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explanation = explainer.explain(WIDE, PROMPT, answer="a red square")
        explainer.explain(TALL, PROMPT, answer="a red square")
    (told,) = (str(warning.message) for warning in caught if "adapter" in str(warning.message))
    own = "100% of painted cells changed their own token most"
    for part in ("LlavaForConditionalGeneration", "Measured: 8x8", own, "Assumed: "):
        assert part in told
    assert [scale.grid for scale in explanation.scales] == [(4, 4), (8, 8), (16, 16)]


def test_the_warning_names_token_types_that_are_left_out() -> None:
    from tests.support.families.google_mistral import make_paligemma

    parts = make_paligemma()
    adapter = generic(parts)
    with pytest.warns(UserWarning, match="token_type_ids left out"):
        adapter.layout(WIDE, 1.0)


def test_the_model_gets_what_its_processor_makes(adapter: GenericAdapter) -> None:
    images = [WIDE, TALL]
    encoded = encode(adapter, images, [40, 41])
    expected = adapter.image_processor(images=images, return_tensors="pt")["pixel_values"]
    assert torch.equal(encoded.inputs["pixel_values"], expected)
    ids = encoded.inputs["input_ids"][0]
    for span in encoded.visual:
        assert (span.grid, span.view.rasters[0].box) == ((8, 8), WHOLE)
        assert set(ids[span.positions].tolist()) == {adapter.placeholder_id}
    assert int((ids == adapter.placeholder_id).sum()) == 2 * 64
    with torch.no_grad():
        expected = adapter.model.model(**encoded.inputs).last_hidden_state
        assert torch.equal(adapter.forward(encoded.inputs), expected)


def test_a_smaller_scale_shows_the_image_amid_its_mean_colour(adapter: GenericAdapter) -> None:
    (raster,) = adapter.layout(WIDE, 0.5).views[0].rasters
    assert (raster.grid, raster.box) == ((4, 4), WHOLE)
    assert raster.offsets[:5] == [2 * 8 + 2 + j for j in range(4)] + [3 * 8 + 2]
    pixels = adapter.pixel_inputs([WIDE], 0.5)["pixel_values"][0]
    outside = torch.ones(56, 56, dtype=torch.bool)
    outside[14:42, 14:42] = False
    assert float(pixels[:, outside].std(dim=1).max()) < 1e-6


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5, 2.0])
def test_a_changed_block_moves_a_token_that_covers_it(
    adapter: GenericAdapter, shape: str, factor: float
) -> None:
    found = causal_mapping(adapter, SIZES[shape], factor)
    assert found.tried and found.right >= 0.95 * found.tried, found.wrong


def test_a_larger_scale_interpolates(adapter: GenericAdapter) -> None:
    encoded = encode(adapter, [WIDE], [40], factor=2.0)
    inputs = dict(encoded.inputs)
    pixels = inputs.pop("pixel_values")
    assert pixels.shape == (1, 3, 112, 112)
    model = adapter.model.model
    with torch.no_grad():
        features = model.get_image_features(pixels, interpolate_pos_encoding=True)
        expected = model(**inputs, mm_encoder_outputs={"image": features}).last_hidden_state
        found = adapter.forward(encoded.inputs)
    assert torch.allclose(found, expected, atol=1e-6)


def test_nothing_is_run_again_for_a_size_that_is_known(adapter: GenericAdapter) -> None:
    factors = (0.5, 1.0, 2.0)
    first = [adapter.layout(WIDE, factor) for factor in factors]

    def forbidden(*arguments, **options):
        raise AssertionError("was run again")

    adapter._processed = adapter._features = forbidden
    other = noise(100, 240, 7)
    assert [adapter.layout(other, factor) for factor in factors] == first


class Crooked:
    """An image processor that does not say what else it does to an image."""

    def __init__(self, processor, spoil) -> None:
        self._processor, self._spoil = processor, spoil

    def __call__(self, images, **options):
        return self._processor(images=[self._spoil(image) for image in images], **options)


def _cropped(image):
    width, height = image.size
    return image.crop((width // 8, height // 8, width - width // 8, height - height // 8))


@pytest.mark.parametrize(
    "spoil",
    [_cropped, lambda image: image.transpose(0), lambda image: image.rotate(90)],
    ids=["cropped", "mirrored", "turned"],
)
def test_a_processor_that_does_more_than_resize_is_refused(plain: TinyModel, spoil) -> None:
    adapter = generic(plain)
    adapter.image_processor = Crooked(plain.image_processor, spoil)
    with pytest.raises(ValueError, match=r"whole image resized to 56x56.*off by [01]\.\d\d"):
        adapter.layout(WIDE, 1.0)


def test_a_processor_that_says_it_pads_is_refused(plain: TinyModel) -> None:
    with pytest.raises(ValueError, match=r"do_pad False, got True.*needs an adapter of its own"):
        generic(plain, do_pad=True).layout(WIDE, 1.0)


@pytest.mark.parametrize(
    ("image", "box"), [(WIDE, (0, 7 / 24, 1, 17 / 24)), (TALL, (2 / 7, 0, 5 / 7, 1))]
)
def test_what_a_processor_crops_off_is_measured(plain: TinyModel, image, box) -> None:
    cropping = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}
    adapter = generic(plain, do_center_crop=True, **cropping)
    for factor in (0.5, 1.0, 2.0):
        found = adapter.layout(image, factor).views[0].rasters[0].box
        assert np.abs(np.subtract(found, box)).max() < 0.02
        causal = causal_mapping(adapter, image.size[::-1], factor)
        assert causal.right >= 0.95 * causal.tried, causal.wrong


def test_anything_but_one_plain_picture_is_refused(plain: TinyModel) -> None:
    with pytest.raises(ValueError, match=r"one picture \(1, 3, height, width\), got .*of \(\d+, "):
        generic(make_tiny("qwen2_vl")).layout(WIDE, 1.0)
    adapter = generic(plain)
    adapter.image_processor = lambda images, **options: plain.image_processor(
        images=[*images, *images], **options
    )
    with pytest.raises(ValueError, match=r"got pixel values of \(2, 3, 56, 56\)"):
        adapter.layout(WIDE, 1.0)
    with pytest.raises(ValueError, match="do_pad"):
        generic(make_pixtral()).layout(WIDE, 1.0)


def spoiled(plain: TinyModel, spoil) -> GenericAdapter:
    """An adapter of a model whose visual tokens are not what they seem."""
    adapter = generic(plain)
    original = plain.model.get_image_features

    def get_image_features(*arguments, **options):
        (tokens,) = original(*arguments, **options).pooler_output
        return SimpleNamespace(pooler_output=[spoil(tokens)])

    model = SimpleNamespace(get_image_features=get_image_features)
    names = ("config", "device", "dtype", "model", "modules", "parameters", "eval")
    for name in (*names, "get_input_embeddings"):
        setattr(model, name, getattr(plain.model, name))
    adapter.model = model
    return adapter


def test_looking_at_a_model_in_the_middle_of_its_training_leaves_no_trace(plain: TinyModel) -> None:
    model = copy.deepcopy(plain.model).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda m, _, out: torch.dropout(out, 0.5, m.training))
    adapter = generic(dataclasses.replace(plain, model=model))
    state = torch.random.get_rng_state()
    adapter.layout(WIDE, 1.0)  # its visual tokens would be in no order at all
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(module.training for module in model.modules())


def test_tokens_that_are_no_grid_are_refused(plain: TinyModel) -> None:
    adapter = spoiled(plain, lambda tokens: torch.cat([tokens[:1], tokens]))
    with pytest.raises(ValueError, match=r"rows and columns over 56x56 pixels, got 65"):
        adapter.layout(WIDE, 1.0)


RASTER = np.arange(64).reshape(8, 8)
HALF = np.concatenate([np.arange(32), 32 + np.random.default_rng(0).permutation(32)])
ORDERS = {
    "columns": RASTER.T.flatten(),
    "blocks": RASTER.reshape(4, 2, 4, 2).transpose(0, 2, 1, 3).flatten(),
    "backwards": RASTER[::-1].flatten(),
    "shuffled": np.random.default_rng(0).permutation(64),
    "half right": HALF,
    "one row moved": np.concatenate([np.arange(56), np.roll(np.arange(56, 64), 1)]),
}


@pytest.mark.parametrize("order", ORDERS)
def test_tokens_in_another_order_are_refused_with_the_figure(plain: TinyModel, order: str) -> None:
    index = torch.from_numpy(ORDERS[order].copy())
    adapter = spoiled(plain, lambda tokens: tokens[index])
    with pytest.raises(ValueError, match=r"only \d+ of 48 painted cells \(\d+%, not 95%\)") as told:
        adapter.layout(WIDE, 1.0)
    right = (ORDERS[order] == np.arange(64)).mean()
    share = float(re.search(r"\((\d+)%,", str(told.value)).group(1)) / 100
    assert abs(share - right) < 0.15, "the figure is that of the tokens that stand right"


def test_tokens_of_a_resampler_are_refused(plain: TinyModel) -> None:
    """As many as make a grid, each a mixture of all places."""
    mixture = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).softmax(1)
    adapter = spoiled(plain, lambda tokens: mixture @ tokens)
    with pytest.raises(ValueError, match=r"only \d of 48 painted cells"):
        adapter.layout(WIDE, 1.0)


def test_a_token_that_answers_to_everything_does_not_hide_the_others(plain: TinyModel) -> None:
    def loud(tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens.clone()
        tokens[5] = tokens[5] + 30 * tokens.sum(0)
        return tokens

    assert spoiled(plain, loud).layout(WIDE, 1.0).count == 64


def test_row_ends_and_marks_among_the_visual_tokens_are_found(plain: TinyModel) -> None:
    def framed(tokens: torch.Tensor) -> torch.Tensor:
        mark = torch.ones(1, tokens.shape[1])
        rows = [part for row in tokens.view(8, 8, -1) for part in (row, 2 * mark)]
        return torch.cat([3 * mark, *rows, 4 * mark])

    layout = spoiled(plain, framed).layout(WIDE, 1.0)
    (raster,) = layout.views[0].rasters
    assert len(layout.ids) == 1 + 8 * 9 + 1
    assert raster.offsets == [1 + 9 * i + j for i in range(8) for j in range(8)]


def test_two_tokens_of_each_cell_are_refused(plain: TinyModel) -> None:
    """128 tokens make no grid of squares; 8 rows of 16 would be right by their number alone."""
    adapter = spoiled(plain, lambda tokens: tokens.repeat_interleave(2, dim=0))
    with pytest.raises(ValueError, match=r"rows and columns over 56x56 pixels, got 128"):
        adapter.layout(WIDE, 1.0)


def test_a_small_whole_before_the_cells_is_refused(plain: TinyModel) -> None:
    """With 16 tokens of a thumbnail there are 80; with 36 as many as 10 x 10 cells have."""

    def whole(side: int):
        def put(tokens: torch.Tensor) -> torch.Tensor:
            square = tokens.T.reshape(1, -1, 8, 8)
            small = torch.nn.functional.adaptive_avg_pool2d(square, side)
            return torch.cat([small.flatten(2)[0].T, tokens])

        return put

    with pytest.raises(ValueError, match=r"rows and columns over 56x56 pixels, got 80"):
        spoiled(plain, whole(4)).layout(WIDE, 1.0)
    with pytest.raises(ValueError, match=r"only \d+ of 48 painted cells \(\d+%, not 95%\)"):
        spoiled(plain, whole(6)).layout(WIDE, 1.0)


def marked(plain: TinyModel, *, template: str | None = None, named: bool = False) -> GenericAdapter:
    """An adapter whose tokenizer knows a token that begins an image and one that ends it."""
    own = plain.tokenizer
    if named:
        marks = {"image_token": "[IMG]", "boi_token": "<a>", "eoi_token": "<b>"}
        tokenizer = spaced_tokenizer(marks, template=own.chat_template)
    else:
        tokenizer = copy.deepcopy(own)
        tokenizer.add_special_tokens({"extra_special_tokens": ["<img_start>", "<img_end>"]})
    tokenizer.chat_template = template or tokenizer.chat_template
    return GenericAdapter(plain.model, image_processor=plain.image_processor, tokenizer=tokenizer)


@pytest.mark.parametrize("named", [True, False])
def test_tokens_around_a_picture_that_the_template_does_not_write_are_refused(
    plain: TinyModel, named: bool
) -> None:
    names = r"boi_token <a>, eoi_token <b>" if named else r"<img_start>, <img_end>"
    with pytest.raises(ValueError, match=f"it knows {names} as tokens around or within"):
        marked(plain, named=named).render(PROMPT, pictures=[WIDE])


def test_tokens_named_in_the_configuration_are_refused(plain: TinyModel) -> None:
    model = copy.deepcopy(plain.model)
    model.config.visual_indicator_token_ids = [12, 13]
    adapter = generic(dataclasses.replace(plain, model=model))
    with pytest.raises(ValueError, match="it knows visual_indicator_token_ids"):
        adapter.render(PROMPT, pictures=[WIDE])


def test_tokens_around_a_picture_that_the_template_writes_are_right(plain: TinyModel) -> None:
    written = plain.tokenizer.chat_template.replace("[IMG]", "<img_start>[IMG]<img_end>")
    adapter = marked(plain, template=written)
    (at,) = (rendered := adapter.render(PROMPT, pictures=[WIDE])).placeholders
    around = adapter.tokenizer.convert_ids_to_tokens([rendered.ids[at - 1], rendered.ids[at + 1]])
    assert around == ["<img_start>", "<img_end>"]
    adapter.render(PROMPT, pictures=[])  # nothing is known to be missing where there is no picture


def test_features_that_are_tensors_are_counted_too(plain: TinyModel) -> None:
    adapter = spoiled(plain, lambda tokens: tokens)
    original = adapter.model.get_image_features
    adapter.model.get_image_features = lambda *a, **o: original(*a, **o).pooler_output[0][None]
    assert adapter.layout(WIDE, 1.0).count == 64


def test_larger_scales_without_interpolation_are_refused(plain: TinyModel) -> None:
    adapter = generic(plain)
    original = adapter._features

    def features(pixels, **options):
        if options:
            raise TypeError("unexpected keyword argument 'interpolate_pos_encoding'")
        return original(pixels)

    adapter._features = features
    assert adapter.layout(WIDE, 1.0).count == 64
    with pytest.raises(ValueError, match=r"scale 1\.5: .* 56x56 pixels .*unexpected keyword"):
        adapter.layout(WIDE, 1.5)


def test_scales_that_leave_nothing_are_refused(adapter: GenericAdapter) -> None:
    with pytest.raises(ValueError, match=r"scale 0\.05: 8x8 visual tokens.*0\.125"):
        adapter.layout(WIDE, 0.05)


def test_a_model_without_an_image_token_is_refused(plain: TinyModel) -> None:
    adapter = generic(plain)
    adapter.model = SimpleNamespace(config=SimpleNamespace())
    with pytest.raises(ValueError, match="image_token_id or image_token_index"):
        _ = adapter.placeholder_id


def test_known_families_keep_their_adapters() -> None:
    parts = make_pixtral()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not isinstance(adapter_for(parts.model, **parts.parts), GenericAdapter)


def test_got_ocr_2_is_refused_with_the_figure_since_its_convolutions_show_neighbours() -> None:
    from tests.support.families.sharing import make_got_ocr2

    tiny = make_got_ocr2()
    told = r"only \d+ of 16 painted cells \(\d\d%, not 95%\) changed .*GotOcr2.* method='occlusion'"
    with pytest.raises(ValueError, match=told):
        Explainer(tiny.model, **tiny.parts).explain(noise(96, 96), PROMPT, answer="a star")


def test_a_class_without_places_that_could_be_measured_is_explained_by_hiding_parts() -> None:
    from tests.support.families.sharing import make_got_ocr2

    tiny = make_got_ocr2()
    pixels = np.full((96, 96, 3), 60, np.uint8)
    pixels[:24, :24] = noise(24, 24)
    explainer = Explainer(tiny.model, **tiny.parts, method="occlusion", max_new_tokens=3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = explainer.explain(Image.fromarray(pixels), PROMPT)
    assert any("Counted: 16 visual tokens" in str(one.message) for one in told)
    given = explainer.explain(Image.fromarray(pixels), PROMPT, answer=found.answer)
    np.testing.assert_allclose(given.base.probability, found.base.probability, rtol=1e-3)
    near = given.heatmap.max(axis=0)
    assert near.shape == (12, 12)
    # The blur reaches three of its radii.
    assert near[8:, 8:].max() < 1e-4 < near[:8, :8].max()
    two = explainer.explain([noise(64, 96), noise(96, 64, 1)], PROMPT, answer="a star")
    assert len(two.heatmaps) == 2
