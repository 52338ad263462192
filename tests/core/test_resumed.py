"""Whether the weights of a resumed training are those of its checkpoint, in every family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainingArguments

from mmx_core.integrations.resumed import other_weights, resumed_from
from tests.support.families.google_mistral import make_gemma3, make_mistral3, make_paligemma
from tests.support.families.llava import make_llava, make_llava_next, make_llava_onevision
from tests.support.families.tiled import make_idefics3, make_internvl, make_smolvlm
from tests.support.tiny_models import FAMILIES, TinyModel, make_tiny

Make = Callable[..., TinyModel]
MAKERS: dict[str, Make] = {
    **{name: lambda seed, name=name, **how: make_tiny(name, seed=seed, **how) for name in FAMILIES},
    "tied": lambda seed: make_tiny(seed=seed, tie=True),
    "bfloat16": lambda seed: make_tiny(seed=seed, dtype=torch.bfloat16),
    "llava": make_llava,
    "llava_next": make_llava_next,
    "llava_onevision": make_llava_onevision,
    "internvl": make_internvl,
    "idefics3": make_idefics3,
    "smolvlm": make_smolvlm,
    "gemma3": make_gemma3,
    "paligemma": make_paligemma,
    "mistral3": make_mistral3,
}
STORED_UNDER_THEIR_OWN_NAMES = {"qwen3_vl", "idefics3", "smolvlm"}


def trained(make: Make, seed: int) -> Any:
    """A model whose every tensor has moved, also those that start from ones and zeros."""
    model = make(seed=seed).model
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise.to(parameter.dtype))
    return model


def trainer_of(model: Any, folder: Path) -> Trainer:
    arguments = TrainingArguments(output_dir=str(folder), report_to=[], use_cpu=True)
    return Trainer(model=model, args=arguments)


@pytest.mark.parametrize("family", MAKERS)
def test_what_the_trainer_has_lost_of_a_checkpoint_is_told_and_nothing_else(
    family: str, tmp_path: Path
) -> None:
    first = trained(MAKERS[family], 0)
    trainer_of(first, tmp_path)._save(str(tmp_path))
    again = trained(MAKERS[family], 1)
    trainer_of(again, tmp_path)._load_from_checkpoint(str(tmp_path))
    there = again.state_dict()
    lost = [name for name, tensor in first.state_dict().items() if not tensor.equal(there[name])]
    told = list(other_weights(again, tmp_path))
    # The day that transformers mends it, nothing is lost and nothing is told.
    assert bool(told) == bool(lost)
    if family in STORED_UNDER_THEIR_OWN_NAMES:
        assert not lost
    for text in told:
        # A tied head is stored once.
        assert text.startswith(f"{len(lost) - (family == 'tied')} of ")
    sound = type(first).from_pretrained(tmp_path, dtype=first.dtype)
    assert not list(other_weights(sound, tmp_path))
    # A model in another dtype holds the same weights, rounded.
    assert not list(other_weights(sound.to(torch.bfloat16), tmp_path))


def test_checkpoints_in_several_files_are_compared(tmp_path: Path) -> None:
    first = trained(make_tiny, 0)
    first.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    assert not list(other_weights(first, tmp_path))
    (told,) = other_weights(trained(make_tiny, 1), tmp_path)
    assert told.startswith("58 of 58 tensors")


def test_a_model_that_was_trained_a_little_further_is_not_the_checkpoints(tmp_path: Path) -> None:
    model = trained(make_tiny, 0)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        model.model.visual.blocks[1].attn.qkv.weight.mul_(1.001)
    (told,) = other_weights(model, tmp_path)
    assert told.startswith("1 of 58 tensors")
    assert "visual.blocks.1.attn.qkv.weight" in told


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl"])
def test_adapters_are_compared_with_the_checkpoints_adapters(family: str, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    def adapted(seed: int) -> Any:
        model = make_tiny(family).model
        torch.manual_seed(seed)
        how = LoraConfig(target_modules=["q_proj", "v_proj"], r=2, init_lora_weights=False)
        return get_peft_model(model, how)

    trainer_of(adapted(1), tmp_path)._save(str(tmp_path))
    again = adapted(2)
    (told,) = other_weights(again, tmp_path)
    assert told.startswith("8 of 8 tensors")
    trainer_of(again, tmp_path)._load_from_checkpoint(str(tmp_path))
    assert not list(other_weights(again, tmp_path))


@pytest.mark.parametrize("content", [None, b"", b"no safetensors"])
def test_where_there_is_nothing_to_compare_nothing_is_said(
    content: bytes | None, tmp_path: Path
) -> None:
    for name in ("model.safetensors", "model.safetensors.index.json"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert not list(other_weights(make_tiny().model, tmp_path / "none"))
        assert not list(other_weights(make_tiny().model, tmp_path))
        (tmp_path / name).unlink(missing_ok=True)


def test_the_checkpoint_is_the_one_that_the_caller_loads() -> None:
    def train(resume_from_checkpoint: str | bool | None) -> Path | None:
        return resumed_from()

    assert train("elsewhere/checkpoint-5") == Path("elsewhere/checkpoint-5")
    assert train(None) is None
    assert train(True) is None
