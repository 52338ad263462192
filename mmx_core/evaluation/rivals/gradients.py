"""Gradients of an answer token's logit for states: Grad-CAM, gradient times input, along a path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import attribution, encode_base
from mmx_core.evaluation.rivals.graph import at_tokens, differentiated
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.restoring import contents, restoring
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.references import fitted

PATH = 8
"""Steps of integrated gradients."""


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

    def weighted(index: int, states: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
        (state,), (gradient,) = states[0].float(), gradients[0].float()
        return torch.relu(state @ gradient[visual.to(gradient.device)].mean(dim=0))

    last = adapter.model.get_decoder().layers[-1]
    rows = differentiated(adapter, prepared, encoded, last, weighted)
    return at_tokens(encoded, prepared, rows)


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
    first = adapter.model.get_decoder().layers[0]
    rows = differentiated(adapter, prepared, encoded, first, times_input)
    return at_tokens(encoded, prepared, torch.relu(rows))


def times_input(index: int, states: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """``(L,)`` signed, of the decoder's input."""
    return (states[0][0].float() * gradients[0][0].float()).sum(dim=1)


@method("visual_ig")
def visual_integrated_gradients(
    adapter: ModelAdapter, prepared: Prepared, seed: int
) -> Attribution:
    """Integrated gradients of the projected visual embeddings, from a plain picture's to their own.

    Sundararajan et al. (arXiv 1703.01365), in eight steps taken at their middles. The plain picture
    has the mean colour; the path is straight between the embeddings, text stays, and so does what a
    model adds to visual tokens in later layers. Over all visual tokens a row sums to what the logit
    of ``y_t`` loses; relu keeps what speaks for it. There is no such quantity of text.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.
    """
    encoded = encode_base(adapter, prepared)
    rows = along_path(adapter, prepared)[:, encoded.visual[0].positions]
    return attribution(encoded, prepared, torch.relu(rows), None)


def along_path(adapter: ModelAdapter, prepared: Prepared, steps: int = PATH) -> Tensor:
    """``(T, L)`` signed; 0 where the plain picture changes nothing."""
    encoded = encode_base(adapter, prepared)
    plain = fitted(prepared.image, None)
    other = adapter.encode([plain], prepared.rendered, prepared.answer_ids, factor=1.0)
    first = adapter.model.get_decoder().layers[0]
    start, end = (_given(adapter, first, one) for one in (other, encoded))
    way = (end - start)[0].float()

    def part(index: int, states: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
        return (way * gradients[0][0].float()).sum(dim=1) / steps

    rows = []
    for step in range(steps):
        here = start + (step + 0.5) / steps * (end - start)
        rows.append(differentiated(adapter, prepared, encoded, first, part, begin=here))
    return torch.stack(rows).sum(dim=0)


def _given(adapter: ModelAdapter, layer: Any, encoded: EncodedInput) -> Tensor:
    """``(1, L, d)`` what a layer is given."""
    seen: list[Tensor] = []

    def look() -> None:
        layer.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
        adapter.hidden_states(encoded)

    restoring(contents(layer._forward_pre_hooks), look)
    return seen[0]
