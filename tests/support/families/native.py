"""Small models that take images at their own size: Qwen's newer ones, GLM-V."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import torch
import transformers

from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel, make_tokenizer

QWEN = {
    "qwen3_vl_moe": "Qwen3VLMoe",
    "qwen3_5": "Qwen3_5",
    "qwen3_5_moe": "Qwen3_5Moe",
    "qwen4_exp": "Qwen4Exp",
}
GLM = {
    "glm4v": ("Glm4v", "Glm4v"),
    "glm4v_moe": ("Glm4vMoe", "Glm4v"),
    "glm46v": ("Glm46V", "Glm46V"),
    "glm_ocr": ("GlmOcr", "Glm46V"),
}
"""Class of the model, and of the image processor."""
GLM_TEMPLATE = (
    "[gMASK]<sop>{% for message in messages %}{{ '<|' + message['role'] + '|>\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|begin_of_image|><|image|><|end_of_image|>{% elif part['type'] == 'video' %}"
    "<|begin_of_video|><|video|><|end_of_video|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
_GLM_MARKERS = {
    "image_token": "<|image|>",
    "video_token": "<|video|>",
    "image_start_token": "<|begin_of_image|>",
    "image_end_token": "<|end_of_image|>",
    "video_start_token": "<|begin_of_video|>",
    "video_end_token": "<|end_of_video|>",
    "mask_token": "[gMASK]",
    "sop_token": "<sop>",
    "user_token": "<|user|>",
    "assistant_token": "<|assistant|>",
}
PATCH = 8
VISION = {
    "depth": 2,
    "num_heads": 2,
    "patch_size": PATCH,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "hidden_size": 32,
    "out_hidden_size": 64,
    "intermediate_size": 64,
    "initializer_range": 0.2,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_LINEAR = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
_INDEXER = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 16,
    "indexer_budget": 64,
    "indexer_compress_ratio": 8,
}
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}


def make_qwen(family: str, seed: int = 0) -> TinyModel:
    """Qwen3-VL-MoE, Qwen3.5 or what comes after: cells of 16 pixels.

    Args:
        family: Of :data:`QWEN`.
        seed: Of the weights.
    """
    tokenizer = make_tokenizer()
    text = {**text_config(tokenizer), "rope_parameters": ROPE}
    vision: dict[str, Any] = {**VISION, "num_position_embeddings": 64}
    if family == "qwen3_vl_moe":
        text |= EXPERTS
        vision["deepstack_visual_indexes"] = [0]
    else:
        text |= {**_LINEAR, "rope_parameters": {**ROPE, "partial_rotary_factor": 1.0}}
        if family != "qwen3_5":
            text |= {**EXPERTS, "shared_expert_intermediate_size": 32}
        if family == "qwen4_exp":
            text |= _INDEXER
    config = getattr(transformers, f"{QWEN[family]}Config")(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=False,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    )
    model = seeded_model(f"{QWEN[family]}ForConditionalGeneration", config, tokenizer, seed)
    return TinyModel(model, qwen_processor(), tokenizer)


def make_glm(family: str, seed: int = 0) -> TinyModel:
    """GLM-4.1V and what is built like it: cells of 16 pixels.

    Args:
        family: Of :data:`GLM`.
        seed: Of the weights.
    """
    tokenizer = spaced_tokenizer(_GLM_MARKERS, template=GLM_TEMPLATE)
    name, processor = GLM[family]
    text = {**text_config(tokenizer), "rope_parameters": {**ROPE, "partial_rotary_factor": 1.0}}
    if family == "glm4v_moe":
        text |= {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    config = getattr(transformers, f"{name}Config")(
        text_config=text,
        vision_config={**VISION, "hidden_size": 64, "image_size": 64},
        tie_word_embeddings=False,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        image_start_token_id=tokenizer.convert_tokens_to_ids("<|begin_of_image|>"),
        image_end_token_id=tokenizer.convert_tokens_to_ids("<|end_of_image|>"),
        video_start_token_id=tokenizer.convert_tokens_to_ids("<|begin_of_video|>"),
        video_end_token_id=tokenizer.convert_tokens_to_ids("<|end_of_video|>"),
    )
    model = seeded_model(f"{name}ForConditionalGeneration", config, tokenizer, seed)
    for block in model.model.visual.blocks:
        # As large as the rest they would let what surrounds a patch outweigh what it shows.
        torch.nn.init.normal_(block.attn.proj.weight, std=0.05)
        torch.nn.init.normal_(block.mlp.down_proj.weight, std=0.05)
    module = f"transformers.models.{processor.lower()}.image_processing_pil_{processor.lower()}"
    image_processor = getattr(import_module(module), f"{processor}ImageProcessorPil")(
        patch_size=PATCH,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 2 * 32 * 32, "longest_edge": 2 * 512 * 512},
    )
    return TinyModel(model, image_processor, tokenizer)


def qwen_processor() -> Any:
    """Cells of 16 pixels, frames in pairs."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    )


def seeded_model(
    name: str, config: Any, tokenizer: Any, seed: int, *, attention: str = "sdpa"
) -> Any:
    """Of a class of transformers, its weights large enough to make it decided."""
    torch.manual_seed(seed)
    model = getattr(transformers, name)._from_config(config, attn_implementation=attention).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:  # some begin with zeros, or too small to decide anything
            torch.nn.init.normal_(parameter, std=0.2)
    # Visual tokens are never said, and an answer that holds one would be short of a picture.
    model.get_output_embeddings().weight.data[config.image_token_id] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


make_qwen3_vl_moe = partial(make_qwen, "qwen3_vl_moe")
make_qwen3_5 = partial(make_qwen, "qwen3_5")
make_qwen3_5_moe = partial(make_qwen, "qwen3_5_moe")
make_qwen4_exp = partial(make_qwen, "qwen4_exp")
make_glm4v = partial(make_glm, "glm4v", 1)
make_glm4v_moe = partial(make_glm, "glm4v_moe")
make_glm46v = partial(make_glm, "glm46v", 1)
make_glm_ocr = partial(make_glm, "glm_ocr", 1)
