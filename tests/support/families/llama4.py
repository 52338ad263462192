"""A small model of Llama 4, and what its image processor is set to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from tests.support.families.native import seeded_model
from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|header_start|>{{ message['role'] }}<|header_end|>{{ '\\n\\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|image|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|header_start|>assistant<|header_end|>{{ '\\n\\n' }}{% endif %}"
)
_MARKERS = {
    "header_start_token": "<|header_start|>",
    "header_end_token": "<|header_end|>",
    "eot_token": "<|eot|>",
    "boi_token": "<|image_start|>",
    "eoi_token": "<|image_end|>",
    "image_token": "<|image|>",
    "patch_token": "<|patch|>",
    "tile_x_token": "<|tile_x_separator|>",
    "tile_y_token": "<|tile_y_separator|>",
}
SETTINGS: dict[str, Any] = {
    "size": {"height": 56, "width": 56},
    "max_patches": 4,
    "resize_to_max_canvas": False,
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}
"""Of the image processor: tiles of 56 pixels, four at most."""


def make_llama4(seed: int = 0) -> TinyModel:
    """Llama 4: tiles of 56 pixels, 4 x 4 visual tokens each."""
    from transformers import Llama4Config

    tokenizer = spaced_tokenizer(_MARKERS, template=TEMPLATE)
    config = Llama4Config(
        text_config={
            **text_config(tokenizer),
            "intermediate_size_mlp": 128,
            "num_local_experts": 4,
            "attention_chunk_size": 8192,
            "no_rope_layers": [1, 0],
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 7,
            "vision_output_dim": 64,
            "projector_input_dim": 64,
            "projector_output_dim": 64,
        },
        boi_token_index=tokenizer.convert_tokens_to_ids("<|image_start|>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<|image_end|>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<|patch|>"),
        tie_word_embeddings=False,
    )
    model = seeded_model("Llama4ForConditionalGeneration", config, tokenizer, seed)
    for layer in model.vision_model.model.layers:
        # As large as the rest they would let what surrounds a patch outweigh what it shows.
        torch.nn.init.normal_(layer.self_attn.o_proj.weight, std=0.05)
        torch.nn.init.normal_(layer.mlp.fc2.weight, std=0.05)
    return TinyModel(model, SimpleNamespace(**SETTINGS), tokenizer)
