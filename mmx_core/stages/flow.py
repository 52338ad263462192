"""What flows from the context to each target through attention, read while a forward runs.

Any attention function of transformers, eager or not, is given queries, keys and values after
rotation and norms: the rows wanted are computed again from these, layer by layer, and nothing of
the size of all attention is kept.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mmx_core.attribution.flow import attention_rows, flow_along
from mmx_core.models.base import ModelAdapter
from mmx_core.models.restoring import Undo, contents, restoring
from mmx_core.stages.directions import brought_to_values, decoder_of, directions_of, ratio

_CPU_ELEMENTS, _ELEMENTS = 1 << 20, 1 << 24
"""Attention weights formed at once: 4 MB, which a CPU keeps near, and 64 MB."""

_SHARE = 1 / 3
"""Of the positions up to the last row, as many rows as every layer is read for; for more, every
second or third layer is, so that reading stays near a tenth of the forward."""


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


def layers_apart(rows: Sequence[int]) -> int:
    """From one layer that is read for these predicting positions to the next: 1, 2 or 3."""
    positions = 1 + max(rows, default=0)
    return min(3, max(1, math.ceil(len(rows) / (_SHARE * positions))))


def watched(
    adapter: ModelAdapter,
    wanted: Sequence[Wanted],
    forward: Callable[[], Tensor],
    *,
    shares: bool = False,
) -> tuple[Tensor, list[Tensor] | str]:
    """Runs a forward and reads what flows in it, layer by layer.

    Args:
        adapter: The model's.
        wanted: Of each sample of the batch.
        forward: Of the batch; its states ``(B, L, d)``.
        shares: Of each part the share that it has of what a layer's attention adds, of all layers;
            its logit without its sign, otherwise.

    Returns:
        What the forward returns; and of each sample ``(R, C)`` float32, summed over layers, or why
        it could not be read.
    """
    from transformers.modeling_utils import AttentionInterface

    layers = getattr(decoder_of(adapter), "layers", None)
    if adapter.sharding is not None:
        return forward(), "its weights are spread over processes"
    if layers is None:
        return forward(), "its text model has no layers that could be found"
    watch = _Watch(adapter, wanted, shares)
    own = AttentionInterface.get_interface
    modules = {module for layer in layers for module in (layer, *layer.children(), *_inner(layer))}

    def choose(self: Any, name: str, default: Callable[..., Any]) -> Callable[..., Any]:
        return partial(watch.attend, own(self, name, default))

    def run() -> Tensor:
        for layer in layers:
            # A layer's own comes last: its parts are called within it.
            layer.register_forward_pre_hook(watch.begin)
            for module in (*_inner(layer), *layer.children()):
                module.register_forward_hook(watch.follow)
            layer.register_forward_hook(watch.finish)
        AttentionInterface.get_interface = choose
        return forward()

    undo: list[Undo] = [partial(setattr, AttentionInterface, "get_interface", own)]
    for module in modules:
        undo += [*contents(module._forward_hooks), *contents(module._forward_pre_hooks)]
    return restoring(undo, run), watch.found(len(layers))


def _inner(layer: Any) -> list[Any]:
    """The parts of a layer's parts."""
    return [part for child in layer.children() for part in child.children()]


@dataclass
class _Attended:
    """One layer's attention, as it runs.

    Attributes:
        module: The attention module.
        output: ``(B, L, H, v)`` of its attention function.
        rows: Weights of some rows of one sample over the first keys, ``(H, R, keys)``; the rows'
            places, or the stretch.
        values: ``(B, G, L, v)``.
        causal: Whether no row sees a later key, whatever the mask.
        projection: What follows, with what it was given and what it made.
        normed: What a norm made of the projection's output, where one follows.
    """

    module: Any
    output: Tensor
    rows: Callable[[int, Tensor | slice, int], Tensor]
    values: Tensor
    causal: bool
    projection: tuple[Any, Tensor, Tensor] | None = None
    normed: Tensor | None = None


