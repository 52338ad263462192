"""Prompts as the text model has read them, kept for all samples that begin alike.

Samples of a set are measured against the same few pictures, and what stands in front of these, and
often behind, is the same text. The keys and values of that are computed once; each sample costs its
own text alone, and its numbers are those of a whole forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.stages.text_pass import TextPass, allowed, read_text
from mmx_core.stages.text_prefix import cache_argument, joined

_BYTES = 1 << 31
"""Of keys and values that are kept at most, where they were computed."""


@dataclass(frozen=True)
class Begun:
    """A prompt with its pictures, ``n`` positions.

    Attributes:
        module: The text model.
        ids: ``n`` ids.
        ends: How many of them may be in front of another text: whatever comes behind sees them
            all, and none of them sees it.
        longest: Positions of the longest text that sees all in front of it; None without a bound.
        positions: Of these and the next, ``(n + 1,)`` or ``(axes, n + 1)``.
        states: ``(n, d)``, on the head's device.
        layers: Keys and values ``(1, heads, n, d)`` of each layer.
        masks: The dtype of the mask that the text model takes, of each kind of layer where it
            takes several; None for one of two axes.
        others: What else it takes.
    """

    module: Any
    ids: Sequence[int]
    ends: Sequence[int]
    longest: int | None
    positions: Tensor
    states: Tensor
    layers: Sequence[tuple[Tensor, Tensor]]
    masks: Any
    others: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """Of keys and values."""
        return sum(part.numel() * part.element_size() for pair in self.layers for part in pair)

    def shared(self, ids: Sequence[int]) -> int:
        """How many of its first positions another input can go on from; 0 for none."""
        if self.longest is not None and len(ids) > self.longest:
            return 0
        pairs = enumerate(zip(self.ids, ids, strict=False))
        alike = next((k for k, (one, other) in pairs if one != other), len(self.ids))
        return max((end for end in self.ends if end <= min(alike, len(ids) - 1)), default=0)


class Kept:
    """What was read, by its pictures.

    Args:
        together: How many of them one sample needs: where so many are too large, none is kept.
    """

    def __init__(self, together: int) -> None:
        self._together = together
        self._read: dict[Any, Begun] = {}
        self._weights: Tensor | None = None
        self._refused = False

    def usable(self, adapter: ModelAdapter) -> bool:
        """Whether anything can be kept of this model; forgets what other weights computed."""
        if self._refused or adapter.sharding is not None or not adapter.goes_on:
            return False
        weights = _some_weights(adapter.model)
        if weights is None:
            self._refused = True
            return False
        if self._weights is None or not torch.equal(weights, self._weights):
            self._read.clear()
            self._weights = weights
        return True

    def find(self, pictures: Any, ids: Sequence[int]) -> tuple[Begun | None, int]:
        """What was read with these pictures, and how much of it an input can go on from."""
        found = self._read.get(pictures)
        shared = 0 if found is None else found.shared(ids)
        return (found, shared) if shared else (None, 0)

    def read(self, adapter: ModelAdapter, pictures: Any, encoded: EncodedInput) -> Tensor:
        """``(L, d)`` states of a whole forward, whose beginning is kept."""
        text = read_text(adapter, encoded)
        begun = _begun(text, encoded)
        if begun is None or begun.bytes * self._together > _BYTES:
            self._refused = True
            self._read.clear()
            return text.states
        self._read.pop(pictures, None)
        self._read[pictures] = begun
        while sum(one.bytes for one in self._read.values()) > _BYTES:
            del self._read[next(iter(self._read))]
        return text.states


def go_on(
    adapter: ModelAdapter, begun: Sequence[Begun], counts: Sequence[int], tail: Sequence[int]
) -> Tensor:
    """``(K, m, d)`` states of one text behind ``K`` beginnings, on the head's device.

    Args:
        adapter: The model's.
        begun: The beginnings.
        counts: How many positions of each are in front.
        tail: ``m`` ids.
    """
    first, device = begun[0], begun[0].positions.device
    before, size = max(counts), len(tail)
    # Rows that begin earlier have nothing in their first keys.
    keys = torch.arange(before + size, device=device)
    seen = keys >= before - torch.tensor([*counts], device=device)[:, None]
    ids = torch.tensor([tail], device=adapter.device)
    steps = torch.arange(size, device=device)
    output = first.module(
        inputs_embeds=adapter.model.get_input_embeddings()(ids).expand(len(begun), -1, -1),
        attention_mask={kind: _mask(dtype, seen, size) for kind, dtype in first.masks.items()}
        if isinstance(first.masks, dict)
        else _mask(first.masks, seen, size),
        position_ids=torch.stack(
            [
                one.positions[..., count, None] + steps
                for one, count in zip(begun, counts, strict=True)
            ],
            dim=-2,
        ),
        use_cache=True,
        **{cache_argument(first.module): joined([one.layers for one in begun], counts)},
        **first.others,
    )
    found: Tensor = output.last_hidden_state
    return found.to(first.states.device)


def _begun(text: TextPass, encoded: EncodedInput) -> Begun | None:
    """None where another text cannot go on from it."""
    if text.cache is None or any(isinstance(value, Tensor) for value in text.others.values()):
        return None
    size = encoded.prompt_length
    pictured = set(range(size)) - set(encoded.text_positions.tolist())
    behind = max(pictured, default=-1) + 1
    if not bool((text.positions[..., behind:].diff() == 1).all()):
        return None
    begins, seen = text.begins, _rows_that_see_all(text)
    if any(begins[n] != n for n in range(behind, size)):
        return None  # the prompt's text sees ahead: another that begins alike has other keys
    config = text.module.config
    windows = (getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size"))
    several = isinstance(text.mask, Mapping)
    flash = "flash" in str(getattr(config, "_attn_implementation", ""))
    without = None if flash or not several else torch.bool
    masks = {
        kind: without if mask is None else (mask.dtype if mask.ndim == 4 else None)
        for kind, mask in _kinds(text).items()
    }
    return Begun(
        module=text.module,
        ids=encoded.token_inputs["input_ids"][0, :size].tolist(),
        ends=[n for n in range(behind, size + 1) if begins[n] == n and bool(seen[n:].all())],
        longest=min((window for window in windows if window), default=None),
        positions=text.positions[..., 0, : size + 1].clone(),
        states=text.states[:size].clone(),
        layers=[
            (layer.keys[:, :, :size].clone(), layer.values[:, :, :size].clone())
            for layer in text.cache.layers
        ],
        masks=masks if several else masks[""],
        others=text.others,
    )


def _kinds(text: TextPass) -> Mapping[str, Tensor | None]:
    return text.mask if isinstance(text.mask, Mapping) else {"": text.mask}


def _rows_that_see_all(text: TextPass) -> Tensor:
    """``(L,)`` bool: which positions attend to everything up to themselves."""
    found = torch.ones(text.length, dtype=torch.bool)
    for mask in _kinds(text).values():
        if mask is not None and mask.ndim == 4:
            whole = allowed(mask)[0, 0].cpu().tril().sum(dim=1)
            found &= whole == torch.arange(1, text.length + 1)
    return found


def _mask(dtype: torch.dtype | None, seen: Tensor, count: int) -> Tensor:
    """Of the last positions, given which keys ``(B, keys)`` there are."""
    if dtype is None:
        return seen.to(torch.int64)
    keys = torch.arange(seen.shape[1], device=seen.device)
    whole = (keys <= keys[-count:, None]) & seen[:, None, None]
    if dtype == torch.bool:
        return whole
    return torch.zeros_like(whole, dtype=dtype).masked_fill(~whole, torch.finfo(dtype).min)


def _some_weights(model: Any) -> Tensor | None:
    """``(parameters,)`` float32: one number of each, which differ when the model was trained.

    None where numbers cannot be had: of offloaded and of some quantised weights.
    """
    kept = [p.detach() for p in model.parameters() if p.numel() and p.device.type != "meta"]
    try:
        return torch.stack([p[tuple(n // 2 for n in p.shape)].float().cpu() for p in kept])
    except (RuntimeError, IndexError):  # also what a class of quantised weights does not implement
        return None
