"""Small models of the families that cut an image into tiles: InternVL, Idefics3, SmolVLM."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Sequence, Split
from transformers import PreTrainedTokenizerFast

from tests.support.families.parts import text_config
from tests.support.tiny_models import WORDS, TinyModel

INTERNVL_TEMPLATE = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<IMG_CONTEXT>\n"
    "{% elif part['type'] == 'video' %}<video>\n{% else %}"
    "{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant\n{% endif %}"
)
IDEFICS3_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] }} : "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)


def make_internvl(seed: int = 0, *, name: str = "InternVL") -> TinyModel:
    """InternVL: tiles of 56 pixels, 4 x 4 visual tokens each, 6 tiles at most.

    Args:
        seed: Of the weights.
        name: Of the class, up to ``ForConditionalGeneration``.
    """
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    tokenizer = _tokenizer(
        {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
            "im_start_token": "<|im_start|>",
        },
        INTERNVL_TEMPLATE,
    )
    config = getattr(transformers, f"{name}Config")(
        text_config={"model_type": "qwen2", **text_config(tokenizer)},
        vision_config={**_vision(), "image_size": 56, "patch_size": 7, "layer_norm_eps": 1e-6},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    model = _model(f"{name}ForConditionalGeneration", config, tokenizer, seed)
    # They start at zero, which would hide how they are interpolated.
    embeddings = model.model.vision_tower.embeddings
    torch.nn.init.normal_(embeddings.position_embeddings, std=0.2)
    torch.nn.init.normal_(embeddings.cls_token, std=0.2)
    image_processor = GotOcr2ImageProcessorPil(
        size={"height": 56, "width": 56},
        min_patches=1,
        max_patches=6,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    return TinyModel(model, image_processor, tokenizer)


def make_idefics3(seed: int = 0) -> TinyModel:
    """Idefics3: tiles of 56 pixels, 4 x 4 visual tokens each, two of them along the longer edge.

    Its tokenizer has one token for two line breaks, as the released one.
    """
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    tokenizer = idefics3_tokenizer({}, breaks=("\n", "\n\n"))
    config = transformers.Idefics3Config(
        text_config={"model_type": "llama", **text_config(tokenizer)},
        vision_config={**_vision(), "image_size": 56, "patch_size": 7},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        tie_word_embeddings=False,
    )
    model = _model("Idefics3ForConditionalGeneration", config, tokenizer, seed)
    image_processor = Idefics3ImageProcessorPil(
        size={"longest_edge": 112}, max_image_size={"longest_edge": 56}
    )
    return TinyModel(model, image_processor, tokenizer)


def make_smolvlm(seed: int = 0) -> TinyModel:
    """SmolVLM: tiles of 66 pixels, of which the 9 x 9 patches of 7 pixels cover 63.

    So it is with SmolVLM-Instruct, where 27 patches of 14 pixels cover 378 of 384. A tile has
    3 x 3 visual tokens; three tiles lie along the longer edge.
    """
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    named = {
        "fake_image_token": "<fake_token_around_image>",
        "image_token": "<image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
        "video_token": "<video>",
    }
    tokenizer = idefics3_tokenizer(named, breaks=("\n",))
    config = transformers.SmolVLMConfig(
        text_config={"model_type": "llama", **text_config(tokenizer)},
        vision_config={**_vision(), "image_size": 66, "patch_size": 7},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=3,
        tie_word_embeddings=False,
    )
    model = _model("SmolVLMForConditionalGeneration", config, tokenizer, seed)
    image_processor = SmolVLMImageProcessorPil(
        size={"longest_edge": 198}, max_image_size={"longest_edge": 66}
    )
    return TinyModel(model, image_processor, tokenizer)


def idefics3_tokenizer(named: dict[str, str], breaks: tuple[str, ...]) -> PreTrainedTokenizerFast:
    markers = ["<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>"]
    places = {
        f"row_{row}_col_{column}_token": f"<row_{row}_col_{column}>"
        for row in range(1, 7)
        for column in range(1, 7)
    }
    others = {f"marker_{index}_token": marker for index, marker in enumerate(markers)}
    return _tokenizer(
        {"im_start_token": "<|im_start|>", **(named or others), **places}, IDEFICS3_TEMPLATE, breaks
    )


def _tokenizer(
    markers: dict[str, str], template: str, breaks: tuple[str, ...] = ("\n",)
) -> PreTrainedTokenizerFast:
    """Words between blanks, markers wherever they stand, line breaks as tokens."""
    words = ["<|unk|>", "<|im_end|>", *markers.values(), *breaks, ":", *WORDS]
    tokenizer = Tokenizer(
        WordLevel({word: index for index, word in enumerate(words)}, unk_token="<|unk|>")
    )
    runs = "|".join(sorted(breaks, key=len, reverse=True))
    tokenizer.pre_tokenizer = Sequence(
        [Split(Regex("[^\\S\n]+"), "removed"), Split(Regex(runs), "isolated")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<|unk|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        extra_special_tokens=markers,
        chat_template=template,
    )


def _vision() -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.2,
    }


def _model(name: str, config: Any, tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
    torch.manual_seed(seed)
    model = getattr(transformers, name)._from_config(config, attn_implementation="sdpa").eval()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    # Random weights may well answer with it, for which there would be no pixels.
    torch.nn.init.zeros_(model.get_output_embeddings().weight[config.image_token_id])
    return model
