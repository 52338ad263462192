"""Small models of real classes with real image processors, built from configs, offline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
WORDS = (
    "describe the image . a red green blue circle square star is left right of on above below "
    "what where how many one two three dog cat user assistant"
).split()
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }} "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|> <|image_pad|> <|vision_end|> {% elif part['type'] == 'video' %}"
    "<|vision_start|> <|video_pad|> <|vision_end|> {% else %}{{ part['text'] }} {% endif %}"
    "{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)
_MARKERS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
    "im_start_token": "<|im_start|>",
}


@dataclass(frozen=True)
class TinyModel:
    """A model with its parts."""

    model: Any
    image_processor: Any
    tokenizer: Any

    @property
    def parts(self) -> dict[str, Any]:
        """Keyword arguments of ``Explainer``."""
        return {"image_processor": self.image_processor, "tokenizer": self.tokenizer}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer with a chat template."""
    vocabulary = {
        word: index
        for index, word in enumerate(["<|unk|>", "<|im_end|>", *_MARKERS.values(), *WORDS])
    }
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<|unk|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        extra_special_tokens=dict(_MARKERS),
        chat_template=CHAT_TEMPLATE,
    )


def make_tiny(
    family: str = "qwen2_vl",
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    attention: str = "sdpa",
    layers: int = 2,
    tie: bool = False,
) -> TinyModel:
    """A randomly initialised model of a family, weights large enough to make it decided."""
    import transformers

    tokenizer = make_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": tie,
        "initializer_range": 0.2,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    tokens = {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        "tie_word_embeddings": tie,
    }
    patch = 8
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    common: dict[str, Any] = {
        "depth": 2,
        "num_heads": 2,
        "patch_size": patch,
        "spatial_merge_size": 2,
    }
    common |= {"temporal_patch_size": 2, "initializer_range": 0.2}
    if family == "qwen2_vl":
        vision = {**common, "embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2}
        config = transformers.Qwen2VLConfig(
            text_config={**text, "rope_parameters": rope}, vision_config=vision, **tokens
        )
        name = "Qwen2VLForConditionalGeneration"
    elif family == "qwen2_5_vl":
        vision = {**common, "hidden_size": 32, "out_hidden_size": 64, "intermediate_size": 64}
        vision |= {"fullatt_block_indexes": [1], "window_size": 64}
        config = transformers.Qwen2_5_VLConfig(
            text_config={**text, "rope_parameters": rope}, vision_config=vision, **tokens
        )
        name = "Qwen2_5_VLForConditionalGeneration"
    elif family == "qwen3_vl":
        vision = {**common, "hidden_size": 32, "out_hidden_size": 64, "intermediate_size": 64}
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        config = transformers.Qwen3VLConfig(
            text_config={**text, "head_dim": 16, "rope_parameters": rope},
            vision_config=vision,
            **tokens,
        )
        name = "Qwen3VLForConditionalGeneration"
    else:
        raise ValueError(f"family: expected one of {FAMILIES}, got {family!r}")
    torch.manual_seed(seed)
    config._attn_implementation = attention
    model = getattr(transformers, name)._from_config(config, attn_implementation=attention)
    model = model.to(device=device, dtype=dtype).eval()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    image_processor = Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    )
    return TinyModel(model, image_processor, tokenizer)
