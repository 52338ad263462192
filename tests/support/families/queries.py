"""Small models of more families whose visual tokens stand for no place."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from tests.support.families.llava import TEMPLATE
from tests.support.families.parts import spaced_tokenizer, text_config
from tests.support.tiny_models import WORDS, TinyModel

MARKS = ("<image>", "</image>")
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.2,
}


def _model(
    name: str, config: Any, tokenizer: PreTrainedTokenizerFast, seed: int, attention: str = "sdpa"
) -> Any:
    """Seeded; every matrix is large enough for the text to see the picture."""
    torch.manual_seed(seed)
    model = getattr(transformers, name)._from_config(config, attn_implementation=attention).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def _silence(weight: Any, *tokens: int) -> None:
    """Of tokens that random weights must not say: marks, and the end at once."""
    weight.data[list(tokens)] = 0


def make_aria(seed: int = 0) -> TinyModel:
    """Aria: 49 patches of 70 pixels, of which 6 queries make visual tokens."""
    from transformers.models.aria.image_processing_pil_aria import AriaImageProcessorPil

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=TEMPLATE)
    config = transformers.AriaConfig(
        text_config={
            **text_config(tokenizer),
            "moe_num_experts": 4,
            "moe_num_shared_experts": 1,
            "num_key_value_heads": 4,
        },
        vision_config={**_VISION, "image_size": 490, "patch_size": 70},
        projector_patch_to_query_dict={49: 6},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = _model("AriaForConditionalGeneration", config, tokenizer, seed)
    _silence(model.lm_head.weight, tokenizer.eos_token_id, config.image_token_index)
    processor = AriaImageProcessorPil(max_image_size=490, min_image_size=70)
    return TinyModel(model, processor, tokenizer)


def _kosmos_tokenizer() -> PreTrainedTokenizerFast:
    """Words follow the four special tokens, as in the released one, and the marks come last."""
    named = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
    words = {word: index for index, word in enumerate([*named.values(), *dict.fromkeys(WORDS)])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    tokens = {f"{name}_token": token for name, token in named.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)


def _kosmos_text(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "embed_dim": 64,
        "layers": 2,
        "ffn_dim": 128,
        "attention_heads": 4,
        "dropout": 0.0,
        "init_std": 0.2,
        "max_position_embeddings": 512,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def make_kosmos_2(seed: int = 0) -> TinyModel:
    """Kosmos-2: a tower of 4 x 4 patches, 6 queries."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = _kosmos_tokenizer()
    config = transformers.Kosmos2Config(
        text_config=_kosmos_text(tokenizer),
        vision_config={**_VISION, "image_size": 56, "patch_size": 14},
        latent_query_num=6,
        tie_word_embeddings=False,
    )
    model = _model("Kosmos2ForConditionalGeneration", config, tokenizer, seed, "eager")
    marks = tokenizer.convert_tokens_to_ids([*MARKS, "</s>"])
    _silence(model.text_model.lm_head.weight, *marks)
    square = {"height": 56, "width": 56}
    return TinyModel(model, CLIPImageProcessorPil(size=square, do_center_crop=False), tokenizer)


def make_kosmos_2_5(seed: int = 0) -> TinyModel:
    """Kosmos-2.5: at most 16 patches, 6 queries."""
    from transformers.models.kosmos2_5.image_processing_pil_kosmos2_5 import (
        Kosmos2_5ImageProcessorPil,
    )

    tokenizer = _kosmos_tokenizer()
    config = transformers.Kosmos2_5Config(
        text_config=_kosmos_text(tokenizer),
        vision_config={
            **{n: v for n, v in _VISION.items() if n != "initializer_range"},
            "patch_embed_hidden_size": 8 * 8 * 3,
            "head_dim": 16,
            "max_num_patches": 16,
        },
        latent_query_num=6,
        tie_word_embeddings=False,
    )
    model = _model("Kosmos2_5ForConditionalGeneration", config, tokenizer, seed, "eager")
    marks = tokenizer.convert_tokens_to_ids([*MARKS, "</s>"])
    _silence(model.text_model.lm_head.weight, *marks)
    processor = Kosmos2_5ImageProcessorPil(patch_size={"height": 8, "width": 8}, max_patches=16)
    return TinyModel(model, processor, tokenizer)


