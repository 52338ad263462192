"""The demo's model: a real Qwen2-VL of 2.7 million parameters, with its real image processor.

It is stored as an ordinary checkpoint directory; nothing of it needs torchvision.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from demo import words

PATCH_PIXELS = 8
MERGE = 2
CELL_PIXELS = PATCH_PIXELS * MERGE
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }} "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|> <|image_pad|> <|vision_end|> {% else %}{{ part['text'] }} {% endif %}"
    "{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token per word of :data:`demo.words.VOCABULARY`, filled up to 64."""
    entries = {word: index for index, word in enumerate(words.VOCABULARY)}
    tokenizer = Tokenizer(WordLevel(entries, unk_token=words.UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=words.UNKNOWN,
        pad_token=words.PAD,
        eos_token=words.TURN_END,
        extra_special_tokens={
            "image_token": words.IMAGE,
            "video_token": words.VIDEO,
            "vision_start_token": words.VISION_START,
            "vision_end_token": words.VISION_END,
            "im_start_token": words.TURN_START,
        },
        chat_template=CHAT_TEMPLATE,
    )


def make_image_processor() -> Qwen2VLImageProcessorPil:
    """Native resolution from one cell to 640 x 640 pixels."""
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH_PIXELS,
        merge_size=MERGE,
        temporal_patch_size=1,
        size={"shortest_edge": CELL_PIXELS**2, "longest_edge": 640 * 640},
    )


def make_model(tokenizer: PreTrainedTokenizerFast, *, seed: int) -> Qwen2VLForConditionalGeneration:
    """Freshly initialised weights.

    ``rope_theta`` is 10 because positions are few: at the usual 1e4 the model does not learn left
    from right, and at 50 it takes twice as long.
    """
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in (
            ("image", words.IMAGE),
            ("video", words.VIDEO),
            ("vision_start", words.VISION_START),
            ("vision_end", words.VISION_END),
        )
    }
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": -(-len(words.VOCABULARY) // 8) * 8,
            "hidden_size": 192,
            "intermediate_size": 576,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 3,
            "max_position_embeddings": 4096,
            "initializer_range": 0.07,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10.0,
                "mrope_section": [2, 7, 7],
            },
        },
        vision_config={
            "depth": 3,
            "embed_dim": 128,
            "hidden_size": 192,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": PATCH_PIXELS,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 1,
            "initializer_range": 0.07,
        },
        tie_word_embeddings=True,
        initializer_range=0.07,
        **ids,
    )
    torch.manual_seed(seed)
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def save_checkpoint(
    model: Qwen2VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    directory: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Writes a directory that ``from_pretrained`` loads: float16 weights and all that belongs."""
    import copy
    import json

    half = copy.deepcopy(model).to("cpu", torch.float16)
    half.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    make_image_processor().save_pretrained(directory)
    (directory / "provenance.json").write_text(json.dumps(dict(provenance), indent=1) + "\n")
