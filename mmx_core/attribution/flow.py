"""What flows from a token to where another is predicted, through one layer's attention.

Attention adds ``sum_j sum_h a_hj W_h v_hj`` to the residual stream. Two readings of the part of
token ``j`` are cheap, because each is a product with a direction at the heads' values, the same for
all tokens: no part is ever formed.

- Its logit: along ``W[y_t]`` less the mean of all rows of the head, through the final norm's gain,
  which ``W_h^T`` brings to the values.
- Its share of what attention puts out, ``sum_j a_hj v_hj`` of all heads: along that sum itself.
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
        directions: ``(D, R, H, v)``, ``D`` for each row, brought to each head's values.

    Returns:
        ``(D, R, C)`` float32, signed, summed over heads.
    """
    count, rows, heads, width = directions.shape
    by_head = directions.float().permute(2, 0, 1, 3)
    wanted = by_head.reshape(len(values), -1, width)  # (G, H / G * D * R, v)
    along = torch.bmm(wanted, values.float().transpose(1, 2)).view(heads, count, rows, -1)
    return along.mul_(weights[:, None]).sum(dim=0)


def estimate(logit: Tensor, share: Tensor, counts: Tensor) -> Tensor:
    """One figure of the two readings, each summed over the layers.

    Args:
        logit: ``(R, C)`` the logit of what flows, each layer's without its sign.
        share: ``(R, C)`` the share of what attention puts out.
        counts: ``(R, C)`` bool, the context that shares are taken over.

    Returns:
        ``(R, C)`` float32, not negative; over what counts a row sums to 1, or to 0.
    """
    return (_of_all(logit, counts) + _of_all(share, counts)) / 2


def _of_all(values: Tensor, counts: Tensor) -> Tensor:
    whole = torch.where(counts, values, 0.0).sum(dim=1, keepdim=True)
    return torch.where(whole > 0, values / whole.clamp_min(torch.finfo(whole.dtype).tiny), 0.0)
