"""Small models of families that share another's layout."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from mmx_core.models.gemma4 import Gemma4UnifiedAdapter
from tests.support.families.deepseek import deepseek_model
from tests.support.families.gemma import MARKERS as GEMMA4_MARKERS
from tests.support.families.gemma import TEMPLATE as GEMMA4_TEMPLATE
from tests.support.families.llava import TEMPLATE
from tests.support.families.minicpm import make_minicpm_v
from tests.support.families.native import (
    PATCH,
    ROPE,
    VISION,
    make_glm,
    qwen_processor,
    seeded_model,
)
from tests.support.families.parts import siglip_config, spaced_tokenizer, text_config
from tests.support.families.tiled import make_internvl
from tests.support.tiny_models import TinyModel, make_tokenizer

_WINDOWS = {"fullatt_block_indexes": [1], "window_size": 64}
_DEEP = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}


def _qwen_like(name: str, text: dict[str, Any], vision: dict[str, Any], **more: Any) -> TinyModel:
    tokenizer = make_tokenizer()
    config = getattr(transformers, f"{name}Config")(
        text_config={**text_config(tokenizer), **text},
        vision_config=vision,
        tie_word_embeddings=False,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        **more,
    )
    for side in ("start", "end"):
        marker = tokenizer.convert_tokens_to_ids(f"<|vision_{side}|>")
        setattr(config, f"vision_{side}_token_id", marker)
    model = seeded_model(f"{name}ForConditionalGeneration", config, tokenizer, 0)
    return TinyModel(model, qwen_processor(), tokenizer)


def make_exaone4_5() -> TinyModel:
    """EXAONE 4.5: cells of 16 pixels, text positions in one dimension."""
    text = {"model_type": "exaone4", "sliding_window": 64}
    text["layer_types"] = ["sliding_attention", "full_attention"]
    return _qwen_like("Exaone4_5_", text, {**VISION, **_WINDOWS, "num_key_value_heads": 1})


def make_hyperclovax() -> TinyModel:
    """HyperCLOVA X SEED Think: as above, logits scaled."""
    vision = {**VISION, **_WINDOWS, "model_type": "qwen2_5_vl_vision"}
    text = {"model_type": "hyperclovax", "logits_scaling": 0.5}
    return _qwen_like("HyperCLOVAXVisionV2", text, vision)


def make_cohere_compass() -> TinyModel:
    """North Micro Vision: Qwen3-VL's tower before Cohere's text model, logits scaled."""
    layers = ["sliding_attention", "full_attention"]
    text = {"sliding_window": 64, "layer_types": layers, "logit_scale": 0.5}
    text["rope_parameters"] = dict.fromkeys(layers, ROPE)
    return _qwen_like("CohereCompass", text, {**VISION, **_DEEP})


def make_cosmos3_omni() -> TinyModel:
    """The reasoner of Cosmos 3: Qwen3-VL under another name."""
    return _qwen_like("Cosmos3Omni", {"rope_parameters": ROPE}, {**VISION, **_DEEP})


def make_lfm3_vl() -> TinyModel:
    """LFM3-VL: cells of 16 pixels, text positions in one dimension."""
    vision = {"hidden_size": 32, "intermediate_size": 64, "patch_size": PATCH}
    vision |= {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    text = {"model_type": "lfm3", "layer_types": ["conv", "full_attention"]}
    return _qwen_like("Lfm3Vl", text, vision, projector_hidden_size=64)


def make_cosmos3_edge() -> TinyModel:
    """Cosmos 3 Edge: cells of 16 pixels, GLM's resizing, one frame of a video at a time."""
    from transformers.models.cosmos3_edge.image_processing_pil_cosmos3_edge import (
        Cosmos3EdgeImageProcessorPil,
    )

    vision = {"hidden_size": 32, "intermediate_size": 64, "patch_size": PATCH}
    vision |= {"num_hidden_layers": 2, "num_attention_heads": 2, "num_patches": 64}
    tiny = _qwen_like("Cosmos3Edge", {"rope_parameters": ROPE}, vision, projector_hidden_size=64)
    processor = Cosmos3EdgeImageProcessorPil(
        patch_size=PATCH, size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512}
    )
    return TinyModel(tiny.model, processor, tiny.tokenizer)


def make_glmga() -> TinyModel:
    """The GLM-V that shares GLM-4.6V's model, with an image processor of its own."""
    from transformers.models.glmga.image_processing_pil_glmga import GlmgaImageProcessorPil

    tiny = make_glm("glm46v")
    tiny.model.config.model_type = "glmga"
    own = tiny.image_processor
    processor = GlmgaImageProcessorPil(patch_size=PATCH, merge_size=2, size=dict(own.size))
    return TinyModel(tiny.model, processor, tiny.tokenizer)


def make_minicpm_v4_7() -> TinyModel:
    """MiniCPM-V 4.7: as 4.6, with positions on one canvas."""
    return make_minicpm_v(name="MiniCPMV4_7")