def make_idefics(seed: int = 0) -> TinyModel:
    """Idefics: a tower of 4 x 4 patches, cross-attention before every other layer."""
    from transformers.models.idefics.image_processing_pil_idefics import IdeficsImageProcessorPil

    names = ("fake_token_around_image", "image", "end_of_utterance")
    tokenizer = spaced_tokenizer({f"{name}_token": f"<{name}>" for name in names}, template=None)
    text = text_config(tokenizer)
    kept = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    tokens = ("bos_token_id", "eos_token_id", "pad_token_id")
    config = transformers.IdeficsConfig(
        # The marks are beyond the first head's vocabulary, as in the released models.
        vocab_size=len(tokenizer) - 2,
        additional_vocab_size=2,
        alpha_initializer="ones",
        cross_layer_interval=2,
        freeze_text_layers=False,
        vision_config={
            "embed_dim": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
        },
        **{name: text[name] for name in (*kept, *tokens)},
    )
    model = _model("IdeficsForVisionText2Text", config, tokenizer, seed)
    _silence(model.lm_head.weight, tokenizer.eos_token_id)
    return TinyModel(model, IdeficsImageProcessorPil(image_size=56), tokenizer)


def make_blip(seed: int = 0) -> TinyModel:
    """BLIP: a tower of 4 x 4 patches, a decoder that looks at them in every layer."""
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = spaced_tokenizer({}, template=None)
    tokenizer.add_special_tokens({"cls_token": "[CLS]", "sep_token": "[SEP]"})
    config = transformers.BlipConfig(
        text_config={
            **_VISION,
            "encoder_hidden_size": 32,
            "vocab_size": len(tokenizer),
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "sep_token_id": tokenizer.sep_token_id,
        },
        vision_config={**_VISION, "image_size": 56, "patch_size": 14},
        tie_word_embeddings=False,
    )
    model = _model("BlipForConditionalGeneration", config, tokenizer, seed, "eager")
    head = model.text_decoder.get_output_embeddings()
    _silence(head.weight, tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    return TinyModel(model, BlipImageProcessorPil(size={"height": 56, "width": 56}), tokenizer)


def make_instructblip(seed: int = 0) -> TinyModel:
    """InstructBLIP: a tower of 4 x 4 patches, 6 queries that read the prompt, Llama."""
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=None)
    own = spaced_tokenizer({}, template=None)
    config = transformers.InstructBlipConfig(
        text_config={**text_config(tokenizer), "model_type": "llama"},
        vision_config={**_VISION, "image_size": 56, "patch_size": 14},
        qformer_config={**_VISION, "vocab_size": len(own), "encoder_hidden_size": 32},
        num_query_tokens=6,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = _model("InstructBlipForConditionalGeneration", config, tokenizer, seed, "eager")
    marks = (tokenizer.eos_token_id, config.image_token_index)
    _silence(model.language_model.lm_head.weight, *marks)
    tokenizer.qformer_tokenizer = own
    return TinyModel(model, BlipImageProcessorPil(size={"height": 56, "width": 56}), tokenizer)


def make_deepseek_ocr2(seed: int = 0) -> TinyModel:
    """DeepSeek-OCR 2: tiles of 64 pixels and the whole of 128, 5 queries for each."""
    from transformers.models.deepseek_ocr2.image_processing_pil_deepseek_ocr2 import (
        DeepseekOcr2ImageProcessorPil,
    )

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=None)
    sides = {n: v for n, v in _VISION.items() if n not in ("intermediate_size",)}
    config = transformers.DeepseekOcr2Config(
        text_config={
            **text_config(tokenizer),
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "mlp_layer_types": ["dense", "sparse"],
        },
        vision_config={
            "sam_config": {
                **sides,
                "image_size": 128,
                "patch_size": 8,
                "mlp_dim": 64,
                "window_size": 4,
                "global_attn_indexes": [1],
                "output_channels": 32,
                "downsample_channels": [32, 32],
            },
            "encoder_config": {**_VISION, "num_key_value_heads": 2},
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    model = _model("DeepseekOcr2ForConditionalGeneration", config, tokenizer, seed)
    # The class has 144, whatever its configuration.
    model.model.vision_tower.query_768_resolution = torch.nn.Embedding(5, 32)
    _silence(model.lm_head.weight, tokenizer.eos_token_id, config.image_token_id)
    processor = DeepseekOcr2ImageProcessorPil(size={"height": 128, "width": 128}, tile_size=64)
    return TinyModel(model, processor, tokenizer)
