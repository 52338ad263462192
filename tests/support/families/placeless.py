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


def make_idefics2(seed: int = 0) -> TinyModel:
    """Idefics2: a tower of 10 x 10 positions at most, from which a perceiver makes 8 tokens."""
    import transformers
    from transformers.models.idefics2.image_processing_pil_idefics2 import Idefics2ImageProcessorPil

    template = (
        "{% for message in messages %}{{ message['role'] }} "
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
        "{% if add_generation_prompt %}assistant {% endif %}"
    )
    markers = {
        "image_token": "<image>",
        "image_boundary_token": "<fake_token_around_image>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    tokenizer = spaced_tokenizer(markers, template=template)
    config = transformers.Idefics2Config(
        text_config={**text_config(tokenizer), "model_type": "mistral", "sliding_window": None},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 140,
            "patch_size": 14,
            "initializer_range": 0.2,
        },
        perceiver_config={
            "hidden_size": 64,
            "resampler_n_latents": 8,
            "resampler_depth": 2,
            "resampler_n_heads": 4,
            "resampler_head_dim": 16,
            "num_key_value_heads": 2,
            "initializer_range": 0.2,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(seed)
    model = transformers.Idefics2ForConditionalGeneration._from_config(
        config, attn_implementation="sdpa"
    ).eval()
    torch.nn.init.normal_(model.model.connector.perceiver_resampler.latents, std=1.0)
    for token in (tokenizer.eos_token_id, config.image_token_id):
        model.lm_head.weight.data[token] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = Idefics2ImageProcessorPil(size={"shortest_edge": 56, "longest_edge": 140})
    return TinyModel(model, processor, tokenizer)


def make_blip_2(seed: int = 0) -> TinyModel:
    """BLIP-2: a tower of 4 x 4 patches, 6 queries, OPT."""
    import transformers
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    tokenizer = spaced_tokenizer({"image_token": "<image>"}, template=None)
    text = text_config(tokenizer)
    sides: dict[str, float] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.2,
    }
    config = transformers.Blip2Config(
        text_config={
            "model_type": "opt",
            "hidden_size": 64,
            "word_embed_proj_dim": 64,
            "ffn_dim": 128,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "init_std": 0.2,
            "max_position_embeddings": 512,
            **{n: text[n] for n in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id")},
        },
        vision_config={**sides, "image_size": 56, "patch_size": 14},
        qformer_config={**sides, "vocab_size": 8, "encoder_hidden_size": 32},
        num_query_tokens=6,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(seed)
    model = transformers.Blip2ForConditionalGeneration._from_config(
        config, attn_implementation="eager"
    ).eval()
    torch.nn.init.normal_(model.query_tokens, std=1.0)
    torch.nn.init.normal_(model.language_projection.weight, std=0.2)
    # Tied to the embeddings: a visual token's own marker must not be said, nor the end at once.
    for token in (tokenizer.eos_token_id, config.image_token_index):
        model.get_input_embeddings().weight.data[token] = 0
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    processor = BlipImageProcessorPil(size={"height": 56, "width": 56})
    return TinyModel(model, processor, tokenizer)
