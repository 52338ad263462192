"""One forward recorded from a decoder layer's input on, and a backward for each answer token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmx_core.evaluation.registry import Attribution
from mmx_core.evaluation.rivals.base import attribution
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.restoring import Undo, contents, restoring
from mmx_core.stages.prepare import Prepared

Combine = Callable[[int, Sequence[Tensor], Sequence[Tensor]], Tensor]
"""Takes a token's index, tensors, and the gradient of its logit for each; returns ``(L,)``."""


def differentiated(
    adapter: ModelAdapter,
    prepared: Prepared,
    encoded: EncodedInput,
    layer: Any,
    combine: Combine,
    *,
    begin: Tensor | None = None,
    hook: Callable[[], Sequence[Tensor] | None] = lambda: None,
    undo: Sequence[Undo] = (),
) -> Tensor:
    """``(T, L)`` float32: what a method makes of each token's gradients.

    Args:
        adapter: The model's.
        prepared: The sample.
        encoded: At scale 1.0.
        layer: The decoder layer at whose input ``(1, L, d)`` the graph begins, cut off from what
            computed it.
        combine: What a token's row is made of.
        begin: Something else in that input's place.
        hook: Hooks what else is to be changed or seen, before the forward; where it returns a list,
            that holds by its end what is differentiated for, instead of the input.
        undo: Of what ``hook`` does.
    """
    ids = torch.tensor(prepared.answer_ids, device=adapter.head_device)
    inputs: list[Tensor] = []

    def cut(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        start = (args[0] if begin is None else begin).detach().requires_grad_()
        inputs.append(start)
        return (start, *args[1:])

    # Frozen meanwhile: otherwise the vision tower and earlier layers would be recorded too, and
    # later layers would keep what only their weights' gradients need.
    trained = [parameter for parameter in adapter.model.parameters() if parameter.requires_grad]

    def differentiate() -> list[Tensor]:
        watched = hook()
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
            wanted = inputs if watched is None else watched
            kept = [tensor.detach() for tensor in wanted]
            rows = []
            # A backward gives the gradient of one scalar, and that of a sum of tokens mixes them.
            # Vectorised over tokens, it would hold every layer's gradients T times at once.
            last = len(ids) - 1
            for index, logit in enumerate(logits.unbind()):
                gradients = torch.autograd.grad(logit, [*wanted], retain_graph=index < last)
                rows.append(combine(index, kept, gradients))
        return rows

    own: list[Undo] = [partial(parameter.requires_grad_, True) for parameter in trained]
    rows = restoring([*own, *contents(layer._forward_pre_hooks), *undo], differentiate)
    return torch.stack(rows).detach()


def at_tokens(encoded: EncodedInput, prepared: Prepared, rows: Tensor) -> Attribution:
    """``(T, L)`` rows, read at visual tokens and at text."""
    visual, text = encoded.visual[0].positions, encoded.context_positions
    rows = rows.to(visual.device)
    return attribution(encoded, prepared, rows[:, visual], rows[:, text])
