"""What a forward of the text model keeps for those that begin in its middle: keys and values."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def holes_refused(config: Any) -> str | None:
    """Why keys of this text model cannot be hidden; None where they can.

    Only attention can be kept from a key; a recurrent state holds all that it has read.
    """
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    # Layers that keep nothing of their own read another's keys, or none.
    layers = DynamicCache(config=config).layers
    kinds = {type(layer) for layer in layers if type(layer).__name__ != "DummyLayer"}
    other = kinds - {DynamicLayer, DynamicSlidingWindowLayer}
    if not other:
        return None
    types = sorted(set(getattr(config, "layer_types", None) or ()))
    return ", ".join(kind for kind in types if kind not in _ATTENTION) or "other layers"


_ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")


def cache_argument(module: Any) -> str:
    """What a text model calls the cache that it is given; transformers 5.24 has another name."""
    return "cache" if "cache" in inspect.signature(module.forward).parameters else "past_key_values"


def empty_cache() -> Any:
    """A cache that keeps all keys, of sliding windows, too: the mask says what is seen."""
    from transformers.cache_utils import DynamicCache

    return DynamicCache()


def kept_whole(cache: Any, length: int) -> bool:
    """Whether a cache holds what all its layers need of so many positions."""
    from transformers.cache_utils import DynamicLayer

    return bool(cache.layers) and all(
        type(layer) is DynamicLayer and layer.is_initialized and layer.keys.shape[-2] == length
        for layer in cache.layers
    )


def prefix_of(cache: Any, places: Tensor) -> Any:
    """A cache of the same layers whose rows begin with some of its keys.

    Args:
        cache: Of one row, :func:`kept_whole`.
        places: ``(1, m)`` or ``(B, m)`` int64: which keys each row begins with; those that a row
            lacks are hidden by the mask, whatever they are.

    Returns:
        A cache that one forward of ``B`` rows can go on from. It keeps none of that.
    """
    from transformers.cache_utils import DynamicCache

    found = DynamicCache()
    found.layers = [_prefix_layer()(layer.keys, layer.values, places) for layer in cache.layers]
    return found


def joined(prefixes: Sequence[Sequence[tuple[Tensor, Tensor]]], counts: Sequence[int]) -> Any:
    """A cache whose rows begin with keys of their own, as :func:`prefix_of`.

    Args:
        prefixes: Of each of ``B`` rows keys and values ``(1, heads, n, d)`` by layer.
        counts: How many of them; shorter ones stand at the end, behind some that the mask hides.
    """
    from transformers.cache_utils import DynamicCache

    most = max(counts)
    places = torch.arange(most)[None]
    found = DynamicCache()
    found.layers = [
        _prefix_layer()(*(_stacked(parts, counts) for parts in zip(*layer, strict=True)), places)
        for layer in zip(*prefixes, strict=True)
    ]
    return found


def _stacked(parts: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """``(B, heads, max(counts), d)``."""
    most = max(counts)
    return torch.cat(
        [
            functional.pad(part[:, :, :count], (0, 0, most - count, 0))
            for part, count in zip(parts, counts, strict=True)
        ]
    )


@cache
def _prefix_layer() -> Any:
    # One class: compiled models have a guard for each.
    from transformers.cache_utils import DynamicLayer

    class Prefix(DynamicLayer):
        """Its rows share what the first forward has kept; it is copied layer by layer in use."""

        def __init__(self, keys: Tensor, values: Tensor, places: Tensor) -> None:
            super().__init__()
            self.keys, self.values, self.places = keys, values, places
            self.dtype, self.device = keys.dtype, keys.device
            self.is_initialized = True

        def get_seq_length(self) -> int:
            return int(self.places.shape[1])

        def update(
            self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
        ) -> tuple[Tensor, Tensor]:
            places = self.places.to(self.keys.device)
            return (
                _extended(self.keys, places, key_states),
                _extended(self.values, places, value_states),
            )

    return Prefix


def _extended(kept: Tensor, places: Tensor, new: Tensor) -> Tensor:
    """``(B, heads, m + n, d)`` of ``(1, heads, L, d)`` and ``(B, heads, n, d)``."""
    if len(places) == 1:  # from the first on
        before = kept[:, :, : places.shape[1]].expand(len(new), -1, -1, -1)
    else:
        before = kept[0].transpose(0, 1)[places].transpose(1, 2)
    return torch.cat([before, new], dim=2)
