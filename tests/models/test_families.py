"""Every family: states, mapping, lens; the criteria of done for an adapter."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import numpy as np
import pytest
import torch

from mmx_core import Explainer
from mmx_core.models import adapter_for, families
from tests.models.criteria import PROMPT, build, causal_mapping, encode, naive_plane, noise
from tests.models.test_placeless import MAKERS as PLACELESS
from tests.support.tiny_models import FAMILIES as QWEN
from tests.support.tiny_models import TinyModel, make_tiny

MAKERS: dict[str, tuple[str, str]] = {
    "llava": ("llava", "make_llava"),
    "llava_next": ("llava", "make_llava_next"),
    "llava_onevision": ("llava", "make_llava_onevision"),
    "internvl": ("tiled", "make_internvl"),
    "idefics3": ("tiled", "make_idefics3"),
    "smolvlm": ("tiled", "make_smolvlm"),
    "gemma3": ("google_mistral", "make_gemma3"),
    "paligemma": ("google_mistral", "make_paligemma"),
    "mistral3": ("google_mistral", "make_mistral3"),
    "llava/pixtral": ("google_mistral", "make_pixtral"),
    "gemma4": ("gemma", "make_gemma4"),
    "qwen3_vl_moe": ("native", "make_qwen3_vl_moe"),
    "qwen3_5": ("native", "make_qwen3_5"),
    "qwen3_5_moe": ("native", "make_qwen3_5_moe"),
    "qwen4_exp": ("native", "make_qwen4_exp"),
    "glm4v": ("native", "make_glm4v"),
    "glm4v_moe": ("native", "make_glm4v_moe"),
    "glm46v": ("native", "make_glm46v"),
    "glm_ocr": ("native", "make_glm_ocr"),
    "kimi_k25": ("kimi", "make_kimi_k25"),
    "llama4": ("llama4", "make_llama4"),
    "aya_vision": ("cohere", "make_aya_vision"),
    "cohere2_vision": ("cohere", "make_cohere2_vision"),
    "deepseek_vl": ("deepseek", "make_deepseek_vl"),
    "janus": ("deepseek", "make_janus"),
    "molmo2": ("molmo", "make_molmo2"),
    "ovis2": ("ovis", "make_ovis2"),
    "minicpmv4_6": ("minicpm", "make_minicpm_v"),
    "llava_next_video": ("llava", "make_llava_next_video"),
    "qwen2_5_omni_thinker": ("qwen_like", "make_qwen2_5_omni"),
    "qwen3_omni_moe_thinker": ("qwen_like", "make_qwen3_omni"),
    "ernie4_5_vl_moe": ("qwen_like", "make_ernie_vl"),
    "paddleocr_vl": ("qwen_like", "make_paddleocr_vl"),
    "video_llama_3": ("qwen_like", "make_video_llama_3"),
    "lfm2_vl": ("lfm2", "make_lfm2_vl"),
}
SHARING: dict[str, tuple[str, str]] = {
    "cohere_compass": ("sharing", "make_cohere_compass"),
    "cosmos3_edge": ("sharing", "make_cosmos3_edge"),
    "cosmos3_omni": ("sharing", "make_cosmos3_omni"),
    "deepseek_vl_hybrid": ("sharing", "make_deepseek_vl_hybrid"),
    "exaone4_5": ("sharing", "make_exaone4_5"),
    "fast_vlm": ("sharing", "make_fast_vlm"),
    "gemma4_unified": ("sharing", "make_gemma4_unified"),
    "gemma3n": ("more", "make_gemma3n"),
    "glmga": ("sharing", "make_glmga"),
    "granite_docling": ("more", "make_granite_docling"),
    "granite_docling/fine": ("more", "make_granite_docling_fine"),
    "hunyuan_vl": ("more", "make_hunyuan_vl"),
    "hyperclovax_vision_v2": ("sharing", "make_hyperclovax"),
    "lfm3_vl": ("sharing", "make_lfm3_vl"),
    "lighton_ocr": ("sharing", "make_lighton_ocr"),
    "minicpmv4_7": ("sharing", "make_minicpm_v4_7"),
    "mistral_large4": ("google_mistral", "make_mistral_large4"),
    "perception_lm": ("perception", "make_perception_lm"),
    "qianfan_ocr": ("sharing", "make_qianfan_ocr"),
    "video_llava": ("llava", "make_video_llava"),
    "vipllava": ("llava", "make_vipllava"),
}
"""Families with another's layout, whose tests are test_sharing's."""
ALL = (*QWEN, *MAKERS)
SIZES = {"square": (96, 96), "wide": (64, 160), "tall": (150, 70)}
SCALES = (0.5, 1.0, 1.5, 2.0)
ANSWER = "a red circle is left of a blue square"


@cache
def tiny_of(family: str) -> TinyModel:
    if family in QWEN:
        return make_tiny(family)
    module, name = {**MAKERS, **SHARING}[family]
    maker: Callable[[], TinyModel] = getattr(
        import_module(f"tests.support.families.{module}"), name
    )
    return maker()


@pytest.fixture(params=ALL)
def tiny(request: pytest.FixtureRequest) -> TinyModel:
    return tiny_of(request.param)


def test_every_registered_family_is_tested() -> None:
    assert set(families()) <= {*ALL, *SHARING, *PLACELESS}


# Of Llama 4 AutoModel loads the whole.
@pytest.mark.parametrize("family", [*(f for f in ALL if f != "llama4"), "video_llava"])
def test_what_auto_model_loads_of_a_family_is_refused_for_want_of_a_head(family: str) -> None:
    tiny = tiny_of(family)
    with pytest.raises(ValueError, match=r"got \w+Model, which has no language head; load the"):
        adapter_for(tiny.model.model, **tiny.parts)


def test_teacher_forced_states_equal_those_of_generation(tiny: TinyModel) -> None:
    adapter = build(tiny)
    image = noise(*SIZES["wide"])
    prompt = encode(adapter, [image])
    with torch.no_grad():
        said = tiny.model.generate(
            **prompt.inputs,
            max_new_tokens=6,
            min_new_tokens=6,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        answer = said.sequences[0, prompt.prompt_length :].tolist()
        forced = encode(adapter, [image], answer)
        hidden = adapter.hidden_states(forced)[forced.predicting_positions]
        logits = adapter.logits(hidden)
    generated = torch.stack(said.logits)[:, 0]
    assert len(answer) == 6
    spread = generated.float().std()
    assert float((logits - generated).abs().max() / spread) < 1e-3
    assert torch.equal(logits.argmax(1), generated.argmax(1))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("factor", SCALES)
def test_a_changed_block_moves_a_token_that_covers_it(
    tiny: TinyModel, shape: str, factor: float
) -> None:
    found = causal_mapping(build(tiny), SIZES[shape], factor)
    assert found.tried and found.right >= 0.95 * found.tried, found.wrong


@pytest.mark.parametrize("shape", SIZES)
def test_maps_equal_the_naive_computation(tiny: TinyModel, shape: str) -> None:
    """The model's own logits at visual positions, painted rectangle by rectangle."""
    adapter = build(tiny)
    image = noise(*SIZES[shape])
    explainer = Explainer(tiny.model, **tiny.parts, scales=SCALES, suppression="none")
    explanation = explainer.explain(image, PROMPT, answer=ANSWER)
    ids = [token.id for token in explanation.tokens]
    for scale in explanation.scales:
        encoded = encode(adapter, [image], ids, factor=scale.factor)
        with torch.no_grad():
            own = getattr(tiny.model, "model", None)
            if scale.factor == 1.0 and own is None:
                logits = tiny.model(**encoded.inputs).logits[0]
            else:
                states = (
                    own(**encoded.inputs, use_cache=False).last_hidden_state[0]
                    if scale.factor == 1.0
                    else adapter.forward(encoded.inputs)[0]
                )
                logits = tiny.model.get_output_embeddings()(states).float()
        (span,) = encoded.visual
        values = logits[span.positions][:, ids].relu().T.numpy()
        expected = naive_plane(span.rectangles.numpy(), values, scale.grid)
        np.testing.assert_allclose(scale.map, expected, atol=2e-4, rtol=1e-3)
        said = logits[encoded.predicting_positions].softmax(1)[range(len(ids)), ids]
        if tiny.model.config.get_text_config().to_dict().get("final_logit_softcapping") is None:
            np.testing.assert_allclose(scale.probability, said, atol=1e-5, rtol=1e-3)


