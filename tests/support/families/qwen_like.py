"""Small models with Qwen-VL's layout: Qwen-Omni's thinkers, ERNIE, PaddleOCR, VideoLLaMA 3."""

from __future__ import annotations

from typing import Any

from tests.support.families.native import (
    EXPERTS,
    PATCH,
    ROPE,
    VISION,
    qwen_processor,
    seeded_model,
)
from tests.support.families.parts import text_config
from tests.support.tiny_models import TinyModel, make_tokenizer

_AUDIO = {
    "num_mel_bins": 8,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "d_model": 16,
    "output_dim": 64,
}


def _ids(tokenizer: Any) -> dict[str, int]:
    return {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
    }


def make_qwen2_5_omni(seed: int = 0) -> TinyModel:
    """The thinker of Qwen2.5-Omni: cells of 16 pixels."""
    from transformers import Qwen2_5OmniThinkerConfig

    tokenizer = make_tokenizer()
    config = Qwen2_5OmniThinkerConfig(
        text_config={**text_config(tokenizer), "rope_parameters": ROPE},
        vision_config={**VISION, "fullatt_block_indexes": [1], "window_size": 64},
        audio_config=_AUDIO,
        image_token_index=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        tie_word_embeddings=False,
    )
    config.vision_start_token_id = tokenizer.convert_tokens_to_ids("<|vision_start|>")
    model = seeded_model("Qwen2_5OmniThinkerForConditionalGeneration", config, tokenizer, seed)
    return TinyModel(model, qwen_processor(), tokenizer)


def make_qwen3_omni(seed: int = 0) -> TinyModel:
    """The thinker of Qwen3-Omni: cells of 16 pixels, experts."""
    from transformers import Qwen3OmniMoeThinkerConfig

    tokenizer = make_tokenizer()
    config = Qwen3OmniMoeThinkerConfig(
        text_config={**text_config(tokenizer), **EXPERTS, "rope_parameters": ROPE},
        vision_config={
            **VISION,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        audio_config={**_AUDIO, "downsample_hidden_size": 8},
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    config.vision_start_token_id = tokenizer.convert_tokens_to_ids("<|vision_start|>")
    model = seeded_model("Qwen3OmniMoeThinkerForConditionalGeneration", config, tokenizer, seed)
    return TinyModel(model, qwen_processor(), tokenizer)


def make_ernie_vl(seed: int = 0) -> TinyModel:
    """ERNIE-4.5-VL: cells of 16 pixels, experts for text and for pictures."""
    from transformers import Ernie4_5_VLMoeConfig
    from transformers.models.ernie4_5_vl_moe.image_processing_pil_ernie4_5_vl_moe import (
        Ernie4_5_VLMoeImageProcessorPil,
    )

    tokenizer = make_tokenizer()
    config = Ernie4_5_VLMoeConfig(
        text_config={
            **text_config(tokenizer),
            "rope_parameters": {**ROPE, "mrope_section": [3, 3, 2]},
            "moe_intermediate_size": [32, 32],
            "moe_k": 2,
            "moe_num_experts": 4,
            "mlp_layer_types": ["dense", "sparse"],
        },
        vision_config={**VISION, "temporal_merge_size": 2},
        image_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        image_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    model = seeded_model("Ernie4_5_VLMoeForConditionalGeneration", config, tokenizer, seed)
    image_processor = Ernie4_5_VLMoeImageProcessorPil(
        patch_size=PATCH,
        merge_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    )
    return TinyModel(model, image_processor, tokenizer)


def make_paddleocr_vl(seed: int = 0) -> TinyModel:
    """PaddleOCR-VL: cells of 16 pixels."""
    from transformers import PaddleOCRVLConfig
    from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import (
        PaddleOCRVLImageProcessorPil,
    )

    tokenizer = make_tokenizer()
    config = PaddleOCRVLConfig(
        text_config={**text_config(tokenizer), "rope_parameters": ROPE},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": PATCH,
        },
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    model = seeded_model("PaddleOCRVLForConditionalGeneration", config, tokenizer, seed)
    image_processor = PaddleOCRVLImageProcessorPil(
        patch_size=PATCH,
        merge_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    )
    return TinyModel(model, image_processor, tokenizer)


def make_video_llama_3(seed: int = 0) -> TinyModel:
    """VideoLLaMA 3, for images: patches of 8 pixels, none merged."""
    from transformers import VideoLlama3Config
    from transformers.models.video_llama_3.image_processing_pil_video_llama_3 import (
        VideoLlama3ImageProcessorPil,
    )

    tokenizer = make_tokenizer()
    config = VideoLlama3Config(
        text_config={**text_config(tokenizer), "model_type": "qwen2"},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": PATCH,
        },
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    model = seeded_model("VideoLlama3ForConditionalGeneration", config, tokenizer, seed)
    image_processor = VideoLlama3ImageProcessorPil(
        patch_size=PATCH, merge_size=1, size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512}
    )
    return TinyModel(model, image_processor, tokenizer)
