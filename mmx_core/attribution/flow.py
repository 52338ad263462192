"""What flows from a token to where another is predicted, through one layer's attention.

Attention adds ``sum_j sum_h a_hj W_h v_hj`` to the residual stream. How far the part of token ``j``
goes in a direction ``g`` of the stream is cheap, because ``W_h^T g`` brings that to the values once
for all tokens: no part is ever formed. Along ``W[y_t]`` less the mean of all rows of the head,
through the final norm's gain, it is the part's logit.
"""

from __future__ import annotations

import torch
from torch import Tensor


def attention_rows(
    query: Tensor, keys: Tensor, scaling: float, *, bias: Tensor, softcap: float | None = None
) -> Tensor:
    """Attention weights of some rows.

    Args:
        query: ``(H, R, d)``, as attention takes them, after rotation and norms.
        keys: ``(G, L, d)``, ``G`` a divisor of ``H``: heads in groups share them.
        scaling: What products are multiplied with.
        bias: ``(R, L)`` or ``(H, R, L)`` float32, 0 where a row sees a key, ``-inf`` where not.
        softcap: Scores are ``cap * tanh(x / cap)``, where there is one.

    Returns:
        ``(H, R, L)`` float32; zero in a row that sees nothing.
    """
    grouped = query.float().reshape(len(keys), -1, query.shape[-1]) * scaling  # (G, H / G * R, d)
    scores = torch.bmm(grouped, keys.float().transpose(1, 2)).view(*query.shape[:2], -1)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    return scores.add_(bias).softmax(dim=-1).nan_to_num_(0.0)


def flow_along(weights: Tensor, values: Tensor, directions: Tensor) -> Tensor:
    """How far what flows from each token goes in a direction.

    Args:
        weights: ``(H, R, C)`` attention weights.
        values: ``(G, C, v)``, heads in groups.
        directions: ``(R, H, v)``, one for each row, brought to each head's values.

    Returns:
        ``(R, C)`` float32, signed, summed over heads.
    """
    wanted = directions.float().transpose(0, 1).reshape(len(values), -1, directions.shape[2])
    along = torch.bmm(wanted, values.float().transpose(1, 2)).view(weights.shape)
    return along.mul_(weights).sum(dim=0)


def estimate(logit: Tensor, counts: Tensor) -> Tensor:
    """The share that each token has of what flows.

    Args:
        logit: ``(R, C)`` the logit of what flows, each layer's without its sign.
        counts: ``(R, C)`` bool, the context that shares are taken over.

    Returns:
        ``(R, C)`` float32, not negative; over what counts a row sums to 1, or to 0.
    """
    whole = torch.where(counts, logit, 0.0).sum(dim=1, keepdim=True)
    return torch.where(whole > 0, logit / whole.clamp_min(torch.finfo(whole.dtype).tiny), 0.0)
