"""Models as training tools wrap them: the explanation is that of the model inside."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mmx_core import Explainer
from mmx_core.models import register
from mmx_core.models.registry import _ADAPTERS, unwrapped
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import tiny_of

ANSWER = "a red circle is left of a blue square"
FAMILIES = ("qwen2_vl", "llava", "internvl", "gemma3")


def explain(model: Any, family: str, scales: tuple[float, ...] = (1.0, 1.5)):
    return Explainer(model, **tiny_of(family).parts, scales=scales).explain(
        noise(64, 96), PROMPT, answer=ANSWER
    )


def compiled(model: Any) -> Any:
    return torch.compile(model, backend="eager")


def data_parallel(model: Any) -> Any:
    return torch.nn.DataParallel(model)


def dispatched(model: Any) -> Any:
    from accelerate import dispatch_model

    devices = {name: "cpu" for name, _ in model.named_children()}
    return dispatch_model(model, device_map=devices, main_device="cpu", force_hooks=True)


def offloaded(model: Any) -> Any:
    """Weights wait elsewhere until a layer runs; between forwards they have no data."""
    from accelerate import cpu_offload

    return cpu_offload(model, execution_device=torch.device("cpu"))


class Engine(torch.nn.Module):
    """As DeepSpeed's: it hands on what its module has, and has a ``config`` that is its own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.module = model
        self.config = {"train_micro_batch_size_per_gpu": 1}

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)


def with_lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    # B starts at zero, so that the wrapped model is the model.
    return get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "wrap", [compiled, data_parallel, dispatched, offloaded, Engine, with_lora]
)
def test_a_wrapped_model_is_explained_as_the_model(family: str, wrap: Callable[[Any], Any]) -> None:
    tiny = tiny_of(family)
    # CLIP interpolates its positions behind the back of the hooks that fetch offloaded weights.
    scales = (1.0,) if (wrap, family) == (offloaded, "llava") else (1.0, 1.5)
    expected = explain(tiny.model, family, scales)
    found = explain(wrap(copy.deepcopy(tiny.model)), family, scales)
    np.testing.assert_allclose(found.heatmap, expected.heatmap, atol=1e-4)
    np.testing.assert_allclose(found.base.probability, expected.base.probability, atol=1e-5)


@pytest.mark.parametrize("family", ["qwen2_vl", "llava"])
def test_a_trained_adapter_changes_the_explanation(family: str) -> None:
    """What LoRA has learnt is in the states that are read, merged or not."""
    tiny = tiny_of(family)
    model = with_lora(copy.deepcopy(tiny.model))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.manual_seed(0)
                weight.normal_(std=0.3)
    expected = explain(tiny.model, family)
    adapted = explain(model, family)
    assert np.abs(adapted.base.probability - expected.base.probability).max() > 1e-2
    merged = explain(model.merge_and_unload(), family)
    np.testing.assert_allclose(adapted.heatmap, merged.heatmap, atol=1e-3)


def with_adapted_head(method: str, **settings: Any) -> Any:
    """By any of PEFT's methods, as if it had been trained."""
    import peft

    config = getattr(peft, f"{method}Config")(target_modules=["lm_head"], **settings)
    model = peft.get_peft_model(copy.deepcopy(tiny_of("qwen2_vl").model), config)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.3 * torch.randn_like(weight))
    return model.eval()


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("Lora", {"r": 4}),
        ("Lora", {"r": 4, "use_dora": True}),
        ("Lora", {"r": 4, "lora_bias": True}),
        ("LoHa", {"r": 4}),
        ("IA3", {"feedforward_modules": []}),
    ],
    ids=["LoRA", "DoRA", "LoRA with a bias", "LoHa", "IA3"],
)
def test_an_adapted_head_is_read_as_it_has_become(method: str, settings: dict[str, Any]) -> None:
    parts = tiny_of("qwen2_vl").parts
    model = with_adapted_head(method, **settings)
    adapter = Explainer(model, **parts).adapter
    hidden = torch.randn(5, 64)
    with torch.no_grad():
        expected = adapter.logits(hidden)
        plain = Explainer(tiny_of("qwen2_vl").model, **parts).adapter.logits(hidden)
        bias = adapter.head_bias
        found = hidden @ adapter.head_weight.T + (0 if bias is None else bias)
    assert (expected - plain).abs().max() > 0.5
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert adapter.vocabulary_size == expected.shape[1]


