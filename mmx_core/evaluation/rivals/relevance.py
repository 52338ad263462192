"""AttnLRP: relevance that is propagated backwards, as a gradient under other rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import encode_base
from mmx_core.evaluation.rivals.gradients import times_input
from mmx_core.evaluation.rivals.graph import at_tokens, differentiated
from mmx_core.models.base import ModelAdapter
from mmx_core.models.restoring import Undo, contents
from mmx_core.stages.prepare import Prepared


@method("attn_lrp")
def attention_aware_relevance(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """AttnLRP at the decoder's input: ``relu(sum_d g_d(v) e_d(v))``, ``g`` under its rules.

    Achtibat et al. (arXiv 2402.05602), written out as hooks: norms stretch by what they stretch by
    (identity), so do activations; of a product (gates, attention's two) each factor gets half.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.

    Raises:
        ValueError: A layer has no feed-forward network of linear layers and an activation.
    """
    encoded = encode_base(adapter, prepared)
    decoder = adapter.model.get_decoder()
    hooks = list(rules(decoder))
    undo: list[Undo] = []
    for module, _, before in hooks:
        undo += contents(module._forward_pre_hooks if before else module._forward_hooks)
    rows = differentiated(
        adapter,
        prepared,
        encoded,
        decoder.layers[0],
        times_input,
        hook=partial(_hook, hooks),
        undo=[*undo, *_interface()],
    )
    return at_tokens(encoded, prepared, torch.relu(rows))


def rules(decoder: Any) -> Iterator[tuple[Any, Callable[..., Any], bool]]:
    """Modules, the hooks that bring them under the rules, and whether these come before them.

    Raises:
        ValueError: See :func:`attention_aware_relevance`.
    """
    for layer in decoder.layers:
        if not any(_activation(module) for module in layer.modules()):
            raise ValueError(
                "attn_lrp: expected layers with a feed-forward network of linear layers and an "
                f"activation, got {type(layer).__name__}; leave the method out"
            )
    for module in decoder.modules():
        name, parts = type(module).__name__, dict(module.named_children())
        if name.endswith("RMSNorm"):
            yield module, partial(_stretched, centred=False), False
        elif name.endswith("LayerNorm"):
            yield module, partial(_stretched, centred=True), False
        activation = _activation(module)
        if activation is not None:
            yield activation, partial(_stretched, centred=False), False
        if "down_proj" in parts and parts.keys() & {"gate_proj", "gate_up_proj"}:
            yield parts["down_proj"], _half_of_product, True


def _activation(module: Any) -> Any:
    names = ("act_fn", "activation_fn", "activation", "act")
    found = (getattr(module, name, None) for name in names)
    return next((part for part in found if isinstance(part, nn.Module)), None)


def _stretched(module: Any, args: tuple[Any, ...], output: Tensor, *, centred: bool) -> Tensor:
    """The same output, as its input stretched by constants."""
    given = args[0].float()
    if centred:
        given = given - given.mean(dim=-1, keepdim=True)
    bias = getattr(module, "bias", None)
    bias = 0.0 if bias is None else bias.float()
    made = output.detach().float() - bias
    stretch = torch.where(given == 0, 0.0, made / given).detach()
    return (given * stretch + bias).to(output.dtype)


def _half_of_product(module: Any, args: tuple[Any, ...]) -> None:
    _divide(args[0], 2)


def _divide(factor: Tensor, count: int) -> None:
    if factor.requires_grad:
        factor.register_hook(lambda gradient: gradient / count)  # type: ignore[no-untyped-call]


def _attended(
    own: Callable[..., Any], module: Any, query: Tensor, key: Tensor, value: Tensor, *args: Any,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Weights and values share what comes back, and of the weights' half queries and keys."""
    query, key, value = query.view_as(query), key.view_as(key), value.view_as(value)
    for part, count in ((query, 4), (key, 4), (value, 2)):
        _divide(part, count)
    return own(module, query, key, value, *args, **kwargs)


def _hook(hooks: list[tuple[Any, Callable[..., Any], bool]]) -> None:
    from transformers.modeling_utils import AttentionInterface

    for module, hook, before in hooks:
        (module.register_forward_pre_hook if before else module.register_forward_hook)(hook)
    own = AttentionInterface.get_interface

    def choose(self: Any, name: str, default: Callable[..., Any]) -> Callable[..., Any]:
        return partial(_attended, own(self, name, default))

    AttentionInterface.get_interface = choose


def _interface() -> list[Undo]:
    from transformers.modeling_utils import AttentionInterface

    return [partial(setattr, AttentionInterface, "get_interface", AttentionInterface.get_interface)]
