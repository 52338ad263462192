"""Does another scale still explain the same decision?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_CPU_BLOCK_ELEMENTS, _BLOCK_ELEMENTS = 1 << 18, 1 << 24
"""Logits of a scale taken at once. On a CPU the four arrays of so many that are worked with stay
in a core's own cache: larger ones cost several times more."""

_LEAST_LOGARITHM = -60.0
"""What is less likely counts as this likely, which is 0 beside all that is seen; its logarithm and
that of its mean are finite."""


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
    _, count, vocabulary = logits.shape
    elements = _CPU_BLOCK_ELEMENTS if logits.device.type == "cpu" else _BLOCK_ELEMENTS
    rows = max(1, elements // vocabulary)
    return Agreement.concatenate(
        [
            _compare(
                logits[:, start : start + rows].float(), target_ids[start : start + rows], reference
            )
            for start in range(0, count, rows)
        ]
    )


def _compare(logits: Tensor, target_ids: Tensor, reference: int) -> Agreement:
    top, top_id = _first_choice(logits)
    own = logits.gather(2, target_ids.expand(len(logits), -1)[:, :, None])
    work, likely = torch.empty_like(logits[0]), torch.empty_like(logits[0])

    def exponentials(scale: int) -> tuple[Tensor, Tensor]:
        """Fills ``likely``; its sums ``(T, 1)`` and the negative entropies ``(T,)``."""
        shifted = torch.sub(logits[scale], top[scale, :, None], out=work)
        torch.exp(shifted.clamp_min_(_LEAST_LOGARITHM), out=likely)
        total = likely.sum(dim=1, keepdim=True)
        return total, (shifted.mul_(likely).sum(dim=1, keepdim=True) / total - total.log())[:, 0]

    total, negentropy = exponentials(reference)
    totals, ranks = [total] * len(logits), []
    divergences = [torch.zeros_like(negentropy)] * len(logits)
    half = likely * (0.5 / total)
    for scale, values in enumerate(logits):
        # Ones and zeros in float32: counts below 2^24 are exact, and far quicker than booleans.
        ranks.append(torch.gt(values, own[scale], out=work).sum(dim=1).long())
        if scale == reference:
            continue
        totals[scale], other = exponentials(scale)
        # Entropy form of the divergence: H(mean) - (H(first) + H(second)) / 2.
        mean = torch.addcmul(half, likely, 0.5 / totals[scale], out=likely)
        mixed = torch.log(mean, out=work).mul_(mean).sum(dim=1)
        divergences[scale] = ((negentropy + other) / 2 - mixed).clamp_min(0.0)
    summed = torch.stack(totals)[:, :, 0]
    return Agreement(
        probability=(own[:, :, 0] - top).exp() / summed,
        rank=torch.stack(ranks),
        divergence=torch.stack(divergences),
        top_id=top_id,
        top_probability=1 / summed,
    )


def _first_choice(logits: Tensor) -> tuple[Tensor, Tensor]:
    """``logits.max(dim=2)`` in two steps: CPUs find a place five times slower than a value."""
    vocabulary = logits.shape[2]
    side = math.isqrt(vocabulary)
    whole = (vocabulary - 1) // side * side
    rest = logits[:, :, whole:].max(dim=2)
    if not whole:
        return rest.values, rest.indices
    blocks = logits[:, :, :whole].reshape(*logits.shape[:2], -1, side)
    block = blocks.amax(dim=3).max(dim=2)
    within = blocks.gather(2, block.indices[:, :, None, None].expand(-1, -1, 1, side))[:, :, 0]
    index = block.indices * side + within.argmax(dim=2)
    first = block.values >= rest.values
    return (
        torch.maximum(block.values, rest.values),
        torch.where(first, index, whole + rest.indices),
    )
