"""The language-model head as a matrix, whatever wraps, quantises or offloads it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmx_core.models.running import undisturbed
from mmx_core.models.sharding import gathers, within

_ENLARGED = 1024.0  # a power of two, which rounds nothing


def require_head(model: Any) -> None:
    """Refuses a model that writes nothing: what a family's ``AutoModel`` loads, its inside.

    Raises:
        ValueError: Neither it nor a part of it has a language head.
    """
    for part in (model, *model.children()):  # BLIP's is that of its decoder
        if getattr(part, "get_output_embeddings", lambda: None)() is not None:
            return
    raise ValueError(
        f"model: expected one that writes text, got {type(model).__name__}, which has no language "
        "head; load the ...ForConditionalGeneration, with AutoModelForImageTextToText or "
        "Explainer.from_pretrained"
    )


def weight_of_head(model: Any) -> Tensor:
    """``(V, d)``, as the head computes; dtype and device are its own."""
    head = model.get_output_embeddings()
    if _is_adapted(head):
        unit, bias = torch.eye(_hidden_size(model)), bias_of_head(model)
        if bias is None:
            return _adapted(model, unit).T
        # In half precision a weight would be lost beside its bias.
        return ((_adapted(model, _ENLARGED * unit) - bias) / _ENLARGED).T
    if gathers(head):
        return within(head, lambda: head.weight.clone())
    weight = _parameter(head, "weight")
    # Quantised layers hand out their weight by a call, in a form of its own.
    weight = weight() if callable(weight) and not isinstance(weight, Tensor) else weight
    # As torch packs it, or a subclass of others (torchao, quanto), which may not take single rows.
    packed = weight.is_quantized or type(weight).dequantize is not Tensor.dequantize
    return weight.dequantize() if packed else weight


def bias_of_head(model: Any) -> Tensor | None:
    """``(V,)``, where the head has one."""
    head = model.get_output_embeddings()
    if _is_adapted(head):
        bias = _adapted(model, torch.zeros(1, _hidden_size(model)))[0]
        return bias if bias.any() else None
    if gathers(head) and getattr(head, "bias", None) is not None:
        return within(head, lambda: head.bias.clone())
    bias = _parameter(head, "bias")
    return bias() if callable(bias) and not isinstance(bias, Tensor) else bias


def vocabulary_size(model: Any) -> int:
    """``V``; of an adapted head without its whole weight."""
    if _is_adapted(model.get_output_embeddings()):
        return _adapted(model, torch.zeros(1, _hidden_size(model))).shape[1]
    return int(weight_of_head(model).shape[0])


def capped(model: Any, logits: Tensor) -> Tensor:
    """Logits as Gemma's later models say them: ``cap * tanh(x / cap)``, where they name a cap."""
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return logits if cap is None else cap * torch.tanh(logits / cap)


def device_of(layer: Any) -> torch.device:
    """Where a layer's weight is when it is used."""
    layer = _innermost(layer)  # accelerate's hook is not on PEFT's wrapper
    weight = layer.weight
    if not isinstance(weight, Tensor):  # a quantised layer's is a method
        weight = weight()
    if weight.device.type != "meta":
        return torch.device(weight.device)
    # Offloaded weights are nowhere until they are used; accelerate's hook knows where that is.
    return torch.device(layer._hf_hook.execution_device)


def _is_adapted(head: Any) -> bool:
    """Whether PEFT has wrapped it."""
    return hasattr(head, "base_layer")


def _innermost(layer: Any) -> Any:
    """The layer that PEFT has wrapped, as often as it may be."""
    while hasattr(layer, "base_layer"):
        layer = layer.base_layer
    return layer


def _hidden_size(model: Any) -> int:
    return int(model.config.get_text_config().hidden_size)


def _adapted(model: Any, states: Tensor) -> Tensor:
    """What a head that PEFT has wrapped makes of states.

    Its own weight is only what it started from, and how an adapter changes it, the method
    (LoRA, DoRA, IA3, ...) alone knows; but all of them are affine.
    """
    head = model.get_output_embeddings()
    own = getattr(_innermost(head), "weight", None)
    dtype = own.dtype if isinstance(own, Tensor) and own.is_floating_point() else model.dtype
    logits: Tensor = undisturbed(head, head, states.to(device_of(head), dtype))
    return logits


def _parameter(layer: Any, name: str) -> Any:
    """A layer's parameter, fetched from where accelerate keeps it if it is offloaded."""
    value = getattr(layer, name, None)
    if isinstance(value, Tensor) and value.device.type == "meta":
        hook = layer._hf_hook
        return hook.weights_map[name].to(hook.execution_device)
    return value
