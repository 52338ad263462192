"""A small model of Ovis2, with its real image processor."""

from __future__ import annotations

import torch

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import build_model, spaced_tokenizer, text_config
from tests.support.tiny_models import TinyModel

_MARKERS = {
    "atom_token": "<IMG_ATOM>",
    **{f"{n.lower()}_token": f"<IMG_{n}>" for n in ("START", "GRID", "COL", "ROW", "END")},
}


def make_ovis2(seed: int = 0) -> TinyModel:
    """Ovis2: tiles of 56 pixels, 4 x 4 visual tokens of a vocabulary of 48 each."""
    import transformers
    from transformers.models.ovis2.image_processing_pil_ovis2 import Ovis2ImageProcessorPil

    tokenizer = spaced_tokenizer(_MARKERS, template=TEMPLATE)
    names = ("START", "GRID", "COL", "ROW", "END")
    config = transformers.Ovis2Config(
        text_config={**text_config(tokenizer), "model_type": "qwen2"},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 7,
            "hidden_stride": 2,
            "vocab_size": 48,
            "initializer_range": 0.1,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=[
            tokenizer.convert_tokens_to_ids(f"<IMG_{name}>") for name in names
        ],
        vocab_size=len(tokenizer),
        hidden_size=64,
        tie_word_embeddings=False,
    )
    model = build_model("Ovis2ForConditionalGeneration", config, tokenizer, seed, "sdpa")
    torch.nn.init.normal_(model.model.visual_embeddings_table.weight, std=0.5)
    processor = Ovis2ImageProcessorPil(
        size={"height": 56, "width": 56}, max_patches=6, crop_to_patches=True
    )
    return TinyModel(model, processor, tokenizer)
