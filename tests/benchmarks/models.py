"""Models whose speed is measured: the demo's, and random weights in real shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from tests.support.tiny_models import CHAT_TEMPLATE, TinyModel, make_tokenizer

DEMO_CHECKPOINTS = Path(__file__).parents[2] / "demo" / "checkpoints" / "grounded"
_VISION = {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "mlp_ratio": 4}
SHAPES: dict[str, dict[str, Any]] = {
    "wide": {
        "text": (1024, 4096, 4, 16, 4, 151_936, False),
        "vision": {"depth": 4, "embed_dim": 512, "num_heads": 8},
        "sections": [8, 12, 12],
    },
    "2b": {
        "text": (1536, 8960, 28, 12, 2, 151_936, True),
        "vision": {"depth": 32, "embed_dim": 1280, "num_heads": 16},
        "sections": [16, 24, 24],
    },
    "7b": {
        "text": (3584, 18_944, 28, 28, 4, 152_064, False),
        "vision": {"depth": 32, "embed_dim": 1280, "num_heads": 16},
        "sections": [16, 24, 24],
    },
}


def load(name: str, device: str) -> TinyModel:
    """The demo's last checkpoint, SmolLM2 with eyes, or one of ``SHAPES`` with random weights."""
    import transformers
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    if name == "demo":
        from mmx_core.models.loading import load_parts

        last = sorted(DEMO_CHECKPOINTS.iterdir())[-1]
        model, image_processor, tokenizer, _ = load_parts(last, device=device, dtype=torch.float32)
        return TinyModel(model, image_processor, tokenizer)
    if name == "pretrained":
        from tests.benchmarks.pretrained import model as pretrained

        return pretrained.load()
    hidden, inner, layers, heads, kv_heads, vocabulary, tie = SHAPES[name]["text"]
    tokenizer = _wide_tokenizer(vocabulary)
    marker = tokenizer.convert_tokens_to_ids
    config = transformers.Qwen2VLConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv_heads,
            "tie_word_embeddings": tie,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": SHAPES[name]["sections"],
            },
        },
        vision_config={**_VISION, **SHAPES[name]["vision"], "hidden_size": hidden},
        image_token_id=marker("<|image_pad|>"),
        video_token_id=marker("<|video_pad|>"),
        vision_start_token_id=marker("<|vision_start|>"),
        vision_end_token_id=marker("<|vision_end|>"),
        tie_word_embeddings=tie,
    )
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = transformers.Qwen2VLForConditionalGeneration(config).eval()
    finally:
        torch.set_default_dtype(previous)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return TinyModel(model, Qwen2VLImageProcessorPil(), tokenizer)


def _wide_tokenizer(vocabulary: int) -> Any:
    """As many words as the real vocabulary has entries, so that rows of the head are real."""
    from transformers import PreTrainedTokenizerFast

    small = make_tokenizer()
    entries = dict(small.get_vocab())
    entries |= {f"w{index}": index for index in range(len(entries), vocabulary)}
    backend = Tokenizer(WordLevel(entries, unk_token="<|unk|>"))
    backend.pre_tokenizer = WhitespaceSplit()
    markers = ("image", "video", "vision_start", "vision_end", "im_start")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<|unk|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        extra_special_tokens={f"{m}_token": getattr(small, f"{m}_token") for m in markers},
        chat_template=CHAT_TEMPLATE,
    )


def picture(side: int) -> Image.Image:
    """A square picture of smooth noise."""
    noise = torch.rand(side // 8, side // 8, 3, generator=torch.Generator().manual_seed(0))
    return Image.fromarray((noise * 255).byte().numpy()).resize((side, side))
