"""Does another scale still explain the same decision?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_CPU_BLOCK_ELEMENTS, _BLOCK_ELEMENTS = 1 << 18, 1 << 24
"""Logits of a scale taken at once. On a CPU the four arrays of so many that are worked with stay
in a core's own cache: larger ones cost several times more."""

_BITS = 1 / math.log(2)
"""Of a nat."""

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
    scales, count, vocabulary = logits.shape
    own = logits.gather(2, target_ids.expand(scales, -1)[:, :, None]).float()
    elements = _CPU_BLOCK_ELEMENTS if logits.device.type == "cpu" else _BLOCK_ELEMENTS
    rows = max(1, elements // vocabulary)
    # Once for all blocks: fresh memory takes a CPU longer than what is done in it.
    room = logits.new_empty((3, min(rows, count), vocabulary), dtype=torch.float32)
    blocks = [slice(start, start + rows) for start in range(0, count, rows)]
    found = [
        _summed(logits[:, some].float(), own[:, some], reference, room[:, : count - some.start])
        for some in blocks
    ]
    top, stretch, total, energy, mixed, higher = (
        torch.cat(part, dim=1) for part in zip(*found, strict=True)
    )
    negentropy = energy / total - total.log()
    mixed[reference] = negentropy[reference]
    return Agreement(
        probability=(own[:, :, 0] - top).exp() / total,
        rank=higher.long(),
        # Entropy form: H(mean) - (H(first) + H(second)) / 2.
        divergence=((negentropy + negentropy[reference]) / 2 - mixed).clamp_min(0.0),
        top_id=_first_of(logits, stretch),
        top_probability=1 / total,
    )


def _summed(logits: Tensor, own: Tensor, reference: int, room: Tensor) -> tuple[Tensor, ...]:
    """What is summed over the vocabulary, of ``(S, T, V)`` float32 logits.

    Args:
        logits: Of one block.
        own: ``(S, T, 1)``, the explained tokens'.
        reference: Index of the scale that the others are compared with.
        room: ``(3, T, V)`` float32 to work in.

    Returns:
        ``(S, T)`` each: the greatest logit and the stretch that it stands in; relative to it the
        sums of the exponentials and of these times their logarithms; ``sum m log m`` of the mean
        with the reference, save at the reference itself; how many logits are greater than ``own``.
    """
    top, stretch = _greatest(logits)
    work, likely, half = room
    totals, energies, mixed, higher = ([top[0]] * len(logits) for _ in range(4))

    def exponentials(scale: int) -> Tensor:
        """Fills ``likely``; ``(T, 1)``, what makes it halves of probabilities."""
        shifted = torch.sub(logits[scale], top[scale, :, None], out=work)
        _exponential(shifted.clamp_min_(_LEAST_LOGARITHM), out=likely)
        totals[scale] = likely.sum(dim=1)
        energies[scale] = shifted.mul_(likely).sum(dim=1)
        return 0.5 / totals[scale][:, None]

    halved = exponentials(reference)
    torch.mul(likely, halved, out=half)
    for scale, values in enumerate(logits):
        # Ones and zeros in float32: counts below 2^24 are exact, and far quicker than booleans.
        higher[scale] = torch.gt(values, own[scale], out=work).sum(dim=1)
        if scale != reference:
            mean = torch.addcmul(half, likely, exponentials(scale), out=likely)
            mixed[scale] = torch.log(mean, out=work).mul_(mean).sum(dim=1)
    sums = (torch.stack(part) for part in (totals, energies, mixed, higher))
    return top, stretch, *sums


def _exponential(values: Tensor, *, out: Tensor) -> None:
    if values.device.type == "cpu":
        # Powers of two take a CPU a third of the time of those of e.
        torch.exp2(torch.mul(values, _BITS, out=out), out=out)
    else:
        torch.exp(values, out=out)


def _greatest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The greatest logits ``(S, T)`` and the first stretches that they stand in.

    In two steps, :func:`_first_of` is the other: CPUs find a place five times slower than a value.
    """
    side = math.isqrt(logits.shape[2])
    whole = logits.shape[2] // side * side
    greatest = [logits[:, :, :whole].reshape(*logits.shape[:2], -1, side).amax(dim=3)]
    if whole < logits.shape[2]:
        greatest.append(logits[:, :, whole:].amax(dim=2, keepdim=True))
    top, stretch = torch.cat(greatest, dim=2).max(dim=2)
    return top, stretch


def _first_of(logits: Tensor, stretch: Tensor) -> Tensor:
    """``(S, T)`` the place of the greatest logit in its stretch."""
    vocabulary = logits.shape[2]
    side = math.isqrt(vocabulary)
    begin = (stretch * side)[:, :, None]
    places = (begin + torch.arange(side, device=logits.device)).clamp_max_(vocabulary - 1)
    return begin[:, :, 0] + logits.gather(2, places).argmax(dim=2)
