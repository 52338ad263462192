"""Small models of Gemma 3, PaliGemma, Mistral 3 and Pixtral, with their real image processors."""

from __future__ import annotations

from typing import Any

import torch

from tests.support.families.parts import (
    build_model,
    siglip_config,
    spaced_tokenizer,
    text_config,
)
from tests.support.tiny_models import TinyModel

GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) }}"
    "{{ '\\n' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<start_of_image>' }}"
    "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{{ '<end_of_turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}[INST]{% endif %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}[IMG]{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '[/INST]' if message['role'] == 'user' else eos_token }}{% endfor %}"
)
_GEMMA_MARKERS = {
    "boi_token": "<start_of_image>",
    "image_token": "<image_soft_token>",
    "eoi_token": "<end_of_image>",
    "start_of_turn_token": "<start_of_turn>",
    "end_of_turn_token": "<end_of_turn>",
}
_PALIGEMMA_MARKERS = {"image_token": "<image>"}
_PLAIN_MARKERS = {
    "image_token": "[IMG]",
    "inst_token": "[INST]",
    "end_inst_token": "[/INST]",
}
_MISTRAL_MARKERS = {
    "image_token": "[IMG]",
    "image_break_token": "[IMG_BREAK]",
    "image_end_token": "[IMG_END]",
    "inst_token": "[INST]",
    "end_inst_token": "[/INST]",
}


def make_gemma3(
    seed: int = 0, *, dtype: torch.dtype = torch.float32, attention: str = "sdpa", **processing: Any
) -> TinyModel:
    """Gemma 3: a 112-pixel tower of 16 x 16 patches, pooled to 8 x 8 visual tokens.

    Its sliding window is shorter than a picture with its crops, so that windows matter.

    Args:
        seed: Of the weights.
        dtype: Of the weights.
        attention: Implementation.
        processing: Of the image processor, beside its size (``do_pan_and_scan`` and its limits).
    """
    from transformers import Gemma3Config
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = spaced_tokenizer(_GEMMA_MARKERS, template=GEMMA_TEMPLATE)
    layers = ["sliding_attention", "full_attention"]
    config = Gemma3Config(
        text_config={
            **text_config(tokenizer),
            "query_pre_attn_scalar": 16,
            "sliding_window": 96,
            "layer_types": layers,
        },
        vision_config=siglip_config(image_size=112, patch_size=7),
        mm_tokens_per_image=64,
        initializer_range=0.2,
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        tie_word_embeddings=False,
    )
    model = build_model("Gemma3ForConditionalGeneration", config, tokenizer, seed, attention)
    # Made to be loaded: it is initialised with zeros.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.2)
    image_processor = Gemma3ImageProcessorPil(size={"height": 112, "width": 112}, **processing)
    return TinyModel(model.to(dtype), image_processor, tokenizer)


