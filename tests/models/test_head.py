"""The head as a matrix, read from single layers; whole models are in test_wrappers."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch

from mmx_core.models.head import bias_of_head, device_of, vocabulary_size, weight_of_head


def model_with(head: object) -> SimpleNamespace:
    return SimpleNamespace(get_output_embeddings=lambda: head)


def test_a_plain_heads_weight_and_bias_are_its_own() -> None:
    head = torch.nn.Linear(4, 7)
    model = model_with(head)
    assert weight_of_head(model) is head.weight and bias_of_head(model) is head.bias
    assert vocabulary_size(model) == 7
    assert device_of(head) == torch.device("cpu")
    assert bias_of_head(model_with(torch.nn.Linear(4, 7, bias=False))) is None


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_heads_weight_is_given_back_in_floats() -> None:
    plain = torch.nn.Sequential(torch.nn.Linear(4, 7))
    packed = torch.ao.quantization.quantize_dynamic(copy.deepcopy(plain), dtype=torch.qint8)[0]
    weight, bias = weight_of_head(model_with(packed)), bias_of_head(model_with(packed))
    assert torch.allclose(weight, plain[0].weight, atol=0.01) and weight.dtype == torch.float32
    assert bias is not None and torch.equal(bias, plain[0].bias)
    assert device_of(packed) == torch.device("cpu")


def test_an_offloaded_heads_weight_is_fetched_from_where_it_is_kept() -> None:
    kept = {"weight": torch.ones(7, 4), "bias": torch.zeros(7)}
    head = torch.nn.Linear(4, 7, device="meta")
    head._hf_hook = SimpleNamespace(weights_map=kept, execution_device="cpu")
    assert torch.equal(weight_of_head(model_with(head)), kept["weight"])
    assert torch.equal(bias_of_head(model_with(head)), kept["bias"])
    assert device_of(head) == torch.device("cpu")


def adapted(**settings: object) -> tuple[SimpleNamespace, object]:
    """A model whose head PEFT has wrapped, and the head."""
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(0)
    whole = torch.nn.ModuleDict({"lm_head": torch.nn.Linear(4, 7, bias=False)})
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["lm_head"], **settings), whole)
    head = whole["lm_head"]
    with torch.no_grad():
        head.lora_B["default"].weight.normal_()
    model = model_with(head)
    model.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(hidden_size=4))
    model.dtype = torch.float32
    return model, head


def test_an_adapted_heads_weight_is_what_it_has_become() -> None:
    model, head = adapted()
    expected = head.base_layer.weight + head.get_delta_weight("default")
    torch.testing.assert_close(weight_of_head(model), expected)
    assert bias_of_head(model) is None
    assert vocabulary_size(model) == 7
    assert device_of(head) == torch.device("cpu")


def test_an_adapted_heads_weight_is_read_beside_its_bias() -> None:
    model, head = adapted(lora_bias=True)
    with torch.no_grad():
        head.lora_B["default"].bias.copy_(torch.arange(7.0))
    expected = head.base_layer.weight + head.get_delta_weight("default")
    torch.testing.assert_close(weight_of_head(model), expected, atol=1e-5, rtol=1e-5)
    scaling = head.scaling["default"]
    torch.testing.assert_close(bias_of_head(model), scaling * torch.arange(7.0))
