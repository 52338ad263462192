"""What the small models of several families share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Sequence, Split
from torch import nn
from transformers import PreTrainedTokenizerFast

from tests.support.tiny_models import WORDS

# What Gemma 3's processor writes around crops; newlines that meet are one token, as in its own.
_PAN_AND_SCAN_WORDS = "Here is original and here are some crops to help you see better model"
_NEWLINES = ["\n" * count for count in range(1, 7)]


def spaced_tokenizer(
    markers: Mapping[str, str], *, template: str | None
) -> PreTrainedTokenizerFast:
    """Words between blanks, runs of line breaks as one token, the family's markers."""
    special = ["<unk>", "<pad>", "<bos>", "<eos>", *markers.values()]
    words = dict.fromkeys([*special, *_NEWLINES, *WORDS, *_PAN_AND_SCAN_WORDS.split()])
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Sequence(
        [Split(Regex(r"\n+"), "isolated"), Split(Regex(" +"), "removed")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        extra_special_tokens=dict(markers),
        chat_template=template,
    )


def text_config(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Of a decoder of two layers, its weights large enough to make it decided."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 8192,
        "initializer_range": 0.2,
        "tie_word_embeddings": False,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def siglip_config(*, image_size: int, patch_size: int) -> dict[str, Any]:
    """Of a vision tower of two layers."""
    return {
        "model_type": "siglip_vision_model",
        "image_size": image_size,
        "patch_size": patch_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vision_use_head": False,
    }


def build_model(
    name: str, config: Any, tokenizer: PreTrainedTokenizerFast, seed: int, attention: str
) -> Any:
    """A seeded model of a class of transformers."""
    import transformers

    torch.manual_seed(seed)
    model = getattr(transformers, name)._from_config(config, attn_implementation=attention).eval()
    if config.vision_config.model_type == "siglip_vision_model":
        # Its own initialisation lets what all patches share outweigh what each shows.
        tower = getattr(model.model, "vision_tower", None) or model.model.vision_model
        torch.nn.init.normal_(tower.embeddings.patch_embedding.weight, std=0.5)
    # Visual tokens are never said, and an answer that holds one would be short of a picture.
    model.lm_head.weight.data[config.image_token_id] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


@contextmanager
def in_place_of_timm(modeling: Any, kind: str, tower: Callable[[], nn.Module]) -> Iterator[None]:
    """While a model is built, its tower is another: timm's needs torchvision.

    Args:
        modeling: The module of transformers that builds it by ``AutoModel``.
        kind: The ``model_type`` of the tower's configuration.
        tower: Makes the other.
    """
    build = modeling.AutoModel.from_config

    def built(part: Any, **more: Any) -> Any:
        return tower() if part.model_type == kind else build(part, **more)

    with patch.object(modeling.AutoModel, "from_config", built):
        yield
