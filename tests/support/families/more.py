"""Small models of Gemma 3n, HunYuan-VL and Granite Docling, with their real image processors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import transformers
from torch import nn

from tests.support.families.parts import in_place_of_timm, spaced_tokenizer, text_config
from tests.support.families.tiled import idefics3_tokenizer
from tests.support.tiny_models import TinyModel

GEMMA3N_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) }}"
    "{{ '\\n' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image_soft_token>' }}"
    "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{{ '<end_of_turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
HUNYUAN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<{{ message['role'] }}>"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<img_start><img><img_end>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


class Tower(nn.Module):
    """In place of timm's, which needs torchvision: states in channels, rows and columns."""

    def __init__(self, width: int, cell: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, cell, cell)

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        return BaseModelOutputWithPooling(last_hidden_state=self.patches(pixel_values).tanh())


def make_gemma3n(seed: int = 0) -> TinyModel:
    """Gemma 3n: 8 x 8 visual tokens of 14 pixels."""
    from transformers.models.gemma3n import modeling_gemma3n
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    names = ("start_of_turn", "end_of_turn", "start_of_image")
    marks = {f"{name}_token": f"<{name}>" for name in names}
    tokenizer = spaced_tokenizer(marks, template=GEMMA3N_TEMPLATE)
    # Behind the words, as in the released one.
    tokenizer.add_tokens(["<end_of_image>", "<image_soft_token>"], special_tokens=True)
    beyond = tokenizer.convert_tokens_to_ids("<end_of_image>")
    text = text_config(tokenizer)
    config = transformers.Gemma3nConfig(
        text_config={
            **{n: v for n, v in text.items() if n != "tie_word_embeddings"},
            "vocab_size": len(tokenizer) + 2,
            "vocab_size_per_layer_input": beyond,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 0,
            "layer_types": ["sliding_attention", "full_attention"],
            "sliding_window": 96,
            "laurel_rank": 8,
            "altup_num_inputs": 2,
            "activation_sparsity_pattern": [0.0, 0.0],
        },
        vision_config={"hidden_size": 32, "vocab_size": 2, "vocab_offset": beyond},
        audio_config={
            "hidden_size": 16,
            "vocab_size": 2,
            "vocab_offset": len(tokenizer),
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "sscp_conv_channel_size": [8, 8],
        },
        vision_soft_tokens_per_image=64,
        boi_token_id=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_id=beyond,
        image_token_id=beyond + 1,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    with in_place_of_timm(modeling_gemma3n, "gemma3n_vision", partial(Tower, 32, 14)):
        model = transformers.Gemma3nForConditionalGeneration._from_config(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    model.lm_head.weight.data[[beyond, beyond + 1, tokenizer.eos_token_id]] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = SiglipImageProcessorPil(size={"height": 112, "width": 112})
    return TinyModel(model, processor, tokenizer)


def make_hunyuan_vl(seed: int = 0) -> TinyModel:
    """HunYuan-VL: cells of 16 pixels."""
    from transformers.models.hunyuan_vl.image_processing_pil_hunyuan_vl import (
        HunYuanVLImageProcessorPil,
    )

    marks = {
        "image_token": "<img>",
        "image_start_token": "<img_start>",
        "image_end_token": "<img_end>",
        "user_token": "<user>",
        "assistant_token": "<assistant>",
    }
    tokenizer = spaced_tokenizer(marks, template=HUNYUAN_TEMPLATE)
    image = tokenizer.convert_tokens_to_ids("<img>")
    config = transformers.HunYuanVLConfig(
        text_config={
            **text_config(tokenizer),
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [2, 2, 2, 2],
            },
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "patch_size": 8,
            "max_image_size": 64,
            "text_hidden_size": 64,
            "out_hidden_size": 64,
        },
        image_token_id=image,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = transformers.HunYuanVLForConditionalGeneration._from_config(
        config, attn_implementation="sdpa"
    ).eval()
    for parameter in model.model.vision_tower.parameters():
        nn.init.normal_(parameter, std=0.2)
    model.lm_head.weight.data[image] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = HunYuanVLImageProcessorPil(
        patch_size=8, size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512}
    )
    return TinyModel(model, processor, tokenizer)


def make_granite_docling(*, fine: bool = False) -> TinyModel:
    """Granite Docling: tiles of 64 pixels, 4 x 4 visual tokens each or (fine) 8 x 8, 6 at most."""
    from transformers.models.granite_docling.image_processing_pil_granite_docling import (
        GraniteDoclingImageProcessorPil,
    )

    tokenizer = idefics3_tokenizer({}, breaks=("\n", "\n\n"))
    config = transformers.GraniteDoclingConfig(
        text_config={
            **{n: v for n, v in text_config(tokenizer).items() if n != "head_dim"},
            "embedding_multiplier": 1.0,
            "residual_multiplier": 1.0,
            "attention_multiplier": 0.25,
            "logits_scaling": 2.0,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 4,
            "out_hidden_size": 64,
            "scale_factor": 4,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = transformers.GraniteDoclingForConditionalGeneration._from_config(
        config, attn_implementation="sdpa"
    ).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    model.lm_head.weight.data[config.image_token_id] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = GraniteDoclingImageProcessorPil(
        size={"height": 64, "width": 64}, max_patches=6, fine_route=fine
    )
    return TinyModel(model, processor, tokenizer)


def make_granite_docling_fine() -> TinyModel:
    """The same on its fine path."""
    return make_granite_docling(fine=True)
