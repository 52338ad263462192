"""What is saved is loaded again as a checkpoint on the hub is, with nothing but its directory."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from mmx_core import Explainer
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import ALL, ANSWER, tiny_of
from tests.models.test_placeless import tiny_of as placeless_of
from tests.models.test_torchvision import PROCESSORS as TORCHVISION
from tests.models.test_torchvision import real_processor
from tests.support.tiny_models import TinyModel

OWN_TOKENIZER = ("qwen3_5", "qwen3_5_moe", "qwen4_exp")
"""Theirs is loaded as a class of their own, which splits text otherwise than a small one does."""
TIMM = ("perception_lm",)
"""Whose towers are timm's: a checkpoint of theirs is not loaded without it."""
BY_TORCHVISION = [name for name in TORCHVISION if name not in TIMM]
NULLS = dict.fromkeys(("crop_size", "do_center_crop", "do_pad", "device"))

pillows = pytest.mark.skipif(
    find_spec("torchvision") is not None,
    reason="transformers loads torchvision's image processors, whose pixels are not Pillow's",
)


def saved(tiny: TinyModel, folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    """The checkpoint of a model, and beside it configuration files as they are released."""
    tiny.model.save_pretrained(folder)
    tiny.tokenizer.save_pretrained(folder)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def assert_explains_alike(tiny: TinyModel, folder: Path) -> None:
    loaded = Explainer.from_pretrained(folder, device="cpu", scales=(1.0, 2.0))
    given = Explainer(tiny.model, **tiny.parts, scales=(1.0, 2.0))
    images = [noise(96, 140), noise(70, 80, seed=1)]
    found = loaded.explain(images, PROMPT, answer=ANSWER)
    expected = given.explain(images, PROMPT, answer=ANSWER)
    assert [token.id for token in found.tokens] == [token.id for token in expected.tokens]
    for one, other in zip(found.heatmaps, expected.heatmaps, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.nanmax(other))


@pillows
@pytest.mark.parametrize("family", [name for name in ALL if name not in TORCHVISION])
def test_every_family_is_loaded_from_its_checkpoint(family: str, tmp_path: Path) -> None:
    """Whose image processor goes by the name of torchvision's, as a released one does."""
    tiny = tiny_of(family)
    own: dict[str, Any] = json.loads(tiny.image_processor.to_json_string())
    own["image_processor_type"] = own["image_processor_type"].removesuffix("Pil")
    folder = saved(tiny, tmp_path, {"preprocessor_config.json": own})
    if family in OWN_TOKENIZER:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tiny = TinyModel(tiny.model, tiny.image_processor, tokenizer)
    assert_explains_alike(tiny, folder)


@pytest.mark.parametrize("family", BY_TORCHVISION)
def test_an_image_processor_of_torchvisions_is_read_from_its_own_file(
    family: str, tmp_path: Path
) -> None:
    tiny = tiny_of(family)
    own = {**NULLS, **vars(tiny.image_processor), "image_processor_type": "NoSuchProcessorFast"}
    # The processor's own file stands beside it and says nothing of images.
    files = {"preprocessor_config.json": own, "processor_config.json": {"image_token": "<image>"}}
    assert_explains_alike(tiny, saved(tiny, tmp_path, files))


@pytest.mark.parametrize("family", BY_TORCHVISION)
def test_an_image_processor_of_torchvisions_is_read_from_the_processors_file(
    family: str, tmp_path: Path
) -> None:
    tiny = tiny_of(family)
    own = {**NULLS, **vars(tiny.image_processor)}
    files = {"processor_config.json": {"image_processor": own, "image_token": "<image>"}}
    assert_explains_alike(tiny, saved(tiny, tmp_path, files))


@pytest.mark.parametrize("family", BY_TORCHVISION)
def test_what_the_familys_own_image_processor_saves_is_read(family: str, tmp_path: Path) -> None:
    tiny = tiny_of(family)
    folder = saved(tiny, tmp_path, {})
    real_processor(family).save_pretrained(folder)
    assert_explains_alike(tiny, folder)


def test_kimis_released_file_names_its_settings_otherwise(tmp_path: Path) -> None:
    released = {
        "auto_map": {"AutoImageProcessor": "kimi_k25_vision_processing.KimiK25VisionProcessor"},
        "media_proc_cfg": {
            "in_patch_limit": 400,
            "patch_size": 8,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "merge_kernel_size": 2,
            "fixed_output_tokens": None,
            "patch_limit_on_one_side": 32,
            "in_patch_limit_each_frame": 100,
            "in_patch_limit_video": None,
        },
    }
    tiny = tiny_of("kimi_k25")
    folder = saved(tiny, tmp_path, {"preprocessor_config.json": released})
    assert_explains_alike(tiny, folder)


@pillows
@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json"])
def test_a_template_in_the_processors_own_file_is_read(name: str, tmp_path: Path) -> None:
    tiny = tiny_of("llava")
    folder = saved(tiny, tmp_path, {})
    tiny.image_processor.save_pretrained(folder)
    template = tiny.tokenizer.chat_template
    (folder / "chat_template.jinja").unlink()
    whole = json.dumps({"chat_template": template})
    (folder / name).write_text(template if name.endswith("jinja") else whole, encoding="utf-8")
    assert_explains_alike(tiny, folder)


@pillows
def test_of_a_whole_qwen_omni_the_thinker_is_loaded(tmp_path: Path) -> None:
    """Though what speaks has layers of the same names and shapes."""
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    tiny = tiny_of("qwen2_5_omni_thinker")
    text = tiny.model.config.text_config.to_dict()
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    speaks = {name: text[name] for name in (*sizes, "num_key_value_heads", "head_dim")}
    few = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "head_dim": 8}
    channels = {"enc_channels": [8, 8, 8, 8, 24], "enc_dim": 8, "enc_emb_dim": 8, "emb_dim": 8}
    config = Qwen2_5OmniConfig(
        thinker_config=tiny.model.config.to_dict(),
        talker_config={**speaks, "embedding_size": 64, "vocab_size": 8448},
        token2wav_config={
            "dit_config": {**few, **channels, "enc_res2net_scale": 2},
            "bigvgan_config": {"upsample_initial_channel": 64},
        },
    )
    whole = Qwen2_5OmniForConditionalGeneration(config).eval()
    whole.thinker.load_state_dict(tiny.model.state_dict())
    whole.generation_config = tiny.model.generation_config
    folder = saved(TinyModel(whole, tiny.image_processor, tiny.tokenizer), tmp_path, {})
    tiny.image_processor.save_pretrained(folder)
    names = set(load_file(folder / "model.safetensors"))
    same = "model.layers.0.mlp.down_proj.weight"
    assert {f"thinker.{same}", f"talker.{same}"} <= names, sorted(names)
    loaded = Explainer.from_pretrained(folder, device="cpu")
    assert type(loaded.adapter.model) is type(tiny.model)
    assert_explains_alike(tiny, folder)
    assert_explains_alike(TinyModel(whole, tiny.image_processor, tiny.tokenizer), folder)