def test_visual_tokens_are_found_again_in_the_sequence(tiny: TinyModel) -> None:
    """Each is a placeholder in the sequence, no two views share one, none is text."""
    adapter = build(tiny)
    images = [noise(*size) for size in SIZES.values()]
    for factor in SCALES:
        encoded = encode(adapter, images, [9], factor=factor)
        assert [span.picture for span in encoded.visual] == [0, 1, 2]
        positions = torch.cat([span.positions for span in encoded.visual])
        assert len(set(positions.tolist())) == len(positions)
        assert not set(positions.tolist()) & set(encoded.text_positions.tolist())
        ids = encoded.inputs["input_ids"][0][positions]
        assert len(set(ids.tolist())) == 1


def test_an_image_has_the_same_map_beside_another_one_changed_later(tiny: TinyModel) -> None:
    """Of two images each keeps its own maps: exchanging them exchanges what they light."""
    adapter = build(tiny)
    first, second = noise(*SIZES["square"], 1), noise(*SIZES["square"], 2)
    changed = noise(*SIZES["square"], 3)

    def features(images):
        encoded = encode(adapter, images)
        embedded = adapter, encoded
        from tests.models.criteria import input_embeddings

        states = input_embeddings(*embedded)
        return [states[span.positions] for span in encoded.visual]

    before, after = features([first, second]), features([first, changed])
    assert torch.allclose(before[0], after[0], atol=1e-5)
    assert not torch.allclose(before[1], after[1], atol=1e-2)


def test_padding_of_a_batch_never_leaks_into_a_map(tiny: TinyModel) -> None:
    """Batch and single results agree within rounding."""
    from mmx_core import Sample

    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0, 1.5))
    samples = [
        Sample(str(index), noise(*size, index), PROMPT, answer)
        for index, (size, answer) in enumerate(
            zip(SIZES.values(), (ANSWER, "a star", "a green dog is on the right"), strict=True)
        )
    ]
    together = list(explainer.explain_batch(samples, max_tokens_per_batch=100_000))
    for sample, batched in zip(samples, together, strict=True):
        single = explainer.explain(sample.images, PROMPT, answer=sample.answer)
        assert batched.id == sample.id
        scale = np.nanmax(single.heatmap)
        np.testing.assert_allclose(batched.heatmap, single.heatmap, atol=1e-3 * scale)
        np.testing.assert_allclose(batched.base.probability, single.base.probability, atol=1e-4)
        np.testing.assert_allclose(batched.grounding, single.grounding, atol=1e-4)
