"""What flows from the context to each target through attention, read while a forward runs.

Any attention function of transformers, eager or not, is given queries, keys and values after
rotation and norms: the rows wanted are computed again from these, layer by layer, and nothing of
the size of all attention is kept. The output projection is asked by a gradient for its transpose,
so that it may be adapted or quantised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmx_core.attribution.flow import attention_rows, flow_along
from mmx_core.models.base import ModelAdapter
from mmx_core.models.restoring import contents, restoring

_ELEMENTS = 1 << 24
"""Attention weights formed at once: 64 MB."""


@dataclass(frozen=True)
class Wanted:
    """Of one sample of a batch.

    Attributes:
        rows: ``(R,)`` positions that predict.
        columns: ``(C,)`` positions of the context.
        ids: ``(R,)`` what is predicted.
    """

    rows: Tensor
    columns: Tensor
    ids: Tensor


@dataclass(frozen=True)
class Flow:
    """What flowed to one sample's targets; ``(R, C)`` float32 each, summed over the layers.

    Attributes:
        logit: Along the target's row of the head.
        share: Of what each layer's attention adds.
    """

    logit: Tensor
    share: Tensor


def watched(
    adapter: ModelAdapter,
    wanted: Sequence[Wanted],
    forward: Callable[[], Tensor],
    length: int,
) -> tuple[Tensor, list[Flow] | str]:
    """Runs a forward and reads what flows in it.

    Args:
        adapter: The model's.
        wanted: Of each sample of the batch.
        forward: Of the batch.
        length: Of its positions.

    Returns:
        What the forward returns; and the flows, or why there are none.
    """
    from transformers.modeling_utils import AttentionInterface

    layers = getattr(adapter.model.get_decoder(), "layers", None)
    if layers is None or not hasattr(AttentionInterface, "get_interface"):
        return forward(), "its layers' attention could not be found"
    watch = _Watch(adapter, wanted, layers, length)
    own = AttentionInterface.get_interface

    def choose(self: Any, name: str, default: Callable[..., Any]) -> Callable[..., Any]:
        return partial(watch.attend, own(self, name, default))

    undo = [partial(setattr, AttentionInterface, "get_interface", own)]
    undo += [
        step
        for module in watch.projections
        for hooks in (module._forward_hooks, module._forward_hooks_always_called)
        for step in contents(hooks)
    ]

    def run() -> Tensor:
        for module in watch.projections:
            module.register_forward_hook(watch.project)
        AttentionInterface.get_interface = choose
        return forward()

    return restoring(undo, run), watch.found()


class _Watch:
    """Sees each layer's attention, then the projection of what it puts out."""

    def __init__(
        self, adapter: ModelAdapter, wanted: Sequence[Wanted], layers: Any, length: int
    ) -> None:
        self.wanted, self.length = wanted, length
        self.layer_of = {
            id(module): index for index, layer in enumerate(layers) for module in layer.modules()
        }
        self.layers = len(layers)
        # What is called behind attention with as many features as it puts out.
        self.projections = [
            child
            for layer in layers
            for module in layer.modules()
            for child in module.children()
            if "attn" in type(module).__name__.lower() or "attention" in type(module).__name__.lower()
        ]
        self.directions = [_directions(adapter, each.ids) for each in wanted]
        self.flows: list[Flow] | None = None
        self.refused: str | None = None
        self.seen: set[int] = set()
        self.waiting: tuple[Any, ...] | None = None

    def found(self) -> list[Flow] | str:
        """The flows, or why there are none."""
        if self.refused is None and len(self.seen) < self.layers:
            some = f"{self.layers - len(self.seen)} of {self.layers}"
            self.refused = f"{some} layers carry text on by other means than attention"
        return self.refused or self.flows or "nothing was read"

    def attend(self, own: Callable[..., Any], module: Any, *args: Any, **kwargs: Any) -> Any:
        """In place of an attention function."""
        output = own(module, *args, **kwargs)
        if id(module) in self.layer_of and self.refused is None:
            self.refused = self._kept(module, output[0], *args, **kwargs)
        return output

    def _kept(
        self,
        module: Any,
        output: Tensor,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Any = None,
        scaling: float | None = None,
        softcap: float | None = None,
        sliding_window: int | None = None,
        s_aux: Tensor | None = None,
        position_bias: Tensor | None = None,
        **others: Any,
    ) -> str | None:
        """Waits for the projection. Returns why nothing can be read of it."""
        if query.shape[2] != self.length or keys.shape[2] != self.length:
            return "its text attends to something else than itself"
        if s_aux is not None or position_bias is not None:
            return "its attention adds to the scores of keys"
        if mask is not None and not isinstance(mask, Tensor):
            return "its attention's mask is no tensor"
        causal = others.get("is_causal")
        causal = getattr(module, "is_causal", True) if causal is None else causal
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        see = partial(_bias, mask, causal=causal, window=sliding_window, length=self.length)
        self.waiting = (module, output, query, keys, values, see, scale, softcap)
        return None

    def project(self, projection: Any, args: tuple[Any, ...], output: Any) -> None:
        """Hook of what might be the projection."""
        if self.waiting is None or self.refused is not None or not args:
            return
        module, attended, query, keys, values, see, scale, softcap = self.waiting
        given = args[0]
        if not isinstance(given, Tensor) or given.numel() != attended.numel():
            return
        if not any(child is projection for child in module.children()):
            return
        self.waiting = None
        self.seen.add(self.layer_of[id(module)])
        if self.flows is None:
            self.flows = [
                Flow(*torch.zeros(2, len(w.rows), len(w.columns), device=w.rows.device).unbind())
                for w in self.wanted
            ]
        heads, width = query.shape[1], attended.shape[-1]
        given = given.reshape(len(given), self.length, heads, width)
        attended = attended.reshape(given.shape)
        for index, (wanted, flow) in enumerate(zip(self.wanted, self.flows, strict=True)):
            rows, columns = wanted.rows.to(query.device), wanted.columns.to(query.device)
            size = max(1, _ELEMENTS // (heads * self.length))
            for some in torch.arange(len(rows), device=rows.device).split(size):
                at = rows[some]
                along = self.directions[index].to(query.device)[some.to(query.device)]
                logit, added, length = _transposed(projection, given[index, at], along)
                # Where a gate stands between attention and its projection.
                gate = given[index, at].float() / attended[index, at].float()
                gate = torch.where(attended[index, at] == 0, 0.0, gate)
                weights = attention_rows(
                    query[index][:, at], keys[index], scale, bias=see(index, at), softcap=softcap
                )[..., columns]
                values_at = values[index][:, columns, :width]
                there = some.to(flow.logit.device)
                flow.logit[there] += flow_along(weights, values_at, logit * gate).to(there.device)
                part = flow_along(weights, values_at, added * gate).clamp_min(0)
                part = part / length.clamp_min(torch.finfo(part.dtype).tiny)[:, None]
                flow.share[there] += part.to(there.device)


def _transposed(projection: Any, given: Tensor, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Directions in the stream, brought to what a projection takes.

    Args:
        projection: Linear, or affine.
        given: ``(R, H, v)`` what it was given.
        along: ``(R, d)`` directions.

    Returns:
        ``(R, H, v)`` float32 for ``along`` and for what the projection adds without its bias; and
        that sum's squared length ``(R,)``.
    """
    with torch.enable_grad():
        start = given.detach().flatten(1).requires_grad_()
        output = projection(start)
        (logit,) = torch.autograd.grad(output, start, along.to(output.dtype), retain_graph=True)
        bias = getattr(projection, "bias", None)
        made = output.detach() if bias is None else output.detach() - bias
        (added,) = torch.autograd.grad(output, start, made)
    squared = made.float().square().sum(dim=1)
    return logit.float().view(given.shape), added.float().view(given.shape), squared


def _bias(
    mask: Tensor | None,
    index: int,
    rows: Tensor,
    *,
    causal: bool,
    window: int | None,
    length: int,
) -> Tensor:
    """``(R, L)`` or ``(H, R, L)`` float32: 0 where a row sees a key, ``-inf`` where not."""
    columns = torch.arange(length, device=rows.device)
    seen = torch.ones(len(rows), length, dtype=torch.bool, device=rows.device)
    added: Tensor | None = None
    if mask is None or mask.ndim == 2:
        if causal:
            seen = columns <= rows[:, None]
        if window is not None:
            seen = seen & (columns > rows[:, None] - window)
        if mask is not None:
            seen = seen & mask[min(index, len(mask) - 1), :length].bool()
    else:
        one = mask[min(index, len(mask) - 1)][:, rows, :length]
        one = one[0] if len(one) == 1 else one
        if one.dtype == torch.bool:
            seen = one
        else:
            added = one.float()
            seen = added > torch.finfo(mask.dtype).min / 2
    free = torch.zeros((), device=rows.device) if added is None else added
    return torch.where(seen, free, -torch.inf)


def _directions(adapter: ModelAdapter, ids: Tensor) -> Tensor:
    """``(R, d)`` float32: the targets' rows of the head less the mean, through the norm's gain."""
    weight = adapter.head_weight
    rows = weight[ids.to(weight.device)].float() - weight.mean(dim=0, dtype=torch.float32)
    return rows * _gain(adapter, weight.shape[1]).to(rows.device)


def _gain(adapter: ModelAdapter, width: int) -> Tensor:
    """``(d,)`` of the norm before the head, whatever it adds to its weight; 1 where there is none."""
    norm = getattr(adapter.model.get_decoder(), "norm", None)
    if norm is None:
        return torch.ones(width)
    # Of mean 0 and mean square 1, so that a norm of either kind changes nothing else of it.
    signs = torch.ones(width, dtype=adapter.model.dtype, device=adapter.head_device)
    signs[1::2] = -1
    return (norm(signs) - norm(-signs)).float() / 2 * signs.float()
