"""Gradients of an answer token's logit: Grad-CAM and gradient times input.

The graph begins at the input of one decoder layer, which is cut off from what computed it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import attribution, encode_base
from mmx_core.explaining.prepare import Prepared
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.restoring import Undo, contents, restoring


@method("grad_cam")
def grad_cam(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Grad-CAM on the visual tokens: ``relu(sum_d w_d h_d(v))``.

    Selvaraju et al. (arXiv 1610.02391). The target is the logit of ``y_t`` where it is predicted,
    ``w_d`` the mean over visual tokens of its gradient, ``h`` the input of the last decoder layer:
    the layer's output at a visual token reaches no other position's logit, so that its gradient
    would be zero. ``text`` is the same sum, with the same weights, at text tokens.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.
    """
    encoded = encode_base(adapter, prepared)
    visual = encoded.visual[0].positions

    def weighted(states: Tensor, gradient: Tensor) -> Tensor:
        return states @ gradient[visual.to(gradient.device)].mean(dim=0)

    last = adapter.model.get_decoder().layers[-1]
    return _differentiate(adapter, prepared, encoded, last, weighted)


@method("gradient_input")
def gradient_times_input(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Gradient times input at the projected visual embeddings: ``relu(sum_d g_d(v) e_d(v))``.

    Shrikumar et al. (arXiv 1605.01713). The target is the logit of ``y_t`` where it is predicted,
    ``e`` the input embeddings of the decoder. The sum is signed; relu keeps the positive evidence,
    as the maps of the other methods do, where an absolute value would count evidence against the
    token as well. What a model adds to visual tokens in later layers (the deepstack features of
    Qwen3-VL) is held constant. ``text`` is the same quantity at text tokens.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.
    """
    encoded = encode_base(adapter, prepared)

    def product(states: Tensor, gradient: Tensor) -> Tensor:
        return (states * gradient).sum(dim=1)

    first = adapter.model.get_decoder().layers[0]
    return _differentiate(adapter, prepared, encoded, first, product)


def _differentiate(
    adapter: ModelAdapter,
    prepared: Prepared,
    encoded: EncodedInput,
    layer: Any,
    combine: Callable[[Tensor, Tensor], Tensor],
) -> Attribution:
    """One forward, one backward per token down to the layer's input.

    Args:
        adapter: The model's.
        prepared: The sample.
        encoded: At scale 1.0.
        layer: The decoder layer at whose input the graph begins.
        combine: Takes that input and the gradient there, both ``(L, d)`` float32, and returns
            ``(L,)``.
    """
    ids = torch.tensor(prepared.answer_ids, device=adapter.head_device)
    inputs: list[Tensor] = []

    def cut(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        start = args[0].detach().requires_grad_()
        inputs.append(start)
        return (start, *args[1:])

    # Frozen meanwhile: otherwise the vision tower and earlier layers would be recorded too, and
    # later layers would keep what only their weights' gradients need.
    trained = [parameter for parameter in adapter.model.parameters() if parameter.requires_grad]

    def differentiate() -> list[Tensor]:
        layer.register_forward_pre_hook(cut)
        for parameter in trained:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            hidden = adapter.hidden_states(encoded)[encoded.predicting_positions]
            # Rows of the head instead of vocabulary-wide logits.
            weight = adapter.head_weight.index_select(0, ids)
            logits = (hidden.float() * weight.float()).sum(dim=1)
            if adapter.head_bias is not None:
                logits = logits + adapter.head_bias.index_select(0, ids).float()
            (start,) = inputs
            states = start.detach()[0].float()
            rows = []
            # A backward gives the gradient of one scalar, and that of a sum of tokens mixes them.
            # Vectorised over tokens, it would hold every layer's gradients T times at once.
            last = len(ids) - 1
            for index, logit in enumerate(logits.unbind()):
                (gradient,) = torch.autograd.grad(logit, start, retain_graph=index < last)
                rows.append(torch.relu(combine(states, gradient[0].float())))
        return rows

    undo: list[Undo] = [partial(parameter.requires_grad_, True) for parameter in trained]
    rows = restoring([*undo, *contents(layer._forward_pre_hooks)], differentiate)
    visual, text = encoded.visual[0].positions, encoded.context_positions
    values = torch.stack(rows).detach().to(visual.device)
    return attribution(encoded, prepared, values[:, visual], values[:, text])
