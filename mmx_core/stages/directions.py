"""Directions in the stream, and what brings them to the values of a layer's attention.

The output projection is asked for its transpose by a gradient where it is adapted or quantised.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmx_core.models.base import ModelAdapter

_ROWS = 4096
"""Rows of the head that its mean is taken over, at least, where it has as many."""


def decoder_of(adapter: ModelAdapter) -> Any:
    """What holds the text model's layers; some families' decoder is a whole model about it."""
    decoder = adapter.model.get_decoder()
    return next((module for module in decoder.modules() if hasattr(module, "layers")), decoder)


def directions_of(adapter: ModelAdapter, ids: Tensor) -> Tensor:
    """``(R, d)`` float32: the targets' rows of the head less the mean, through the norm's gain."""
    weight = adapter.head_weight
    # Of evenly spaced rows: all of a large head take as long to read as a layer to run.
    some = weight[:: max(1, len(weight) // _ROWS)]
    rows = weight[ids.to(weight.device)].float() - some.mean(dim=0, dtype=torch.float32)
    return rows * _gain(adapter, weight.shape[1]).to(rows.device)


def _gain(adapter: ModelAdapter, width: int) -> Tensor:
    """``(d,)`` of the norm before the head, whatever it adds to its weight; 1 without one."""
    norm = getattr(decoder_of(adapter), "norm", None)
    if norm is None:
        return torch.ones(width)
    # Of mean 0 and mean square 1, so that a norm of either kind changes nothing else of it.
    signs = torch.ones(width, dtype=adapter.model.dtype, device=adapter.head_device)
    signs[1::2] = -1
    there, back = norm(torch.stack([signs, -signs])).float()
    return (there - back) / 2 * signs.float()


def ratio(changed: Tensor, plain: Tensor) -> Tensor:
    """Elementwise, 0 where there was nothing to stretch."""
    plain = plain.float()
    return torch.where(plain == 0, 0.0, changed.float() / plain)


def brought_to_values(projection: Any, given: Tensor, directions: Tensor) -> Tensor:
    """Directions in the stream, brought to what a projection takes.

    Args:
        projection: Affine.
        given: ``(R, H, v)`` what it was given.
        directions: ``(R, d)``, of the dtype that it puts out.

    Returns:
        ``(R, H, v)`` float32.
    """
    return _transposed(projection, given.flatten(1), directions).float().view(given.shape)


def _transposed(projection: Any, given: Tensor, directions: Tensor) -> Tensor:
    """``(R, H * v)``: ``(R, d)`` times the weight of what may be adapted or quantised."""
    if type(projection) is torch.nn.Linear and "forward" not in vars(projection):
        return torch.matmul(directions, projection.weight.detach())
    with torch.enable_grad():
        start = given.detach().requires_grad_()
        # Not called as a module: hooks, others' too, have seen it.
        output = projection.forward(start)
        found: Tensor = torch.autograd.grad(output, start, directions)[0]
    return found
