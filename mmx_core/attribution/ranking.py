"""The leading predictions of each position: what ARC compares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_MARGIN = 16
"""Runners-up taken into the exact comparison, where rounding may have cost them their place."""

_BLOCK = 64
"""Logits whose greatest stands for them, while the leaders are looked for."""


@dataclass(frozen=True)
class Ranked:
    """The most probable vocabulary entries of ``C`` positions, best first.

    Attributes:
        ids: ``(C, k)`` int64.
        probability: ``(C, k)`` float32.
    """

    ids: Tensor
    probability: Tensor

    @staticmethod
    def concatenate(parts: list[Ranked]) -> Ranked:
        """Joins chunks of positions."""
        return Ranked(
            torch.cat([part.ids for part in parts]), torch.cat([part.probability for part in parts])
        )


def leading(
    hidden: Tensor,
    logits: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    depth: int,
    *,
    first: Tensor | None = None,
) -> Ranked:
    """Ranks the vocabulary at each position.

    Logits of half precision tie: bfloat16 tells 256 values between 8 and 16. So their leaders are
    compared again by logits accumulated and kept in float32, of those entries alone, and what ties
    still is ordered by vocabulary id.

    Args:
        hidden: ``(C, d)`` states that the logits were made from.
        logits: ``(C, V)``, of any float dtype, a rising function of ``weight @ hidden + bias``.
        weight: ``(V, d)`` the head.
        bias: ``(V,)``, where it has one.
        depth: ``k``.
        first: ``(C,)`` float32, the probability of each greatest logit, where it is known.
    """
    values, ids = _greatest(
        logits, depth if logits.dtype == torch.float32 else _with_margin(logits, depth)
    )
    values = values.float()
    if first is None:
        log_total = logits.float().logsumexp(dim=1, keepdim=True)
    else:
        log_total = values[:, :1] - first[:, None].log()
    if logits.dtype != torch.float32:
        ids, place = ids.sort(dim=1)
        values = values.gather(1, place)
        # No product of matrices: autocast would compute that in half precision again.
        exact = weight[ids].float().mul_(hidden.float()[:, None]).sum(dim=2)
        if bias is not None:
            exact = exact + bias[ids].float()
        order = exact.sort(dim=1, descending=True, stable=True).indices[:, :depth]
        ids, values = ids.gather(1, order), values.gather(1, order)
    return Ranked(ids, (values - log_total).exp())


def _with_margin(logits: Tensor, depth: int) -> int:
    return min(depth + _MARGIN, logits.shape[1])


def _greatest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``logits.topk(count)``, of long rows from the blocks with the greatest maxima alone.

    Fewer than ``count`` other blocks can exceed the maximum of one that holds a leader.
    """
    rows, vocabulary = logits.shape
    blocks = vocabulary // _BLOCK
    if blocks < 4 * count:
        return logits.topk(count)
    whole = blocks * _BLOCK
    by_block = logits[:, :whole].view(rows, blocks, _BLOCK)
    chosen = by_block.amax(dim=2).topk(count, sorted=False).indices[:, :, None]
    within = by_block.gather(1, chosen.expand(-1, -1, _BLOCK)).flatten(1)
    place = torch.arange(vocabulary, device=logits.device)
    ids = (chosen * _BLOCK + place[:_BLOCK]).flatten(1)
    values, taken = torch.cat([within, logits[:, whole:]], dim=1).topk(count)
    return values, torch.cat([ids, place[whole:].expand(rows, -1)], dim=1).gather(1, taken)