def test_an_adapted_head_in_half_precision_is_read_exactly_beside_a_large_bias() -> None:
    model = with_adapted_head("Lora", r=4, lora_bias=True)
    model.model.model.language_model.to(torch.bfloat16)
    head = model.get_output_embeddings().to(torch.bfloat16)
    with torch.no_grad():
        head.lora_B["default"].bias.normal_(std=30)
        (delta,) = [head.get_delta_weight(name) for name in head.active_adapters]
        expected = head.base_layer.weight.float() + delta.float()
        # The vision tower is still float32, which may be what the model says that it is.
        found = Explainer(model, **tiny_of("qwen2_vl").parts).adapter.head_weight.float()
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=2e-2)


def test_an_adapted_head_with_dropout_is_read_without_it_and_leaves_no_trace() -> None:
    model = with_adapted_head("Lora", r=4, lora_dropout=0.5)
    calm = explain(model, "qwen2_vl")
    model.train()
    before = torch.random.get_rng_state()
    trained = explain(model, "qwen2_vl")
    assert torch.equal(before, torch.random.get_rng_state()) and model.training
    np.testing.assert_array_equal(trained.base.probability, calm.base.probability)
    np.testing.assert_array_equal(trained.base.map, calm.base.map)


def test_an_adapted_head_may_wait_elsewhere() -> None:
    model = with_adapted_head("Lora", r=4)
    here = explain(model, "qwen2_vl")
    there = explain(offloaded(model), "qwen2_vl")
    np.testing.assert_allclose(there.heatmap, here.heatmap, atol=1e-4)


def test_a_learnt_prompt_is_refused() -> None:
    from peft import PromptTuningConfig, get_peft_model

    settings = PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=4, token_dim=64, num_layers=2,
        num_attention_heads=4,
    )  # fmt: skip
    model = get_peft_model(copy.deepcopy(tiny_of("qwen2_vl").model), settings)
    with pytest.raises(ValueError, match="learns a prompt"):
        explain(model, "qwen2_vl")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", ["qwen2_vl", "llava"])
def test_a_quantised_model_is_explained_with_its_own_numbers(family: str) -> None:
    """Eight-bit layers, the head's among them: probabilities are the quantised model's own.

    Only nearly: how such a layer rounds depends on the rows that it is given together.
    """
    tiny = tiny_of(family)
    model = torch.ao.quantization.quantize_dynamic(
        copy.deepcopy(tiny.model), {torch.nn.Linear}, dtype=torch.qint8
    )
    from tests.models.criteria import build, encode
    from tests.support.tiny_models import TinyModel

    explanation = explain(model, family)
    ids = [token.id for token in explanation.tokens]
    adapter = build(TinyModel(model, tiny.image_processor, tiny.tokenizer))
    encoded = encode(adapter, [noise(64, 96)], ids)
    with torch.no_grad():
        logits = model(**encoded.inputs).logits[0, encoded.predicting_positions]
    own = logits.softmax(1)[range(len(ids)), ids]
    np.testing.assert_allclose(explanation.base.probability, own, rtol=0.1)
    # What cannot be had beside it, such as a gradient through these layers, is said and no more.
    assert explanation.estimate is None
    assert "cannot be read" in explanation.provenance["no_estimate"]
    exact = explain(tiny.model, family)
    assert np.corrcoef(
        np.nan_to_num(explanation.heatmap).ravel(), np.nan_to_num(exact.heatmap).ravel()
    )[0, 1] > 0.9  # fmt: skip


def test_wrappers_within_wrappers_are_taken_off() -> None:
    model = tiny_of("qwen2_vl").model
    assert unwrapped(data_parallel(compiled(model))) is model
    assert unwrapped(model) is model


def test_a_user_adds_a_family_in_a_few_lines() -> None:
    from mmx_core.models.qwen_vl import QwenVLAdapter

    tiny = tiny_of("qwen2_vl")
    model = copy.deepcopy(tiny.model)
    model.config.model_type = "my_vlm"

    @register("my_vlm")
    class Mine(QwenVLAdapter):
        pass

    try:
        explainer = Explainer(model, **tiny.parts)
        assert type(explainer.adapter) is Mine
    finally:
        del _ADAPTERS["my_vlm"]


def test_the_adapter_that_contributing_works_through_is_right() -> None:
    """Its code, run as it stands there, on a small ViP-LLaVA."""
    import re
    from pathlib import Path

    from tests.models.criteria import build, causal_mapping
    from tests.support.families.llava import make_vipllava

    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "vipllava" in block
    )
    assert len(code.splitlines()) < 60
    try:
        exec(compile(code, "CONTRIBUTING.md", "exec"), {})
        adapter = build(make_vipllava())
        assert type(adapter).__name__ == "VipLlavaAdapter"
        for size in ((96, 96), (64, 160), (150, 70)):
            found = causal_mapping(adapter, size, 1.0)
            assert found.tried and found.right == found.tried, found.wrong
    finally:
        _ADAPTERS.pop("vipllava", None)
