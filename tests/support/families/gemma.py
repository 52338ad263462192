"""Small models of the Gemmas after the third, with their real image processors."""

from __future__ import annotations

from typing import Any

import torch

from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) }}"
    "{{ '\\n' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '\\n\\n<|image|>\\n\\n' }}"
    "{% elif part['type'] == 'video' %}{{ '\\n\\n<|video|>\\n\\n' }}"
    "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{{ '<turn|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|turn>model\\n' }}{% endif %}"
)
MARKERS = {
    "boi_token": "<|image>",
    "image_token": "<|image|>",
    "eoi_token": "<image|>",
    "video_token": "<|video|>",
    "sot_token": "<|turn>",
    "eot_token": "<turn|>",
}


def make_gemma4(
    seed: int = 0, *, bidirectional: bool = True, per_layer: int = 0, cap: float = 3.0
) -> TinyModel:
    """Gemma 4: at most 70 visual tokens of 2 x 2 patches of 8 pixels.

    Args:
        seed: Of the weights.
        bidirectional: Whether an image's tokens see one another both ways, as in the larger ones.
        per_layer: Width of the embeddings per layer that the smaller ones have.
        cap: Of the logits; a low one, which small logits feel.
    """
    from transformers import Gemma4Config
    from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

    tokenizer = spaced_tokenizer(MARKERS, template=TEMPLATE)
    config = Gemma4Config(
        text_config={
            **text_config(tokenizer),
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
            "global_head_dim": 16,
            "use_bidirectional_attention": "vision" if bidirectional else None,
            "hidden_size_per_layer_input": per_layer,
            "vocab_size_per_layer_input": len(tokenizer),
            "final_logit_softcapping": cap,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 8,
            "pooling_kernel_size": 2,
            "position_embedding_size": 256,
        },
        audio_config=None,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        boi_token_id=tokenizer.convert_tokens_to_ids("<|image>"),
        eoi_token_id=tokenizer.convert_tokens_to_ids("<image|>"),
        tie_word_embeddings=False,
    )
    model = _model("Gemma4ForConditionalGeneration", config, tokenizer, seed)
    image_processor = Gemma4ImageProcessorPil(
        patch_size=8, pooling_kernel_size=2, max_soft_tokens=70
    )
    return TinyModel(model, image_processor, tokenizer)


def _model(name: str, config: Any, tokenizer: Any, seed: int) -> Any:
    import transformers

    torch.manual_seed(seed)
    model = getattr(transformers, name)._from_config(config, attn_implementation="sdpa").eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    # Visual tokens are never said, and an answer that holds one would be short of a picture.
    model.lm_head.weight.data[config.image_token_id] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
