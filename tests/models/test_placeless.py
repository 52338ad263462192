"""Families whose visual tokens stand for no place: no lens, and what occlusion shows instead."""

from __future__ import annotations

import copy
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core import Explainer, Sample
from mmx_core.models.blip import BlipAdapter
from mmx_core.models.blip_2 import Blip2Adapter
from tests.models.criteria import PROMPT, build, encode, noise
from tests.support.tiny_models import TinyModel

MAKERS = {
    "mllama": ("placeless", "make_mllama"),
    "idefics2": ("placeless", "make_idefics2"),
    "blip-2": ("placeless", "make_blip_2"),
    "instructblip": ("queries", "make_instructblip"),
    "blip": ("queries", "make_blip"),
    "idefics": ("queries", "make_idefics"),
    "kosmos-2": ("queries", "make_kosmos_2"),
    "kosmos-2.5": ("queries", "make_kosmos_2_5"),
    "aria": ("queries", "make_aria"),
    "deepseek_ocr2": ("queries", "make_deepseek_ocr2"),
}
ONE_PICTURE = ("blip",)
SIZES = {"square": (96, 96), "wide": (32, 192), "tall": (150, 50)}
ANSWER = "a red circle is left of a blue square"


@cache
def tiny_of(family: str) -> TinyModel:
    place, name = MAKERS[family]
    tiny: TinyModel = getattr(import_module(f"tests.support.families.{place}"), name)()
    return tiny


@pytest.fixture(params=MAKERS)
def tiny(request: pytest.FixtureRequest) -> TinyModel:
    return tiny_of(request.param)


def family_of(tiny: TinyModel) -> str:
    return str(tiny.model.config.model_type)