def test_weights_that_are_not_there_are_not_made_up(tmp_path: Path) -> None:
    from transformers import Qwen2_5OmniConfig

    tiny = tiny_of("qwen2_5_omni_thinker")
    folder = saved(tiny, tmp_path, {})
    config = Qwen2_5OmniConfig(thinker_config=tiny.model.config.to_dict())
    config.save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if "lm_head" in name))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"no weights of the thinker .*\(1 missing\)"):
        Explainer.from_pretrained(folder, device="cpu")


@pillows
def test_instructblip_is_loaded_with_the_tokenizer_of_its_q_former(tmp_path: Path) -> None:
    tiny = placeless_of("instructblip")
    own: dict[str, Any] = json.loads(tiny.image_processor.to_json_string())
    own["image_processor_type"] = own["image_processor_type"].removesuffix("Pil")
    folder = saved(tiny, tmp_path, {"preprocessor_config.json": own})
    tiny.tokenizer.qformer_tokenizer.save_pretrained(folder / "qformer_tokenizer")
    loaded = Explainer.from_pretrained(folder, device="cpu", method="occlusion")
    given = Explainer(tiny.model, **tiny.parts, method="occlusion")
    found, expected = (
        each.explain(noise(8, 96), PROMPT, answer=ANSWER).heatmap for each in (loaded, given)
    )
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.nanmax(expected))
