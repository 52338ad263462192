"""A small model of Molmo 2, and what its image processor is set to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

_MARKERS = {
    "image_token": "<|image|>",
    "video_token": "<|video|>",
    "patch_token": "<im_patch>",
    "column_token": "<im_col>",
    "start_token": "<im_start>",
    "low_res_start_token": "<low_res_im_start>",
    "end_token": "<im_end>",
    "frame_start_token": "<frame_start>",
    "frame_end_token": "<frame_end>",
    "low_token": "<im_low>",
}

SETTINGS: dict[str, Any] = {
    "size": {"height": 63, "width": 63},
    "resample": 2,
    "max_crops": 6,
    "overlap_margins": [1, 1],
    "patch_size": 7,
    "pooling_size": [2, 2],
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}
"""Of the image processor: crops of 63 pixels, six at most, whose neighbours share 14."""


def make_molmo2(seed: int = 0) -> TinyModel:
    """Molmo 2: crops of 9 x 9 patches, of which neighbours share two; pooled by two and padded."""
    import transformers

    template = TEMPLATE.replace("<image>", "<|image|>").replace("<video>", "<|video|>")
    template = template.replace("{{ bos_token }}", "")
    tokenizer = spaced_tokenizer(_MARKERS, template=template)
    ids = {
        "image_patch_id": "<im_patch>",
        "image_start_token_id": "<im_start>",
        "image_end_token_id": "<im_end>",
        "low_res_image_start_token_id": "<low_res_im_start>",
        "frame_start_token_id": "<frame_start>",
        "frame_end_token_id": "<frame_end>",
    }
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    rope = {"rope_type": "default", "rope_theta": 1e4}
    config = transformers.Molmo2Config(
        text_config={
            **text_config(tokenizer),
            "additional_vocab_size": 8,
            "rope_parameters": rope,
        },
        vision_config={
            **heads,
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "image_size": [63, 63],
            "patch_size": 7,
            "initializer_range": 0.05,
        },
        adapter_config={
            **heads,
            "hidden_size": 64,
            "intermediate_size": 128,
            "text_hidden_size": 64,
            "vision_feature_layer": [-1, -2],
            "initializer_range": 0.2,
        },
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in ids.items()},
    )
    torch.manual_seed(seed)
    model = transformers.Molmo2ForConditionalGeneration._from_config(
        config, attn_implementation="sdpa"
    ).eval()
    # More of it lets what each patch shows outweigh what all share. The bias is for the gated
    # projector, which else sees hardly a difference between a patch and its negative.
    embedding = model.model.vision_tower.patch_embedding
    torch.nn.init.normal_(embedding.weight, std=0.2)
    torch.nn.init.normal_(embedding.bias, std=2.0)
    # Untrained attention would pool one patch of four, whichever happens to shout.
    pooling = model.model.multi_modal_projector.image_pooling_2d
    for name in ("q_proj", "k_proj"):
        pooling.get_submodule(name).weight.data *= 0.05
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.lm_head.weight.data[[tokenizer.convert_tokens_to_ids(t) for t in _MARKERS.values()]] = 0
    return TinyModel(model, SimpleNamespace(**SETTINGS), tokenizer)
