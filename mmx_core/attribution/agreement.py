"""Does another scale still explain the same decision?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_CPU_BLOCK_ELEMENTS, _BLOCK_ELEMENTS = 1 << 20, 1 << 24
"""Logits taken at once. On a CPU they stay in its cache: larger temporaries cost ten times more."""


@dataclass(frozen=True)
class Agreement:
    """What the predictions at each scale say of the explained tokens; every field is ``(S, T)``.

    Attributes:
        probability: ``p(y_t)``.
        rank: Of ``y_t``; 0 is the top.
        divergence: Jensen-Shannon divergence (nats) from the reference scale.
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
        return Agreement(
            *(torch.cat([getattr(part, name) for part in parts], dim=1) for name in names)
        )


def agreement(logits: Tensor, target_ids: Tensor, *, reference: int = 0) -> Agreement:
    """Compares each scale's predictions with the explained tokens and with the reference scale's.

    Args:
        logits: ``(S, T, V)``, of any float dtype; computed with in float32.
        target_ids: ``(T,)`` int64.
        reference: Index of the scale that the others are compared with.
    """
    scales, count, vocabulary = logits.shape
    elements = _CPU_BLOCK_ELEMENTS if logits.device.type == "cpu" else _BLOCK_ELEMENTS
    rows = max(1, elements // (scales * vocabulary))
    return Agreement.concatenate(
        [
            _compare(
                logits[:, start : start + rows].float(), target_ids[start : start + rows], reference
            )
            for start in range(0, count, rows)
        ]
    )


def _compare(logits: Tensor, target_ids: Tensor, reference: int) -> Agreement:
    top = logits.max(dim=2)
    own = logits.gather(2, target_ids.expand(len(logits), -1)[:, :, None])
    work = torch.empty_like(logits)
    # Ones and zeros in float32: counts below 2^24 are exact, and far quicker than booleans.
    rank = torch.gt(logits, own, out=work).sum(dim=2).long()
    # Clamped, because 0 times minus infinity is not 0.
    shifted = torch.sub(logits, top.values[:, :, None], out=work).clamp_min_(-1e4)
    probability = shifted.exp()
    total = probability.sum(dim=2, keepdim=True)
    probability.div_(total)
    total = total[:, :, 0]
    # Entropy form of the divergence: H(mean) - (H(first) + H(second)) / 2.
    negentropy = (probability * shifted).sum(dim=2) - total.log()
    mean = probability.lerp(probability[reference].clone(), 0.5)
    log_mean = torch.clamp(mean, min=torch.finfo(mean.dtype).tiny, out=work).log_()
    mixed = mean.mul_(log_mean).sum(dim=2)
    divergence = ((negentropy + negentropy[reference]) / 2 - mixed).clamp_min(0.0)
    divergence[reference] = 0.0
    return Agreement(
        probability=(own[:, :, 0] - top.values).exp() / total,
        rank=rank,
        divergence=divergence,
        top_id=top.indices,
        top_probability=1 / total,
    )
