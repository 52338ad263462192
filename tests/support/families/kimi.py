"""A small model of Kimi K2.5, and what its image processor is set to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.support.families.native import seeded_model
from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

TEMPLATE = (
    "{% for message in messages %}<|im_{{ message['role'] }}|>{{ message['role'] }}<|im_middle|>"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|media_begin|>image<|media_content|><|media_pad|><|media_end|>{{ '\\n' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_assistant|>assistant<|im_middle|>{% endif %}"
)
_MARKERS = {
    "image_token": "<|media_pad|>",
    "video_token": "<|kimi_k25_video_placeholder|>",
    "begin_token": "<|media_begin|>",
    "content_token": "<|media_content|>",
    "end_token": "<|media_end|>",
    "user_token": "<|im_user|>",
    "assistant_token": "<|im_assistant|>",
    "middle_token": "<|im_middle|>",
    "turn_token": "<|im_end|>",
}
SETTINGS: dict[str, Any] = {
    "size": {"max_height": 32, "max_width": 32},
    "max_patches": 400,
    "patch_size": 8,
    "merge_size": 2,
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}
"""Of the image processor: cells of 16 pixels, a hundred at most, sixteen along a side."""


def make_kimi_k25(seed: int = 0) -> TinyModel:
    """Kimi K2.5: cells of 16 pixels, DeepSeek-V3's attention and experts."""
    from transformers import Kimi_K25Config

    tokenizer = spaced_tokenizer(_MARKERS, template=TEMPLATE)
    config = Kimi_K25Config(
        text_config={
            **{k: v for k, v in text_config(tokenizer).items() if k != "head_dim"},
            "model_type": "deepseek_v3",
            "num_key_value_heads": 4,
            "kv_lora_rank": 16,
            "q_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 16,
            "n_routed_experts": 4,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "first_k_dense_replace": 1,
        },
        vision_config={
            "patch_size": 8,
            "pos_emb_height": 8,
            "pos_emb_width": 8,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
        },
        projection_hidden_size=32,
        image_token_id=tokenizer.convert_tokens_to_ids("<|media_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|kimi_k25_video_placeholder|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|media_begin|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|media_end|>"),
        tie_word_embeddings=False,
    )
    model = seeded_model("Kimi_K25ForConditionalGeneration", config, tokenizer, seed)
    return TinyModel(model, SimpleNamespace(**SETTINGS), tokenizer)