def test_teacher_forced_states_equal_those_of_generation(tiny: TinyModel) -> None:
    adapter = build(tiny)
    images = [noise(*SIZES["wide"]), noise(*SIZES["tall"], 1)]
    images = images[:1] if family_of(tiny) in ONE_PICTURE else images
    prompt = encode(adapter, images)
    with torch.no_grad():
        said: Any = adapter.generate(
            **prompt.inputs,
            max_new_tokens=6,
            min_new_tokens=6,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        answer = said.sequences[0, -6:].tolist()
        forced = encode(adapter, images, answer)
        hidden = adapter.hidden_states(forced)[forced.predicting_positions]
        logits = adapter.logits(hidden)
    generated = torch.stack(said.logits)[:, 0]
    assert float((logits - generated).abs().max() / generated.float().std()) < 1e-3


def test_a_lens_is_refused_with_the_reason_and_the_way_out(tiny: TinyModel) -> None:
    reason = build(tiny).placeless
    assert reason
    with pytest.raises(ValueError, match=rf"model: {reason}, so .* method='occlusion'"):
        Explainer(tiny.model, **tiny.parts)


@pytest.mark.parametrize(
    ("family", "shape"),
    # What is hidden where is the same in all.
    [*((family, "wide") for family in MAKERS), ("blip-2", "square"), ("blip-2", "tall")],
)
def test_heat_lies_where_hiding_alters_the_picture(family: str, shape: str) -> None:
    """A picture of one colour but for a block is the same when anything far of it is blurred."""
    tiny = tiny_of(family)
    height, width = SIZES[shape]
    pixels = np.full((height, width, 3), 60, np.uint8)
    pixels[: height // 4, : width // 4] = noise(height // 4, width // 4)
    explainer = Explainer(tiny.model, **tiny.parts, method="occlusion")
    explanation = explainer.explain(Image.fromarray(pixels), PROMPT, answer=ANSWER)
    rows, columns = explanation.heatmap.shape[1:]
    assert max(rows, columns) == 12
    # The blur reaches three of its radii.
    reach = 0.25 + 3 / 8
    far = np.zeros((rows, columns), bool)
    far[int(np.ceil(reach * rows)) :] = far[:, int(np.ceil(reach * columns)) :] = True
    near = explanation.heatmap.max(axis=0)
    assert near[far].max(initial=0) < 1e-4 < near[~far].max()


def test_batches_and_several_images_are_each_samples_own(tiny: TinyModel) -> None:
    explainer = Explainer(tiny.model, **tiny.parts, method="occlusion")
    two = [noise(8, 96), noise(96, 8, 1)]
    two = two[:1] if family_of(tiny) in ONE_PICTURE else two
    samples = [
        Sample("one", noise(8, 96), PROMPT, ANSWER),
        Sample("two", two, PROMPT, "a star"),
        Sample("three", noise(8, 96, 2), PROMPT, "a dog"),
    ]
    together = list(explainer.explain_batch(samples, max_tokens_per_batch=100_000))
    for sample, batched in zip(samples, together, strict=True):
        alone = explainer.explain(sample.images, PROMPT, answer=sample.answer)
        assert len(alone.heatmaps) == len(batched.heatmaps)
        for found, expected in zip(batched.heatmaps, alone.heatmaps, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4)
        np.testing.assert_allclose(batched.base.probability, alone.base.probability, atol=1e-5)
    assert all(heat.max() > 0 for heat in together[1].heatmaps)


def test_a_batch_is_its_samples(tiny: TinyModel) -> None:
    adapter = build(tiny)
    batch = [encode(adapter, [noise(64, 64)], [9] * 3), encode(adapter, [noise(64, 64, 1)], [9])]
    assert adapter.can_collate(batch)
    with torch.no_grad():
        together = adapter.forward(adapter.collate(batch))
        for row, sample in zip(together, batch, strict=True):
            alone = adapter.hidden_states(sample)
            torch.testing.assert_close(row[: sample.length], alone, rtol=1e-4, atol=1e-4)


def test_the_model_itself_answers(tiny: TinyModel) -> None:
    explainer = Explainer(tiny.model, **tiny.parts, method="occlusion", max_new_tokens=3)
    explanation = explainer.explain(noise(16, 96), PROMPT)
    assert len(explanation.tokens) == 3 and explanation.provenance["teacher_forced"] is False
    assert (explanation.base.rank == 0).all()


def test_instructblips_q_former_reads_the_prompt_with_the_tokenizer_of_its_processor() -> None:
    tiny = tiny_of("instructblip")
    tokenizer = copy.copy(tiny.tokenizer)
    tokenizer.qformer_tokenizer = None
    parts = {"image_processor": tiny.image_processor, "tokenizer": tokenizer}
    processor = SimpleNamespace(**parts, qformer_tokenizer=tiny.tokenizer.qformer_tokenizer)
    adapter = Explainer(tiny.model, processor, method="occlusion").adapter
    encoded = encode(adapter, [noise(32, 32), noise(32, 32, 1)], [9])
    read = tiny.tokenizer.qformer_tokenizer(PROMPT)["input_ids"]
    assert encoded.inputs["qformer_input_ids"].tolist() == [read, read], "and not the answer"
    without = Explainer(tiny.model, **parts, method="occlusion")
    with pytest.raises(ValueError, match=r"its Q-Former's tokenizer; give Explainer the processor"):
        without.explain(noise(32, 32), PROMPT, answer="a star")


def test_what_a_family_writes_is_what_its_processor_does() -> None:
    """Ids at scale 1, of families whose processors can be built without torchvision."""
    import transformers

    image = noise(32, 48)
    for family, name in (("kosmos-2", "Kosmos2Processor"), ("kosmos-2.5", "Kosmos2_5Processor")):
        tiny = tiny_of(family)
        more = {"num_image_tokens": 6} if family == "kosmos-2.5" else {}
        tokenizer = copy.deepcopy(tiny.tokenizer)
        for mark, token in (("boi", "<image>"), ("eoi", "</image>"), ("image", "<s>")):
            setattr(tokenizer, f"{mark}_token", token)
        own = getattr(transformers, name)(tiny.image_processor, tokenizer, **more)
        said = {"num_image_tokens": 6} if family == "kosmos-2" else {}
        made = own(images=image, text=PROMPT, return_tensors="pt", **said)
        found = encode(build(tiny), [image]).inputs
        assert found["input_ids"].tolist() == made["input_ids"].tolist(), family
        mask = made["image_embeds_position_mask"] == 1
        assert torch.equal(found["image_embeds_position_mask"].bool(), mask), family


def test_a_caption_begins_where_blip_begins_it_and_looks_at_one_picture() -> None:
    tiny = tiny_of("blip")
    adapter = build(tiny)
    image = noise(32, 48)
    encoded = encode(adapter, [image])
    ids = encoded.inputs["input_ids"][0].tolist()
    words = tiny.tokenizer(PROMPT, add_special_tokens=False)["input_ids"]
    assert ids == [tiny.model.config.text_config.bos_token_id, *words]
    # The model's own takes the last token for the end of a sentence, and drops it.
    whole = torch.tensor([[tiny.tokenizer.cls_token_id, *words, tiny.tokenizer.sep_token_id]])
    said = tiny.model.generate(encoded.inputs["pixel_values"], whole, max_new_tokens=4)
    assert torch.equal(said, adapter.generate(**encoded.inputs, max_new_tokens=4))
    with pytest.raises(ValueError, match="images: expected one, BLIP takes no more; got 2"):
        encode(adapter, [image, image])
    asking = SimpleNamespace(text_encoder=None, text_decoder=None, config=tiny.model.config)
    with pytest.raises(ValueError, match="expected BlipForConditionalGeneration, got"):
        BlipAdapter(asking, **tiny.parts)


def test_blip_2_with_an_encoder_decoder_is_refused() -> None:
    text = SimpleNamespace(is_encoder_decoder=True, model_type="t5")
    config = SimpleNamespace(model_type="blip-2", text_config=text)
    with pytest.raises(ValueError, match=r"with a decoder, got an .* \(t5\), whose answer"):
        Blip2Adapter(SimpleNamespace(config=config), **tiny_of("blip-2").parts)
