"""Small models of families whose visual tokens stand for no place, with real image processors."""

from __future__ import annotations

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel


def make_mllama(seed: int = 0) -> TinyModel:
    """Llama 3.2 Vision: four tiles of 56 pixels at most, cross-attention in every other layer."""
    import transformers
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    template = TEMPLATE.replace("<image>", "<|image|>")
    tokenizer = spaced_tokenizer({}, template=template)
    tokenizer.add_tokens(["<|image|>"], special_tokens=True)
    text = {name: value for name, value in text_config(tokenizer).items() if name != "head_dim"}
    image_id = tokenizer.convert_tokens_to_ids("<|image|>")
    rope = {"rope_type": "default", "rope_theta": 1e4}
    config = transformers.MllamaConfig(
        text_config={
            **text,
            # The marker is beyond the head's vocabulary, as in the released models.
            "vocab_size": image_id,
            "num_hidden_layers": 4,
            "cross_attention_layers": [1, 3],
            "rope_parameters": rope,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
            "intermediate_layers_indices": [0],
            "vision_output_dim": 64,
            "initializer_range": 0.2,
        },
        image_token_index=image_id,
    )
    torch.manual_seed(seed)
    model = transformers.MllamaForConditionalGeneration._from_config(
        config, attn_implementation="sdpa"
    ).eval()
    # They start closed, and the text would not see the picture.
    for name, parameter in model.named_parameters():
        if name.endswith("gate"):
            torch.nn.init.constant_(parameter, 1.0)
    # Random weights may well begin with the end.
    model.lm_head.weight.data[tokenizer.eos_token_id] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = MllamaImageProcessorPil(size={"height": 56, "width": 56})
    return TinyModel(model, processor, tokenizer)
