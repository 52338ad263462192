"""Small models of DeepSeek-VL and Janus, with their real image processors."""

from __future__ import annotations

from typing import Any

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import build_model, siglip_config, spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

_MARKERS = {
    "image_token": "<image_placeholder>",
    "boi_token": "<begin_of_image>",
    "eoi_token": "<end_of_image>",
}
_SIZE = {"height": 58, "width": 58}


def make_deepseek_vl(seed: int = 0) -> TinyModel:
    """DeepSeek-VL: SigLIP of 58 pixels and 8 x 8 patches that leave two over."""
    from transformers.models.deepseek_vl.image_processing_pil_deepseek_vl import (
        DeepseekVLImageProcessorPil,
    )

    model, tokenizer = deepseek_model(
        "DeepseekVL", siglip_config(image_size=58, patch_size=7), seed
    )
    for layer in ("linear1", "linear2"):
        torch.nn.init.normal_(model.model.aligner.get_submodule(layer).weight, std=0.2)
    return TinyModel(model, DeepseekVLImageProcessorPil(size=_SIZE), tokenizer)


def make_janus(seed: int = 0) -> TinyModel:
    """Janus: its own tower of 58 pixels, beside the parts that make images."""
    from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

    vision = {
        "image_size": 58,
        "patch_size": 7,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2.0,
        "projection_dim": 64,
        "num_image_tokens": 64,
        "initializer_range": 0.2,
    }
    vq = {"base_channels": 32, "channel_multiplier": [1, 1], "num_res_blocks": 1}
    vq |= {"projection_dim": 64, "image_token_embed_dim": 64, "latent_channels": 32}
    model, tokenizer = deepseek_model("Janus", vision, seed, vq_config={**vq, "num_embeddings": 16})
    torch.nn.init.normal_(model.model.vision_model.embeddings.position_embedding.weight, std=0.2)
    return TinyModel(model, JanusImageProcessorPil(size=_SIZE), tokenizer)


def deepseek_model(
    family: str, vision: dict[str, Any], seed: int = 0, **others: Any
) -> tuple[Any, Any]:
    """A model and its tokenizer.

    Args:
        family: Its class, up to ``ForConditionalGeneration``.
        vision: Configuration of its tower.
        seed: Of the weights.
        others: Of its configuration.
    """
    import transformers

    template = TEMPLATE.replace("<image>", "<image_placeholder>")
    tokenizer = spaced_tokenizer(_MARKERS, template=template)
    config = getattr(transformers, f"{family}Config")(
        text_config={**text_config(tokenizer), "model_type": "llama"},
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<image_placeholder>"),
        tie_word_embeddings=False,
        **others,
    )
    return build_model(
        f"{family}ForConditionalGeneration", config, tokenizer, seed, "sdpa"
    ), tokenizer
