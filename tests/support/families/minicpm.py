"""A small model of MiniCPM-V 4.6, with its real image processor."""

from __future__ import annotations

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

_MARKERS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "image_start_token": "<image>",
    "image_end_token": "</image>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
    **{f"number_{number}_token": str(number) for number in range(4)},
}


def make_minicpm_v(seed: int = 0, *, name: str = "MiniCPMV4_6") -> TinyModel:
    """MiniCPM-V 4.6: parts of about 64 x 64 pixels, a visual token of 4 x 4 patches of 4 pixels.

    Args:
        seed: Of the weights.
        name: Of the class, up to ``ForConditionalGeneration``.
    """
    import transformers
    from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import (
        MiniCPMV4_6ImageProcessorPil,
    )

    template = TEMPLATE.replace("<image>", "<|image_pad|>")
    tokenizer = spaced_tokenizer(_MARKERS, template=template)
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    rope |= {"partial_rotary_factor": 1.0}
    named = {
        "image_start_id": "<image>",
        "image_end_id": "</image>",
        "slice_start_id": "<slice>",
        "slice_end_id": "</slice>",
        "newline_id": "\n",
    }
    config = getattr(transformers, f"{name}Config")(
        text_config={
            **text_config(tokenizer),
            "model_type": "qwen3_5_text",
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 16,
            "linear_value_head_dim": 16,
            "rope_parameters": rope,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 4,
        },
        insert_layer_id=0,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        **{key: tokenizer.convert_tokens_to_ids(token) for key, token in named.items()},
    )
    torch.manual_seed(seed)
    model = (
        getattr(transformers, f"{name}ForConditionalGeneration")
        ._from_config(config, attn_implementation="sdpa")
        .eval()
    )
    torch.nn.init.normal_(model.model.vision_tower.embeddings.patch_embedding.weight, std=0.5)
    for token in _MARKERS.values():
        model.lm_head.weight.data[tokenizer.convert_tokens_to_ids(token)] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = MiniCPMV4_6ImageProcessorPil(scale_resolution=64, patch_size=4, max_slice_nums=6)
    return TinyModel(model, processor, tokenizer)
