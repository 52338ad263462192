"""Small models of Aya Vision, and of Command A Vision with its image processor's settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import build_model, siglip_config, spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

_MARKERS = {
    "boi_token": "<|START_OF_IMG|>",
    "eoi_token": "<|END_OF_IMG|>",
    "img_line_break_token": "<|IMG_LINE_BREAK|>",
    "image_token": "<|IMG_PATCH|>",
}
_TILES = {
    "tile_global": "TILE_GLOBAL",
    **{f"tile_{number}": f"TILE_{number}" for number in range(1, 37)},
}

SETTINGS: dict[str, Any] = {
    "size": {"height": 56, "width": 56},
    "resample": 3,
    "crop_to_patches": True,
    "max_patches": 6,
    "patch_size": 4,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "rescale_factor": 1 / 255,
}
"""Of Command A Vision's image processor: tiles of 56 pixels, ``patch_size`` tokens a side."""


def make_aya_vision(seed: int = 1) -> TinyModel:
    """Aya Vision: tiles of 58 pixels, of which 8 x 8 patches cover 56, 4 x 4 visual tokens each."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    processor = GotOcr2ImageProcessorPil(size={"height": 58, "width": 58}, max_patches=6)
    model, tokenizer = _model("AyaVision", {**_MARKERS, **_TILES}, TEMPLATE, seed, vision_side=58)
    return TinyModel(model, processor, tokenizer)


def make_cohere2_vision(seed: int = 0) -> TinyModel:
    """Command A Vision: tiles of 56 pixels, 4 x 4 visual tokens each."""
    template = TEMPLATE.replace("<image>", "<|IMG_PATCH|>")
    model, tokenizer = _model("Cohere2Vision", _MARKERS, template, seed, vision_side=56)
    return TinyModel(model, SimpleNamespace(**SETTINGS), tokenizer)


def _model(
    family: str, markers: dict[str, str], template: str, seed: int, *, vision_side: int
) -> tuple[Any, Any]:
    import transformers

    tokenizer = spaced_tokenizer(markers, template=template)
    config = getattr(transformers, f"{family}Config")(
        text_config={**text_config(tokenizer), "model_type": "cohere2", "sliding_window": 4096},
        vision_config=siglip_config(image_size=vision_side, patch_size=7),
        image_token_id=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
        alignment_intermediate_size=256,
        tie_word_embeddings=False,
    )
    model = build_model(f"{family}ForConditionalGeneration", config, tokenizer, seed, "sdpa")
    for layer in ("linear_1", "linear_2"):
        weight = model.model.multi_modal_projector.get_submodule(layer).weight
        torch.nn.init.normal_(weight, std=0.2)
    return model, tokenizer
