"""The estimate of which words mattered, read from attention while a forward runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_utils import AttentionInterface

from mmx_core import Explainer, Explanation, Sample
from mmx_core.attribution.flow import attention_rows, estimate, flow_along
from mmx_core.stages import flow as stage
from mmx_core.stages.directions import brought_to_values
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import tiny_of

ANSWER = "a red circle is left"


def explained(tiny: Any, **settings: Any) -> Explanation:
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), **settings)
    return explainer.explain(noise(64, 96), PROMPT, answer=ANSWER)


def naive(tiny: Any, explanation: Explanation, layers: int | None = None) -> np.ndarray:
    """From eager attention's own weights, every part formed: ``(T, C)``, NaN behind a token.

    Of the first ``layers``, where some are given.
    """
    model = tiny.model
    decoder = model.get_decoder()
    decoder = getattr(decoder, "model", decoder)  # Llama 4's is a whole language model
    usual, decoder.config._attn_implementation = decoder.config._attn_implementation, "eager"
    kept: list[tuple[Any, dict[str, torch.Tensor]]] = []
    hooks = []
    for layer in decoder.layers:
        found: dict[str, torch.Tensor] = {}
        kept.append((layer, found))
        attention = layer.self_attn

        def keep(name: str, into: dict[str, torch.Tensor]) -> Any:
            def hook(module: Any, args: Any, output: Any) -> None:
                into[name] = output[1] if name == "weights" else output

            return hook

        hooks.append(attention.register_forward_hook(keep("weights", found)))
        hooks.append(attention.v_proj.register_forward_hook(keep("values", found)))
    with torch.no_grad():
        explained(tiny)
    for hook in hooks:
        hook.remove()
    decoder.config._attn_implementation = usual  # the small models are shared
    ids = [token.id for token in explanation.tokens]
    places = [token.position for token in explanation.context]
    count = len(ids)
    rows = [place - 1 for place in places[-count:]]
    head, gain = model.get_output_embeddings().weight.detach(), decoder.norm.weight.detach()
    normed = hasattr(decoder.layers[0], "post_feedforward_layernorm")
    targets = (head[ids] - head.mean(0)) * (1 + gain if normed else gain)
    logit = torch.zeros(count, len(places))
    for layer, found in kept[:layers]:
        weights = found["weights"][0][:, rows]
        out = layer.self_attn.o_proj.weight.detach()
        width = out.shape[1] // len(weights)
        values = found["values"][0].view(weights.shape[-1], -1, width)
        values = values.repeat_interleave(len(weights) // values.shape[1], dim=1)
        flow = torch.einsum("hrl,lhv,dhv->rld", weights, values, out.view(len(out), -1, width))
        if normed:
            added = flow.sum(1)
            post = layer.post_attention_layernorm
            scale = (added.square().mean(1, keepdim=True) + post.eps).rsqrt()
            flow = flow * (scale * (1 + post.weight.detach()))[:, None]
        logit += torch.einsum("rld,rd->rl", flow, targets)[:, places].abs()
    template = torch.tensor([token.special for token in explanation.context])
    before = torch.arange(len(places)) < torch.arange(len(places) - count, len(places))[:, None]
    whole = torch.where(before & ~template, logit, 0.0).sum(1, keepdim=True)
    return (logit / whole).masked_fill(~before, torch.nan).numpy()


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "gemma3", "llama4"])
def test_the_estimate_is_what_eager_attention_weights_give_when_every_part_is_formed(
    family: str,
) -> None:
    tiny = tiny_of(family)
    explanation = explained(tiny)
    assert explanation.estimate is not None
    np.testing.assert_allclose(explanation.estimate, naive(tiny, explanation), rtol=2e-3, atol=1e-5)


def test_where_much_is_explained_fewer_layers_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_of("qwen2_vl")
    every = explained(tiny)
    assert "in each layer's" in every.provenance["estimate"]
    share = len(every.tokens) / every.tokens[-1].position
    monkeypatch.setattr(stage, "_SHARE", share / 1.5)
    first = explained(tiny)
    assert "in every second layer's" in first.provenance["estimate"]
    assert first.estimate is not None and every.estimate is not None
    assert not np.allclose(first.estimate, every.estimate, rtol=1e-2, equal_nan=True)
    wanted = naive(tiny, first, layers=1)
    np.testing.assert_allclose(first.estimate, wanted, rtol=2e-3, atol=1e-5)


def test_of_three_layers_one_is_read_at_least() -> None:
    rows = range(99)  # with nothing in front of the answer, and a first token that none predicts
    assert [stage.layers_apart(list(some)) for some in (rows[90:], rows[50:], rows)] == [1, 2, 3]
    assert stage.layers_apart([0, *rows]) == 3
    assert stage.layers_apart([]) == 1


def test_an_answer_is_estimated_alike_whatever_is_explained_beside_it() -> None:
    tiny = tiny_of("qwen2_vl")
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), image_gain=False)
    # So few positions that more rows than the answer's would be read in fewer layers.
    alone = explainer.explain(noise(32, 32), PROMPT, answer=ANSWER)
    beside = explainer.explain(noise(32, 32), PROMPT, answer=ANSWER, prompt_words=True)
    assert beside.alternatives and not alone.alternatives
    np.testing.assert_allclose(beside.estimate, alone.estimate, rtol=1e-5)


def test_samples_of_a_batch_are_estimated_as_each_alone() -> None:
    tiny = tiny_of("qwen2_vl")
    samples = [
        Sample("short", noise(64, 96), PROMPT, "a dog"),
        Sample("long", noise(64, 96), PROMPT, ANSWER),
    ]
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), image_gain=False)
    together = list(explainer.explain_batch(samples))
    for sample, found in zip(samples, together, strict=True):
        (alone,) = explainer.explain_batch([sample])
        np.testing.assert_allclose(found.estimate, alone.estimate, rtol=1e-3, atol=1e-6)


def test_where_layers_carry_text_on_by_other_means_there_is_none_and_why_is_told() -> None:
    explanation = explained(tiny_of("lfm2_vl"))
    assert explanation.estimate is None
    assert explanation.provenance["no_estimate"] == "1 of its 2 layers showed no attention"
    assert "estimate" not in explanation.provenance


def test_what_cannot_be_read_is_told_of_layers_that_are_passed_over_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = tiny_of("qwen2_vl")
    monkeypatch.setattr(stage, "_SHARE", 0.05)  # the first of two layers is read
    attention = tiny.model.get_decoder().layers[1].self_attn

    def with_sinks(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, kwargs | {"s_aux": torch.zeros(1)}

    handle = attention.register_forward_pre_hook(with_sinks, with_kwargs=True)
    try:
        explanation = explained(tiny)
    finally:
        handle.remove()
    assert explanation.estimate is None
    assert explanation.provenance["no_estimate"] == "its attention adds to its scores"


def test_nothing_is_left_behind_where_a_forward_fails() -> None:
    tiny = tiny_of("qwen2_vl")
    own = AttentionInterface.get_interface
    decoder = tiny.model.get_decoder()

    def fail(*_: Any) -> None:
        raise RuntimeError("broken off")

    handle = decoder.layers[-1].mlp.register_forward_hook(fail)
    try:
        with pytest.raises(RuntimeError, match="broken off"):
            explained(tiny)
    finally:
        handle.remove()
    assert AttentionInterface.get_interface is own
    assert not any(module._forward_hooks for module in decoder.modules())


def test_rows_of_attention_are_a_softmax_over_what_they_see() -> None:
    query, keys = torch.tensor([[[1.0]], [[2.0]]]), torch.tensor([[[0.0], [1.0], [5.0]]])
    bias = torch.tensor([[0.0, 0.0, -torch.inf]])
    found = attention_rows(query, keys, 1.0, bias=bias)
    e = float(np.e)
    expected = [[[1 / (1 + e), e / (1 + e), 0]], [[1 / (1 + e * e), e * e / (1 + e * e), 0]]]
    torch.testing.assert_close(found, torch.tensor(expected))
    hidden = attention_rows(query, keys, 1.0, bias=torch.full((1, 3), -torch.inf))
    assert not hidden.any()


def test_what_flows_in_a_direction_is_attention_times_the_values_part_along_it() -> None:
    weights = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]])  # two heads, one row, two tokens
    values = torch.tensor([[[2.0], [4.0]]])  # shared by both heads
    found = flow_along(weights, values, torch.tensor([[[1.0], [-1.0]]]))
    torch.testing.assert_close(found, torch.tensor([[0.5, -1.0]]))


def test_the_estimate_is_a_share_of_what_counts() -> None:
    counts = torch.tensor([[True, True, False]])
    found = estimate(torch.tensor([[3.0, 1.0, 8.0]]), counts)
    torch.testing.assert_close(found, torch.tensor([[0.75, 0.25, 2.0]]))
    assert not estimate(torch.zeros(1, 3), counts).any()


def test_an_adapted_projection_brings_directions_as_its_weight_would() -> None:
    class Adapted(torch.nn.Linear):
        pass

    plain, adapted = torch.nn.Linear(6, 4), Adapted(6, 4)
    adapted.load_state_dict(plain.state_dict())
    given, along = torch.randn(3, 3, 2), torch.randn(3, 4)
    found, wanted = (brought_to_values(projection, given, along) for projection in (adapted, plain))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(wanted.flatten(1), along @ plain.weight.detach())
