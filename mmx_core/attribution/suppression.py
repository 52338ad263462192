"""Interference suppression: what of a map belongs to other tokens.

Notation: ``U`` distinct token classes of prompt and answer, ``class_of`` gives each of the ``C``
context tokens its class, ``z`` are the signed logits of the classes at the ``N`` visual positions
of one scale, ``A = relu(z)`` their maps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmx_core.settings import DEFAULTS, Suppression

SHARE_RELEVANCE = DEFAULTS.gate
COMPETING_RELEVANCE = 0.5


def subtractive_weights(
    rule: Suppression,
    *,
    relevance: Tensor,
    activation: Tensor,
    counts: Tensor,
    same_class: Tensor,
) -> Tensor:
    """Interference weights of the context, summing to 1 per token, or all 0.

    Args:
        rule: ``irrelevance`` (the paper's words, ``w ~ (1 - rho) r``), ``relevance``
            (``w ~ rho r``), ``competing`` (``w ~ r`` where ``rho >= 0.5``), or ``tam`` (``w ~ r``,
            repeated tokens left out; arXiv 2506.23270).
        relevance: ``(T, C)`` float32, rho.
        activation: ``(T, C)`` float32, r.
        counts: ``(T, C)`` bool, where ``j`` is context of ``t``.
        same_class: ``(T, C)`` bool, where ``j`` is the same vocabulary entry as ``t``.

    Returns:
        ``(T, C)`` float32.
    """
    if rule == "irrelevance":
        raw = (1 - relevance) * activation
    elif rule == "relevance":
        raw = relevance * activation
    elif rule == "competing":
        raw = torch.where(relevance >= COMPETING_RELEVANCE, activation, 0.0)
    elif rule == "tam":
        raw = torch.where(same_class, 0.0, activation)
    else:
        raise ValueError(f"suppression: expected a subtractive rule, got {rule!r}")
    raw = torch.where(counts, raw, 0.0)
    total = raw.sum(dim=1, keepdim=True)
    return torch.where(total > 0, raw / total.clamp_min(torch.finfo(raw.dtype).tiny), 0.0)


def subtract(maps: Tensor, weights: Tensor, class_maps: Tensor, class_of: Tensor) -> Tensor:
    """``relu(A_t - lambda_t E_t)`` with ``E_t = sum_j w_tj A_j`` and ``lambda`` by least squares.

    Args:
        maps: ``(T, N)`` float32.
        weights: ``(T, C)`` float32.
        class_maps: ``(U, N)`` float32.
        class_of: ``(C,)`` int64.

    Returns:
        ``(T, N)`` float32; a token without interference keeps its map.
    """
    per_class = weights.new_zeros((len(weights), len(class_maps)))
    per_class.index_add_(1, class_of, weights)
    interference = per_class @ class_maps
    return torch.relu(maps - least_squares(maps, interference)[:, None] * interference)


def least_squares(maps: Tensor, interference: Tensor) -> Tensor:
    """``(T,)``: ``<A, E> / <E, E>`` per row, 0 where ``E`` is zero."""
    denominator = (interference**2).sum(dim=1)
    numerator = (maps * interference).sum(dim=1)
    safe = denominator.clamp_min(torch.finfo(denominator.dtype).tiny)
    return torch.where(denominator > 0, numerator / safe, 0.0)


def share_weights(
    *,
    relevance: Tensor,
    eligible: Tensor,
    class_of: Tensor,
    target_class: Tensor,
    class_maps: Tensor,
    gate: float = SHARE_RELEVANCE,
) -> tuple[Tensor, Tensor]:
    """How much each class competes with each token.

    A class competes when one of its tokens is eligible, of another vocabulary entry, and predicted
    where much the same words were (``rho >= gate``). Its weight is one minus the share of the
    smaller of the two maps, at scale 1.0 and each brought to a maximum of 1, that lies within the
    other: ``1 - <A, B> / min(<A, A>, <B, B>)``. A word that lights the same cells, or some of them,
    names the same thing and takes nothing away: "red" lights one of the circles that "circle"
    lights, and a cosine would call them rivals.

    Args:
        relevance: ``(T, C)`` float32, rho, for tokens before and after ``t``.
        eligible: ``(T, C)`` bool.
        class_of: ``(C,)`` int64.
        target_class: ``(T,)`` int64.
        class_maps: ``(U, N)`` float32, at scale 1.0.
        gate: The least overlap of two rankings whose words compete.

    Returns:
        ``(T, U)`` weights per class, and ``(T, C)`` the same, told by token.
    """
    competes = eligible & (relevance >= gate) & (class_of[None] != target_class[:, None])
    tiny = torch.finfo(class_maps.dtype).tiny
    unit = class_maps / class_maps.amax(dim=1, keepdim=True).clamp_min(tiny)
    size = (unit**2).sum(dim=1)
    smaller = torch.minimum(size[target_class][:, None], size[None]).clamp_min(tiny)
    distance = (1 - (unit[target_class] @ unit.T) / smaller).clamp(0, 1)
    by_token = torch.where(competes, distance[:, class_of], 0.0)
    by_class = torch.zeros_like(distance)
    by_class.scatter_reduce_(
        1, class_of[None].expand_as(by_token), by_token, reduce="amax", include_self=True
    )
    return by_class, by_token


def share(logits: Tensor, weights: Tensor, target_class: Tensor) -> Tensor:
    """``1 / (1 + sum_c w_c exp(z_c - z_t))``: the token's share of each cell against competitors.

    Args:
        logits: ``(U, N)`` float32, signed.
        weights: ``(T, U)`` float32, from :func:`share_weights`.
        target_class: ``(T,)`` int64.

    Returns:
        ``(T, N)`` float32 in ``[0, 1]``; exactly 1 for a token without a competitor.
    """
    # In the log domain with each cell's maximum taken out, so that no exponential overflows; in
    # float64, so that a competitor far below an unrelated class does not underflow to none.
    signed = logits.double()
    highest = signed.amax(dim=0, keepdim=True)
    rivals = (weights.double() @ (signed - highest).exp()).log() + highest
    return torch.sigmoid(signed[target_class] - rivals).float()
