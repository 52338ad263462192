"""Base attribution: the logit lens of the explained token's class at every visual position."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gathered_logits(
    hidden: Tensor, weight: Tensor, token_ids: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Signed logits of some vocabulary entries, without the other rows of the head.

    ``z[u, v] = W[token_ids[u]] . h_v`` (arXiv 2509.22415 and 2506.23270, their base activation
    before the relu), accumulated in float32 whatever the weights' dtype.

    Args:
        hidden: ``(N, d)`` last hidden states after the final norm.
        weight: ``(V, d)`` the language-model head.
        token_ids: ``(U,)`` int64 vocabulary entries.
        bias: ``(V,)``, where the head has one.

    Returns:
        ``(U, N)`` float32.
    """
    rows = weight.index_select(0, token_ids).float()
    logits = rows @ hidden.float().T
    if bias is not None:
        logits = logits + bias.index_select(0, token_ids).float()[:, None]
    return logits


def lens(logits: Tensor) -> Tensor:
    """``relu`` of the signed logits: how strongly each position's own prediction is the class."""
    return torch.relu(logits)


def view_grounding(visual: Tensor, text: Tensor, sizes: Sequence[int]) -> Tensor:
    """Share of a token's activation that falls on each image.

    Their sum is the token's grounding; what is left fell on text.

    Args:
        visual: ``(T, N)`` float32, the lens at scale 1.0, view after view.
        text: ``(T, C)`` float32, the text activation, zero where a token does not count.
        sizes: Visual tokens of each of the ``I`` views.

    Returns:
        ``(T, I)`` float32 in ``[0, 1]``; 0 where nothing is active at all.
    """
    seen = torch.stack([part.sum(dim=1) for part in torch.split(visual, list(sizes), dim=1)], dim=1)
    total = seen.sum(dim=1, keepdim=True) + text.sum(dim=1, keepdim=True)
    return torch.where(total > 0, seen / total.clamp_min(torch.finfo(total.dtype).tiny), 0.0)
