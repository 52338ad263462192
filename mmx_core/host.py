"""Results to the host: one copy for many tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def to_host(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Copies tensors to the host together, because each copy waits for the device.

    Args:
        tensors: On one device, of any shapes. They are packed in the dtype that holds all of
            theirs, in which they come back.

    Returns:
        Arrays of the tensors' shapes, each of its own memory.
    """
    dtype = tensors[0].dtype
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    if tensors[0].device.type == "cpu":
        # Copied, since one map may stand for two: a single scale is its own aggregate.
        return [tensor.to(dtype, copy=True).numpy() for tensor in tensors]
    packed = torch.cat([tensor.reshape(-1).to(dtype) for tensor in tensors]).cpu()
    parts = torch.split(packed, [tensor.numel() for tensor in tensors])
    return [
        part.view(tensor.shape).clone().numpy() for part, tensor in zip(parts, tensors, strict=True)
    ]
