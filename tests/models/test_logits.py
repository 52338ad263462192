"""Logits chunk by chunk: the model's own whatever its head is, in one memory where that is safe."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from mmx_core.models.logits import in_turn
from mmx_core.models.registry import adapter_for
from tests.models.test_families import tiny_of

FAMILIES = ("qwen2_vl", "gemma3", "paligemma")
SIZES = (5, 7, 3)


def adapter(family: str = "qwen2_vl", dtype: torch.dtype = torch.float32) -> Any:
    tiny = tiny_of(family)
    return adapter_for(copy.deepcopy(tiny.model).to(dtype), **tiny.parts)


def chunks(made: Any) -> list[torch.Tensor]:
    width, dtype = made.head_weight.shape[1], made.head_weight.dtype
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(size, width, generator=generator).to(dtype) for size in SIZES]


@torch.no_grad()
def assert_as_the_model_says(made: Any) -> None:
    given = chunks(made)
    found = [logits.clone() for logits in in_turn(made, given, max(SIZES))]
    for states, logits in zip(given, found, strict=True):
        assert torch.equal(logits, made.logits(states))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_in_turn_are_the_models_own(family: str, dtype: torch.dtype) -> None:
    assert_as_the_model_says(adapter(family, dtype))


def test_a_heads_bias_counts_in_turn_too() -> None:
    made = adapter()
    head = made.model.get_output_embeddings()
    head.bias = torch.nn.Parameter(torch.arange(float(len(head.weight))))
    assert_as_the_model_says(made)


def test_what_hangs_on_a_head_is_seen_in_turn_too() -> None:
    made = adapter()
    head = made.model.get_output_embeddings()
    head.register_forward_hook(lambda module, given, logits: 2 * logits)
    assert_as_the_model_says(made)
    made = adapter()
    head = made.model.get_output_embeddings()
    own = head.forward
    head.forward = lambda states: own(states) + 1  # as accelerate does
    assert_as_the_model_says(made)


def test_a_head_under_autocast_computes_in_half_precision_in_turn_too() -> None:
    made = adapter()
    with torch.autocast("cpu", torch.bfloat16):
        assert_as_the_model_says(made)
        with torch.no_grad():
            assert next(in_turn(made, chunks(made), max(SIZES))).dtype == torch.bfloat16


@torch.no_grad()
def test_a_plain_head_on_a_cpu_takes_no_memory_for_another_chunk() -> None:
    made = adapter()
    found = list(in_turn(made, chunks(made), max(SIZES)))
    places = {logits.data_ptr() for logits in found}
    assert tuple(map(len, found)) == SIZES, "a longer one behind a shorter"
    assert len(places) == 1
