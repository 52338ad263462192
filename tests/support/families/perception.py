"""A small Perception LM, with another tower in place of timm's, and its processor's settings."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from torch import nn

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import in_place_of_timm, spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

SETTINGS: dict[str, Any] = {
    "vision_input_type": "thumb+tile",
    "tile_size": 56,
    "max_num_tiles": 6,
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 1 / 255,
}


class Tower(nn.Module):
    """In place of timm's: a class token, then the patches' states in a row."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.first = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        states = self.patches(pixel_values).flatten(2).transpose(1, 2).tanh()
        first = self.first.expand(len(states), -1, -1)
        return BaseModelOutputWithPooling(last_hidden_state=torch.cat([first, states], dim=1))


def make_perception_lm(seed: int = 0) -> TinyModel:
    """Perception LM: tiles of 56 pixels, of 4 x 4 visual tokens that pool 2 x 2 patches."""
    from transformers.models.perception_lm import modeling_perception_lm

    template = TEMPLATE.replace("<image>", "<|image|>").replace("<video>", "<|video|>")
    marks = {"image_token": "<|image|>", "video_token": "<|video|>"}
    tokenizer = spaced_tokenizer(marks, template=template)
    told = {"embed_dim": 32, "img_size": (56, 56), "ref_feat_shape": (8, 8)}
    config = transformers.PerceptionLMConfig(
        text_config={**text_config(tokenizer), "model_type": "llama"},
        vision_config={
            "model_type": "timm_wrapper",
            "architecture": "vit_pe_core_large_patch14_336",
            "model_args": told,
        },
        vision_use_cls_token=True,
        projector_pooling_ratio=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<|image|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video|>"),
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    with in_place_of_timm(modeling_perception_lm, "timm_wrapper", partial(Tower, 32, 7)):
        model = transformers.PerceptionLMForConditionalGeneration._from_config(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.2)
    said = [config.image_token_id, config.video_token_id, tokenizer.eos_token_id]
    model.lm_head.weight.data[said] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return TinyModel(model, SimpleNamespace(**SETTINGS), tokenizer)