def make_lighton_ocr() -> TinyModel:
    """LightOnOCR: Pixtral's tower of patches of 7 pixels, merged 2 by 2; rows without ends."""
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=TEMPLATE)
    config = transformers.LightOnOcrConfig(
        text_config={**text_config(tokenizer), "model_type": "qwen3"},
        vision_config={
            "model_type": "pixtral",
            "image_size": 112,
            "patch_size": 7,
            "hidden_size": 32,
            "head_dim": 16,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    model = seeded_model("LightOnOcrForConditionalGeneration", config, tokenizer, 0)
    processor = PixtralImageProcessorPil(size={"longest_edge": 112}, patch_size=7)
    return TinyModel(model, processor, tokenizer)


def make_deepseek_vl_hybrid() -> TinyModel:
    """DeepSeek-VL 7B: SigLIP of 56 pixels and 8 x 8 patches, SAM's of 128 beside it."""
    from transformers.models.deepseek_vl_hybrid.image_processing_pil_deepseek_vl_hybrid import (
        DeepseekVLHybridImageProcessorPil,
    )

    high = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 8}
    high |= {"image_size": 128, "output_channels": 16, "mlp_dim": 64, "window_size": 4}
    model, tokenizer = deepseek_model(
        "DeepseekVLHybrid",
        siglip_config(image_size=56, patch_size=7),
        high_res_vision_config={**high, "global_attn_indexes": [0]},
    )
    # What is filled up is blank, and its tokens' norms would make much of a neighbour's edge.
    bias = model.model.vision_model.embeddings.patch_embedding.bias
    torch.nn.init.normal_(bias, std=2.0)
    # The second tower's half of a token looks up and left of its cell by a third of one: two
    # convolutions of stride 2 end on it. As loud as the first's it would often be the louder.
    for layer, scale in (("vision_proj", 0.4), ("high_res_vision_proj", 0.1), ("proj", 0.2)):
        torch.nn.init.normal_(model.model.aligner.get_submodule(layer).weight, std=scale)
    processor = DeepseekVLHybridImageProcessorPil(
        size={"height": 56, "width": 56}, high_res_size={"height": 128, "width": 128}
    )
    return TinyModel(model, processor, tokenizer)


def make_got_ocr2() -> TinyModel:
    """GOT-OCR 2: SAM's tower of 128 pixels, 4 x 4 visual tokens."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    markers = {"image_token": "<imgpad>", "boi_token": "<img>", "eoi_token": "</img>"}
    template = TEMPLATE.replace("<image>", "<img><imgpad></img>")
    tokenizer = spaced_tokenizer(markers, template=template)
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 64}
    vision |= {"image_size": 128, "patch_size": 8, "output_channels": 16, "window_size": 4}
    config = transformers.GotOcr2Config(
        text_config={**text_config(tokenizer), "model_type": "qwen2"},
        vision_config={**vision, "global_attn_indexes": [1]},
        image_token_index=tokenizer.convert_tokens_to_ids("<imgpad>"),
        tie_word_embeddings=False,
    )
    name = "GotOcr2ForConditionalGeneration"
    model = seeded_model(name, config, tokenizer, 0, attention="eager")
    processor = GotOcr2ImageProcessorPil(size={"height": 128, "width": 128})
    return TinyModel(model, processor, tokenizer)


def make_fast_vlm() -> TinyModel:
    """FastVLM: a convolutional tower, 32 pixels to a visual token.

    The released tower is timm's; this one has the same interface, states in rows and columns.
    """
    from transformers import CLIPImageProcessorPil

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=TEMPLATE)
    config = transformers.FastVlmConfig(
        text_config={**text_config(tokenizer), "model_type": "qwen2"},
        vision_config={
            "model_type": "convnext",
            "hidden_sizes": [16, 16, 32, 32],
            "depths": [1, 1, 1, 1],
            "hidden_size": 32,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    name = "FastVlmForConditionalGeneration"
    model = seeded_model(name, config, tokenizer, 0, attention="eager")
    for layer in model.model.vision_tower.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
            # Its norms would make much of nothing where a picture is blank.
            torch.nn.init.normal_(layer.bias, std=1.0)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 256}, crop_size={"height": 256, "width": 256}
    )
    return TinyModel(model, processor, tokenizer)


def make_qianfan_ocr() -> TinyModel:
    """Qianfan-OCR: InternVL's layout."""
    return make_internvl(name="QianfanOCR")


def make_gemma4_unified() -> TinyModel:
    """Gemma 4 without a tower: at most 70 visual tokens of 16 pixels."""
    tokenizer = spaced_tokenizer(GEMMA4_MARKERS, template=GEMMA4_TEMPLATE)
    config = transformers.Gemma4UnifiedConfig(
        text_config={
            **text_config(tokenizer),
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
            "global_head_dim": 16,
            "final_logit_softcapping": 3.0,
        },
        vision_config={
            "patch_size": PATCH,
            "pooling_kernel_size": 2,
            "mm_embed_dim": 64,
            "mm_posemb_size": 128,
            "output_proj_dims": 64,
        },
        audio_config=None,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        boi_token_id=tokenizer.convert_tokens_to_ids("<|image>"),
        eoi_token_id=tokenizer.convert_tokens_to_ids("<image|>"),
        tie_word_embeddings=False,
    )
    model = seeded_model("Gemma4UnifiedForConditionalGeneration", config, tokenizer, 0)
    settings = Gemma4UnifiedAdapter.settings(
        {"patch_size": PATCH, "pooling_kernel_size": 2, "max_soft_tokens": 70}
    )
    return TinyModel(model, settings, tokenizer)
