"""What a model says without some keys: whole forwards by torch's own attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from mmx_core.models import ModelAdapter
from mmx_core.models.base import EncodedInput


@contextmanager
def without_keys(length: int, columns: Sequence[int], *, behind: int = 0) -> Iterator[list[int]]:
    """Attention over so many positions as if these keys were not there; tells of its calls.

    To those before position ``behind`` they are.
    """
    own, calls = functional.scaled_dot_product_attention, []

    def attend(
        query: Any,
        key: Any,
        value: Any,
        attn_mask: Any = None,
        is_causal: bool = False,
        **rest: Any,
    ) -> Any:
        if query.shape[-2] != length or key.shape[-2] != length:
            return own(query, key, value, attn_mask=attn_mask, is_causal=is_causal, **rest)
        calls.append(length)
        seen = torch.ones(length, length, dtype=torch.bool)
        seen = seen.tril() if is_causal else seen
        if attn_mask is not None:
            seen = seen & (attn_mask if attn_mask.dtype == torch.bool else attn_mask == 0)
        seen = seen.clone()
        rows = torch.arange(length) >= behind
        seen[..., rows[:, None] & torch.isin(torch.arange(length), torch.tensor(columns))] = False
        return own(query, key, value, attn_mask=seen, **rest)

    vars(functional)["scaled_dot_product_attention"] = attend
    try:
        yield calls
    finally:
        vars(functional)["scaled_dot_product_attention"] = own


def log_probability(adapter: ModelAdapter, encoded: EncodedInput, ids: list[int]) -> np.ndarray:
    states = adapter.hidden_states(encoded)[encoded.predicting_positions]
    found: np.ndarray = adapter.logits(states).double().log_softmax(1)[range(len(ids)), ids].numpy()
    return found
