"""Attention as an explanation: the last layer's, rolled out through all, times its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import encode_base
from mmx_core.evaluation.rivals.graph import at_tokens, differentiated
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.restoring import Undo, contents, restoring
from mmx_core.stages.prepare import Prepared


@method("attention")
def last_layer_attention(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Attention of the last decoder layer, mean over heads.

    The row is that of the position which predicts ``y_t``; it sums to 1 over visual tokens, text
    and template together. Raw attention as an explanation: Bahdanau et al. (arXiv 1409.0473);
    against it, Jain & Wallace (arXiv 1902.10186).

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.

    Raises:
        ValueError: The model returns no attention weights.
    """
    encoded = encode_base(adapter, prepared)
    rows: list[Tensor] = []

    def keep(weights: Tensor) -> None:
        at = encoded.predicting_positions.to(weights.device)
        rows.append(weights[:, at].mean(dim=0, dtype=torch.float32))

    _attend(adapter, encoded, adapter.model.get_decoder().layers[-1:], keep)
    return at_tokens(encoded, prepared, rows[0])


@method("rollout")
def attention_rollout(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Attention rollout: the product over decoder layers of ``(A + I) / 2``.

    Abnar & Zuidema (arXiv 2005.00928): ``A`` is the mean over heads, the identity stands for the
    residual connection, rows are renormalised. The row is that of the position which predicts
    ``y_t``.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.

    Raises:
        ValueError: The model returns no attention weights, or has no layers.
    """
    encoded = encode_base(adapter, prepared)
    product: Tensor | None = None

    def multiply(weights: Tensor) -> None:
        # Layers come first to last, and the product needs all rows of the earlier ones: (L, L) is
        # the least that can be kept, whatever the number of layers.
        nonlocal product
        mixed = weights.mean(dim=0, dtype=torch.float32).mul_(0.5)
        mixed.diagonal().add_(0.5)
        mixed.div_(mixed.sum(dim=1, keepdim=True))
        product = mixed if product is None else mixed @ product.to(mixed.device)

    _attend(adapter, encoded, adapter.model.get_decoder().layers, multiply)
    if product is None:
        raise ValueError("model: expected a decoder with layers that attend, got none")
    at = encoded.predicting_positions.to(product.device)
    return at_tokens(encoded, prepared, product[at])


@method("attention_gradient")
def attention_times_gradient(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Attention times its gradient, ``relu(A dy_t/dA)``, mean over heads, summed over layers.

    After Chefer et al. (arXiv 2103.15679), without their product over layers. The row is that of
    the position which predicts ``y_t``, the target its logit there.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.

    Raises:
        ValueError: The model returns no attention weights.
    """
    encoded = encode_base(adapter, prepared)
    layers = adapter.model.get_decoder().layers
    at = encoded.predicting_positions.tolist()
    seen: list[Tensor] = []

    def product(index: int, weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
        rows = [
            (weight[0, :, at[index]].float() * gradient[0, :, at[index]].float())
            .clamp_min(0)
            .mean(dim=0)
            .to(weights[0].device)
            for weight, gradient in zip(weights, gradients, strict=True)
        ]
        return torch.stack(rows).sum(dim=0)

    def hook() -> list[Tensor]:
        _watch(adapter, encoded, layers, seen.append)
        return seen

    rows = differentiated(
        adapter, prepared, encoded, layers[0], product, hook=hook, undo=_undo(adapter, layers)
    )
    return at_tokens(encoded, prepared, rows)


def _attend(
    adapter: ModelAdapter,
    encoded: EncodedInput,
    layers: Sequence[Any],
    read: Callable[[Tensor], None],
) -> None:
    """Runs one forward and hands on each layer's weights, ``(heads, L, L)``, as they are computed.

    By hooks and not ``output_attentions``, which keeps the weights of all layers and heads until
    the forward ends.
    """

    def attend() -> None:
        _watch(adapter, encoded, layers, lambda weights: read(weights[0]))
        adapter.forward(encoded.inputs)

    restoring(_undo(adapter, layers), attend)


def _watch(
    adapter: ModelAdapter,
    encoded: EncodedInput,
    layers: Sequence[Any],
    read: Callable[[Tensor], None],
) -> None:
    """From now on weights are formed, ``(1, heads, L, L)``, and handed on."""
    length = encoded.prompt_length + encoded.answer_length

    def hook(module: Any, args: Any, output: Any) -> None:
        weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if weights is None or weights.shape[0] != 1 or weights.shape[2:] != (length, length):
            got = "none" if weights is None else f"shape {tuple(weights.shape)}"
            raise ValueError(
                f"attention weights: expected shape (1, heads, {length}, {length}) from eager "
                f"attention, got {got} from {type(module).__name__}; explain a model whose "
                "attention layers return their weights, or leave the attention methods out"
            )
        read(weights)

    for layer in layers:
        layer.self_attn.register_forward_hook(hook)
    # Other kernels than eager attention never form the weights. In all layers of the text
    # decoder, because the mask is made once and in the form that the implementation wants (for
    # others it may be left out); not in the vision tower, whose weights nobody reads. Through
    # the config and not ``set_attn_implementation``, which may load an implementation's kernel.
    adapter.model.get_decoder().config._attn_implementation = "eager"


def _undo(adapter: ModelAdapter, layers: Sequence[Any]) -> list[Undo]:
    """Of :func:`_watch`."""
    config = adapter.model.get_decoder().config
    undo = [step for layer in layers for step in contents(layer.self_attn._forward_hooks)]
    # Setting it sets that of the configurations within, too.
    within = (getattr(config, name, None) for name in config.sub_configs)
    for one in (config, *(inner for inner in within if inner is not None)):
        undo += contents(vars(one))
    return undo