def make_paligemma(
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float32,
    attention: str = "sdpa",
    gemma2: bool = False,
) -> TinyModel:
    """PaliGemma: a 56-pixel tower of 8 x 8 patches, no chat template.

    Args:
        seed: Of the weights.
        dtype: Of the weights.
        attention: Implementation; of PaliGemma 2 eager, whatever this says.
        gemma2: PaliGemma 2: a text model with capped logits.
    """
    from transformers import PaliGemmaConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = spaced_tokenizer(_PALIGEMMA_MARKERS, template=None)
    text = {**text_config(tokenizer), "model_type": "gemma", "num_key_value_heads": 1}
    if gemma2:
        # A low cap, which small logits feel.
        text |= {"model_type": "gemma2", "final_logit_softcapping": 3.0, "sliding_window": 4096}
        text |= {"query_pre_attn_scalar": 16, "attn_logit_softcapping": 50.0}
        attention = "eager"
    config = PaliGemmaConfig(
        text_config=text,
        vision_config=siglip_config(image_size=56, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=64,
        hidden_size=64,
        vocab_size=len(tokenizer),
        tie_word_embeddings=False,
    )
    model = build_model("PaliGemmaForConditionalGeneration", config, tokenizer, seed, attention)
    torch.nn.init.normal_(model.model.multi_modal_projector.linear.weight, std=0.2)
    image_processor = SiglipImageProcessorPil(size={"height": 56, "width": 56})
    image_processor.image_seq_length = 64
    return TinyModel(model.to(dtype), image_processor, tokenizer)


def make_mistral3(
    seed: int = 0, *, dtype: torch.dtype = torch.float32, attention: str = "sdpa"
) -> TinyModel:
    """Mistral 3: native resolution up to 224 pixels, cells of 2 x 2 patches of 7 pixels."""
    from transformers import Mistral3Config

    tokenizer = spaced_tokenizer(_MISTRAL_MARKERS, template=MISTRAL_TEMPLATE)
    config = Mistral3Config(
        text_config={**text_config(tokenizer), "model_type": "mistral", "sliding_window": None},
        vision_config=_pixtral(image_size=224, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )
    model = build_model("Mistral3ForConditionalGeneration", config, tokenizer, seed, attention)
    for layer in ("linear_1", "linear_2", "patch_merger.merging_layer"):
        weight = model.model.multi_modal_projector.get_submodule(layer).weight
        torch.nn.init.normal_(weight, std=0.2)
    return TinyModel(model.to(dtype), _pixtral_processor(224, 7), tokenizer)


def make_mistral_large4() -> TinyModel:
    """Mistral Large 4: Mistral 3's tower under attention to what an index finds."""
    from transformers import MistralLarge4Config

    tokenizer = spaced_tokenizer(_MISTRAL_MARKERS, template=MISTRAL_TEMPLATE)
    latent = {"q_lora_rank": 32, "kv_lora_rank": 32, "v_head_dim": 16}
    latent |= {"qk_rope_head_dim": 16, "qk_nope_head_dim": 16, "num_key_value_heads": 4}
    experts = {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    index = {"index_topk": 4096, "index_head_dim": 32, "index_n_heads": 2}
    config = MistralLarge4Config(
        text_config={
            **text_config(tokenizer), **latent, **experts, **index,
            "final_logit_softcapping": 3.0,  # a low one, which small logits feel
        },
        vision_config=_pixtral(image_size=224, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        spatial_merge_size=2,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = build_model("MistralLarge4ForConditionalGeneration", config, tokenizer, 0, "sdpa")
    for layer in ("linear_1", "linear_2", "patch_merger.merging_layer"):
        weight = model.model.multi_modal_projector.get_submodule(layer).weight
        torch.nn.init.normal_(weight, std=0.2)
    return TinyModel(model, _pixtral_processor(224, 7), tokenizer)


def make_pixtral(
    seed: int = 0, *, dtype: torch.dtype = torch.float32, attention: str = "sdpa"
) -> TinyModel:
    """Pixtral: LLaVA with Pixtral's tower, up to 144 pixels, patches of 12 pixels, no merging."""
    from transformers import LlavaConfig

    tokenizer = spaced_tokenizer(_MISTRAL_MARKERS, template=MISTRAL_TEMPLATE)
    config = LlavaConfig(
        text_config={**text_config(tokenizer), "model_type": "mistral", "sliding_window": None},
        vision_config=_pixtral(image_size=144, patch_size=12),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    model = build_model("LlavaForConditionalGeneration", config, tokenizer, seed, attention)
    for layer in ("linear_1", "linear_2"):
        weight = model.model.multi_modal_projector.get_submodule(layer).weight
        torch.nn.init.normal_(weight, std=0.2)
    return TinyModel(model.to(dtype), _pixtral_processor(144, 12), tokenizer)


def make_plain(seed: int = 0, *, dtype: torch.dtype = torch.float32) -> TinyModel:
    """LLaVA with SigLIP's tower: 8 x 8 visual tokens in rows, nothing else; for what is generic."""
    from transformers import LlavaConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    tokenizer = spaced_tokenizer(_PLAIN_MARKERS, template=MISTRAL_TEMPLATE)
    config = LlavaConfig(
        text_config={**text_config(tokenizer), "model_type": "mistral", "sliding_window": None},
        vision_config=siglip_config(image_size=56, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("[IMG]"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=False,
    )
    model = build_model("LlavaForConditionalGeneration", config, tokenizer, seed, "sdpa")
    for layer in ("linear_1", "linear_2"):
        weight = model.model.multi_modal_projector.get_submodule(layer).weight
        torch.nn.init.normal_(weight, std=0.2)
    image_processor = SiglipImageProcessorPil(size={"height": 56, "width": 56})
    return TinyModel(model.to(dtype), image_processor, tokenizer)


def _pixtral(*, image_size: int, patch_size: int) -> dict[str, Any]:
    return {
        "model_type": "pixtral",
        "image_size": image_size,
        "patch_size": patch_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.1,
    }


def _pixtral_processor(longest_edge: int, patch_size: int) -> Any:
    from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

    return PixtralImageProcessorPil(
        size={"longest_edge": longest_edge}, patch_size={"height": patch_size, "width": patch_size}
    )
