"""A small model of LFM2-VL, and what its image processor is set to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import build_model, spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

SETTINGS: dict[str, Any] = {
    "resample": 2,
    "downsample_factor": 2,
    "do_image_splitting": True,
    "min_tiles": 2,
    "max_tiles": 6,
    "use_thumbnail": True,
    "min_image_tokens": 4,
    "max_image_tokens": 16,
    "encoder_patch_size": 8,
    "tile_size": 64,
    "max_pixels_tolerance": 2.0,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}
"""Of the image processor: tiles of 64 pixels, six at most, or 16 cells of 16 pixels."""


def make_lfm2_vl(seed: int = 0) -> TinyModel:
    """LFM2-VL: tiles of 64 pixels, 4 x 4 visual tokens each."""
    import transformers

    places = {
        f"row_{row}_col_{column}_token": f"<|img_row_{row}_col_{column}|>"
        for row in range(1, 11)
        for column in range(1, 11)
    }
    markers = {
        "image_token": "<image>",
        "image_start_token": "<|image_start|>",
        "image_end_token": "<|image_end|>",
        "image_thumbnail_token": "<|img_thumbnail|>",
    }
    tokenizer = spaced_tokenizer({**markers, **places}, template=TEMPLATE)
    text = {name: value for name, value in text_config(tokenizer).items() if name != "head_dim"}
    config = transformers.Lfm2VlConfig(
        text_config={
            **text,
            "model_type": "lfm2",
            "layer_types": ["conv", "full_attention"],
            "block_auto_adjust_ff_dim": False,
        },
        vision_config={
            "model_type": "siglip2_vision_model",
            "num_patches": 64,
            "patch_size": 8,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "vision_use_head": False,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        projector_hidden_size=64,
        tie_word_embeddings=False,
    )
    model = build_model("Lfm2VlForConditionalGeneration", config, tokenizer, seed, "sdpa")
    torch.nn.init.normal_(model.model.vision_tower.embeddings.patch_embedding.weight, std=0.5)
    for layer in ("linear_1", "linear_2"):
        weight = model.model.multi_modal_projector.get_submodule(layer).weight
        torch.nn.init.normal_(weight, std=0.2)
    return TinyModel(model, SimpleNamespace(**SETTINGS), tokenizer)
