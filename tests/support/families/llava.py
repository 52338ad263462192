"""Small models of LLaVA-1.5, LLaVA-NeXT and LLaVA-OneVision, with their real image processors."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from tests.support.families.parts import (
    build_model,
    siglip_config,
    spaced_tokenizer,
    text_config,
)
from tests.support.tiny_models import TinyModel

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }} "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image> "
    "{% elif part['type'] == 'video' %}<video> {% else %}"
    "{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant {% endif %}"
)
PINPOINTS = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]


def make_llava(seed: int = 0, **settings: Any) -> TinyModel:
    """LLaVA-1.5: CLIP of 56 pixels and 8 x 8 patches, the centre of the image cropped.

    Args:
        seed: Of the weights.
        settings: Of the configuration.
    """
    from transformers import CLIPImageProcessorPil, LlavaConfig

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=TEMPLATE)
    config = LlavaConfig(
        text_config=_llama(tokenizer),
        vision_config=_clip(56, 7),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
        **settings,
    )
    model = _projected("LlavaForConditionalGeneration", config, tokenizer, seed)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    return TinyModel(model, processor, tokenizer)


def make_vipllava(seed: int = 0) -> TinyModel:
    """ViP-LLaVA: CLIP as above, features of several of its layers."""
    from transformers import CLIPImageProcessorPil, VipLlavaConfig

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=TEMPLATE)
    config = VipLlavaConfig(
        text_config=_llama(tokenizer),
        vision_config=_clip(56, 7),
        vision_feature_layers=[-1, -2, 1],
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    model = _projected("VipLlavaForConditionalGeneration", config, tokenizer, seed)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    return TinyModel(model, processor, tokenizer)


def make_video_llava(seed: int = 0) -> TinyModel:
    """Video-LLaVA: CLIP of 56 pixels and 8 x 8 patches, for images and for frames."""
    from transformers import VideoLlavaConfig, VideoLlavaImageProcessor

    markers = {"image_token": "<image>", "video_token": "<video>"}
    tokenizer = spaced_tokenizer(markers, template=TEMPLATE)
    config = VideoLlavaConfig(
        text_config=_llama(tokenizer),
        vision_config=_clip(56, 7),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        tie_word_embeddings=False,
    )
    model = _projected("VideoLlavaForConditionalGeneration", config, tokenizer, seed)
    processor = VideoLlavaImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    return TinyModel(model, processor, tokenizer)


def make_llava_next_video(seed: int = 0) -> TinyModel:
    """LLaVA-NeXT-Video, for images: as LLaVA-NeXT."""
    return make_llava_next(seed, name="LlavaNextVideo")


def make_llava_next(seed: int = 0, *, name: str = "LlavaNext") -> TinyModel:
    """LLaVA-NeXT: tiles of 56 pixels through CLIP, 8 x 8 patches each.

    Args:
        seed: Of the weights.
        name: Of the class, up to ``ForConditionalGeneration``.
    """
    import transformers
    from transformers.models.llava_next.image_processing_pil_llava_next import (
        LlavaNextImageProcessorPil,
    )

    markers = {"image_token": "<image>", "video_token": "<video>"}
    tokenizer = spaced_tokenizer(markers, template=TEMPLATE)
    videos = {"video_token_index": tokenizer.convert_tokens_to_ids("<video>")}
    config = getattr(transformers, f"{name}Config")(
        text_config=_llama(tokenizer),
        vision_config=_clip(56, 7),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        **(videos if name == "LlavaNextVideo" else {}),
        image_grid_pinpoints=PINPOINTS,
        tie_word_embeddings=False,
    )
    model = _projected(f"{name}ForConditionalGeneration", config, tokenizer, seed)
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": 56},
        crop_size={"height": 56, "width": 56},
        image_grid_pinpoints=PINPOINTS,
    )
    return TinyModel(model, processor, tokenizer)


def make_llava_onevision(seed: int = 0, *, most_tiles: int = 9) -> TinyModel:
    """LLaVA-OneVision: tiles of 58 pixels through SigLIP, 8 x 8 patches that leave two over.

    Args:
        seed: Of the weights.
        most_tiles: More are pooled.
    """
    from transformers import LlavaOnevisionConfig
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )

    sides = [58, 116, 174]
    pinpoints = [[tall, wide] for tall in sides for wide in sides]
    tokenizer = spaced_tokenizer(
        {"image_token": "<image>", "video_token": "<video>"}, template=TEMPLATE
    )
    config = LlavaOnevisionConfig(
        text_config={**text_config(tokenizer), "model_type": "qwen2"},
        vision_config=siglip_config(image_size=58, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio=f"anyres_max_{most_tiles}",
        tie_word_embeddings=False,
    )
    model = _projected("LlavaOnevisionForConditionalGeneration", config, tokenizer, seed)
    processor = LlavaOnevisionImageProcessorPil(
        size={"height": 58, "width": 58}, image_grid_pinpoints=pinpoints
    )
    return TinyModel(model, processor, tokenizer)


def _llama(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {**text_config(tokenizer), "model_type": "llama"}


def _clip(image_size: int, patch_size: int) -> dict[str, Any]:
    return {
        "model_type": "clip_vision_model",
        "image_size": image_size,
        "patch_size": patch_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "projection_dim": 32,
    }


def _projected(name: str, config: Any, tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
    model = build_model(name, config, tokenizer, seed, "sdpa")
    for layer in ("linear_1", "linear_2"):
        torch.nn.init.normal_(
            model.model.multi_modal_projector.get_submodule(layer).weight, std=0.2
        )
    names = ("vision_tower", "image_tower", "video_tower")
    if config.vision_config.model_type == "clip_vision_model":
        for tower in (getattr(model.model, name) for name in names if hasattr(model.model, name)):
            embeddings = getattr(tower, "vision_model", tower).embeddings
            # Its own initialisation lets what all patches share outweigh what each shows.
            torch.nn.init.normal_(embeddings.patch_embedding.weight, std=0.5)
    if hasattr(model.model, "image_newline"):
        torch.nn.init.normal_(model.model.image_newline, std=0.5)
    return model
