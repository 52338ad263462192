"""Logits of many states, chunk by chunk, in one memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from mmx_core.models.base import ModelAdapter


def in_turn(adapter: ModelAdapter, chunks: Iterable[Tensor], longest: int) -> Iterator[Tensor]:
    """As :meth:`ModelAdapter.logits`, of one chunk after another.

    On a CPU a plain head writes each chunk's where the last one's were: fresh memory of this size
    comes page by page from the system, which takes a tenth of the head's own time.

    Args:
        adapter: The model's.
        chunks: ``(N, d)`` states each.
        longest: The greatest ``N``, so that a longer chunk takes no other memory.

    Yields:
        ``(N, V)``, good until the next is asked for.
    """
    own_way = type(adapter).logits is not ModelAdapter.logits
    head = adapter.model.get_output_embeddings()
    room: Tensor | None = None
    for states in chunks:
        if own_way or not _is_plain(head, states):
            yield adapter.logits(states)
            continue
        weight, bias = head.weight, head.bias
        if room is None:
            room = states.new_empty(longest, len(weight))
        out = room[: len(states)]
        if bias is None:
            yield torch.mm(states, weight.T, out=out)
        else:
            yield torch.addmm(bias, states, weight.T, out=out)


def _is_plain(head: Any, states: Tensor) -> bool:
    """Whether calling the head is nothing but a product, in ordinary memory of the CPU."""
    return (
        type(head) is torch.nn.Linear
        and type(head.weight) is torch.nn.Parameter
        and head.weight.device.type == states.device.type == "cpu"
        and head.weight.dtype == states.dtype
        and "forward" not in vars(head)
        and not head._forward_hooks
        and not head._forward_pre_hooks
        and not torch.is_autocast_enabled("cpu")
        and not torch.is_grad_enabled()
    )