class _Watch:
    """Sees each layer's attention and what is done with what it puts out."""

    def __init__(self, adapter: ModelAdapter, wanted: Sequence[Wanted], shares: bool) -> None:
        self.wanted, self.shares = wanted, shares
        self.rows = [each.rows.tolist() for each in wanted]
        self.columns = [each.columns.tolist() for each in wanted]
        self.stretches = [_stretches(each.columns) for each in wanted]
        self.directions = [directions_of(adapter, each.ids) for each in wanted]
        self.flows = [
            torch.zeros(len(w.rows), len(w.columns), device=w.rows.device) for w in wanted
        ]
        self.strides = [1 if shares else layers_apart(each) for each in self.rows]
        self.layers = 0
        self.biases: dict[Any, tuple[Tensor | None, Tensor]] = {}
        self.refused: str | None = None
        self.parts: frozenset[int] = frozenset()
        self.current: _Attended | None = None

    def found(self, layers: int) -> list[Tensor] | str:
        """The flows, or why there are none."""
        if self.refused is not None:
            return self.refused
        if self.layers < layers:
            return f"{layers - self.layers} of its {layers} layers showed no attention"
        return self.flows

    def begin(self, layer: Any, args: Any) -> None:
        """Before a layer."""
        self.parts, self.current = frozenset(map(id, layer.children())), None

    def attend(self, own: Callable[..., Any], module: Any, *args: Any, **kwargs: Any) -> Any:
        """In place of an attention function."""
        found = own(module, *args, **kwargs)
        if id(module) in self.parts and self.refused is None:
            # In layers that are passed over, too: whether there is an estimate is the model's
            # matter, not the answer's length.
            self._guarded(self._keep, module, found[0], *args, **kwargs)
        return found

    def _guarded(self, read: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """An estimate that cannot be had costs nobody the explanation."""
        try:
            read(*args, **kwargs)
        except Exception as error:
            self.refused = f"its layers cannot be read ({type(error).__name__})"

    def _keep(
        self,
        module: Any,
        output: Tensor,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Any = None,
        *,
        scaling: float | None = None,
        softcap: float | None = None,
        sliding_window: int | None = None,
        s_aux: Tensor | None = None,
        position_bias: Tensor | None = None,
        is_causal: bool | None = None,
        **others: Any,
    ) -> None:
        if query.shape[2] != key.shape[2]:
            self.refused = "its text attends to something else than itself"
        elif s_aux is not None or position_bias is not None:
            self.refused = "its attention adds to its scores"
        elif not isinstance(attention_mask, Tensor | None):
            self.refused = "its attention's mask is no tensor"
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling

        def rows(index: int, at: Tensor | slice, keys: int) -> Tensor:
            seen = key[index][:, :keys]
            bias = self._bias_of(attention_mask, index, at, causal, sliding_window, seen)
            return attention_rows(query[index][:, at], seen, scale, bias=bias, softcap=softcap)

        plain = attention_mask is None or attention_mask.ndim == 2
        self.current = _Attended(module, output, rows, value, causal and plain)

    def _of_context(self, index: int, values: Tensor, axis: int, keys: int) -> Tensor:
        """Of an axis with all positions those of the context among the first keys."""
        before = (slice(None),) * axis
        some = [slice(s.start, min(s.stop, keys)) for s in self.stretches[index] if s.start < keys]
        return torch.cat([values[(*before, each)] for each in some], dim=axis)

    def _bias_of(
        self,
        mask: Tensor | None,
        index: int,
        at: Tensor | slice,
        causal: bool,
        window: int | None,
        keys: Tensor,
    ) -> Tensor:
        """:func:`_bias`, which layers of one kind share."""
        stretch = (at.start, at.stop) if isinstance(at, slice) else tuple(at.tolist())
        asked = index, stretch, causal, window, keys.shape[1]
        kept = self.biases.get(asked)
        if kept is None or kept[0] is not mask or kept[1].device != keys.device:
            places = torch.arange(*stretch) if isinstance(at, slice) else at
            bias = _bias(
                mask,
                index,
                places.to(keys.device),
                causal=causal,
                window=window,
                keys=keys.shape[1],
            )
            kept = mask, bias
            if sum(one.numel() for _, one in self.biases.values()) + bias.numel() <= _ELEMENTS:
                self.biases[asked] = kept
        return kept[1]

    def follow(self, module: Any, args: tuple[Any, ...], output: Any) -> None:
        """Behind a part of a layer or of its attention."""
        now = self.current
        if now is None or not args or not isinstance(args[0], Tensor):
            return
        if now.projection is not None and args[0] is now.projection[2]:
            now.normed = output
        elif args[0].numel() == now.output.numel() and module in set(now.module.children()):
            now.projection = module, args[0], output

    def finish(self, layer: Any, args: Any, output: Any) -> None:
        """Behind a layer."""
        now, self.current = self.current, None
        if now is None or self.refused is not None:
            return
        self._guarded(self._read, now)
        self.layers += 1

    def _read(self, now: _Attended) -> None:
        if now.projection is None:
            self.refused = "what follows its attention could not be found"
            return
        projection, given, made = now.projection
        given = given.view(now.output.shape)
        heads, length = now.output.shape[2], now.output.shape[1]
        # A gate before the projection and a norm behind it only stretch.
        gated = given.data_ptr() != now.output.data_ptr()
        elements = _CPU_ELEMENTS if given.device.type == "cpu" else _ELEMENTS
        size = max(1, elements // (heads * length))
        for index, (wanted, flow) in enumerate(zip(self.wanted, self.flows, strict=True)):
            if self.layers % self.strides[index]:
                continue
            values = self._of_context(index, now.values[index], 1, length)
            values = values[..., : given.shape[-1]]
            for start in range(0, len(wanted.rows), size):
                some = slice(start, start + size)
                # What comes behind all of these rows would cost as much and holds nothing.
                keys = max(self.rows[index][some]) + 1 if now.causal else length
                seen = bisect_left(self.columns[index], keys)
                at = _stretch(wanted.rows[some], given.device)
                norm = None if now.normed is None else ratio(now.normed[index, at], made[index, at])
                along = self.directions[index][some].to(made.device)
                if self.shares:
                    along = _added(projection, made[index, at], norm)
                towards = (along if norm is None else along * norm).to(made.dtype)
                brought = brought_to_values(projection, given[index, at], towards)
                if gated:
                    brought *= ratio(given[index, at], now.output[index, at])
                weights = self._of_context(index, now.rows(index, at, keys), 2, keys)
                found = flow_along(weights, values[:, :seen], brought)
                if self.shares:
                    whole = along.square().sum(dim=1, keepdim=True)
                    found = found.clamp_min_(0) / whole.clamp_min(torch.finfo(whole.dtype).tiny)
                flow[some, :seen] += found.abs_().to(flow.device)


def _added(projection: Any, made: Tensor, norm: Tensor | None) -> Tensor:
    """``(R, d)`` float32 what attention adds to the stream, without a bias."""
    bias = getattr(projection, "bias", None)
    added = made.float() if bias is None else made.float() - bias.detach().float()
    return added if norm is None else added * norm


def _stretches(places: Tensor) -> list[slice]:
    """Places as slices: copied far faster than one by one."""
    told = places.cpu()
    ends = torch.cat([torch.where(told.diff() != 1)[0] + 1, torch.tensor([len(told)])]).tolist()
    begins = [0, *ends[:-1]]
    pairs = zip(begins, ends, strict=True)
    return [slice(int(told[first]), int(told[end - 1]) + 1) for first, end in pairs]


def _stretch(places: Tensor, device: torch.device) -> Tensor | slice:
    """Places one behind another as a slice, which copies nothing."""
    told = places.tolist()
    if told == list(range(told[0], told[0] + len(told))):
        return slice(told[0], told[0] + len(told))
    return places.to(device)


def _bias(
    mask: Tensor | None,
    index: int,
    rows: Tensor,
    *,
    causal: bool,
    window: int | None,
    keys: int,
) -> Tensor:
    """``(R, L)`` or ``(H, R, L)`` float32: 0 where a row sees a key, ``-inf`` where not."""
    columns = torch.arange(keys, device=rows.device)
    seen = torch.ones(len(rows), keys, dtype=torch.bool, device=rows.device)
    added: Tensor | None = None
    if mask is None or mask.ndim == 2:
        if causal:
            seen = columns <= rows[:, None]
        if window is not None:
            seen = seen & (columns > rows[:, None] - window)
        if mask is not None:
            seen = seen & mask[min(index, len(mask) - 1), :keys].bool()
    else:
        one = mask[min(index, len(mask) - 1)][:, rows, :keys]
        one = one[0] if len(one) == 1 else one
        if one.dtype == torch.bool:
            seen = one
        else:
            added = one.float()
            seen = added > torch.finfo(mask.dtype).min / 2
    free = torch.zeros((), device=rows.device) if added is None else added
    return torch.where(seen, free, -torch.inf)
