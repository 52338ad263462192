"""Does another scale still explain the same decision?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Agreement:
    """What a prediction says of the explained tokens; every field is ``(T,)``.

    Attributes:
        probability: ``p(y_t)``.
        rank: Of ``y_t``; 0 is the top.
        divergence: Jensen-Shannon divergence (nats) from the reference.
        top_id: The winning vocabulary entry.
        top_probability: Its probability.
    """

    probability: Tensor
    rank: Tensor
    divergence: Tensor
    top_id: Tensor
    top_probability: Tensor

    @staticmethod
    def concatenate(parts: list[Agreement]) -> Agreement:
        """Joins chunks of tokens."""
        names = ("probability", "rank", "divergence", "top_id", "top_probability")
        return Agreement(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def agreement(logits: Tensor, target_ids: Tensor, reference: Tensor | None = None) -> Agreement:
    """Compares predictions with the explained tokens and with a reference's log-probabilities.

    Args:
        logits: ``(T, V)``.
        target_ids: ``(T,)`` int64.
        reference: ``(T, V)`` float32 log-probabilities at scale 1.0; None for that scale itself.
    """
    log_probability = torch.log_softmax(logits.float(), dim=1)
    own = log_probability.gather(1, target_ids[:, None])
    rank = (log_probability > own).sum(dim=1)
    top = log_probability.max(dim=1)
    divergence = (
        torch.zeros_like(own[:, 0])
        if reference is None
        else jensen_shannon(log_probability, reference)
    )
    return Agreement(own[:, 0].exp(), rank, divergence, top.indices, top.values.exp())


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Jensen-Shannon divergence of two ``(T, V)`` log-probabilities, ``(T,)`` nats, in [0, ln 2].

    Entropy form, ``H(mean) - (H(first) + H(second)) / 2``: it needs two temporaries of the
    vocabulary's size, and ``0 log 0`` is 0.
    """
    mean = first.exp()
    halves = (mean * first.clamp_min(-1e4)).sum(dim=1)
    other = second.exp()
    halves += (other * second.clamp_min(-1e4)).sum(dim=1)
    mean = mean.add_(other).mul_(0.5)
    mixed = torch.special.xlogy(mean, mean).sum(dim=1)
    return (halves / 2 - mixed).clamp(min=0.0)
