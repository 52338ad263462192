"""The image's gain: how much likelier a word is with its picture than with others, in nats.

``log p(word | its picture) - log mean_k p(word | picture k)``, teacher-forced at scale 1.0: the
conditional pointwise mutual information of word and picture. Other pictures have the own one's
size, so that nothing but the pixels differs. It tells what was read from what was guessed, and not
what is right: a misread object was read, too (docs/image-gain.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmx_core.explaining.passes import (
    Passes,
    forward_positions,
    forward_together,
    log_probabilities,
    positions_of,
)
from mmx_core.explaining.prepare import Prepared
from mmx_core.explaining.references import REFERENCES, fitted
from mmx_core.explanation import FloatArray
from mmx_core.images import Picture
from mmx_core.models.base import ModelAdapter
from mmx_core.models.running import to_host


@dataclass(frozen=True)
class ImageGain:
    """The gain of an answer's ``T`` tokens, and of ``E`` targets beside them.

    Attributes:
        whole: ``(T + E,)`` float32, nats, with all pictures exchanged.
        each: ``(T, I)`` float32, with each of ``I`` pictures exchanged and the others kept; None
            where there is one.
    """

    whole: FloatArray
    each: FloatArray | None


def measure_image_gain(
    adapter: ModelAdapter,
    prepared: Prepared,
    passes: Passes,
    references: Sequence[Picture],
    *,
    positions: int = 0,
) -> ImageGain:
    """One forward for each reference; of several pictures, further ones for each of them.

    Args:
        adapter: The model's.
        prepared: The sample.
        passes: Its own.
        references: Other pictures; without any, a plain one of the mean colour stands in.
        positions: Bound on those of one forward, 0 for a usual one; a longer input goes alone.
    """
    others: Sequence[Picture | None] = references or (None,)
    count, pictures = len(prepared.answer_ids), prepared.pictures
    rows, targets = prepared.targets(len(passes.text.positions))
    ids = targets.to(adapter.head_device)
    own = log_probabilities(adapter, passes.states[passes.base].predicting[None], ids)[0]
    # Nothing predicts a sequence's first token.
    own = own.masked_fill(passes.text.positions[rows] == 0, torch.nan)

    def without(exchanged: Sequence[int], some: int) -> Tensor:
        """``(T,)`` log of the mean probability with these pictures exchanged."""
        variants = [
            tuple(
                # Several pictures get different ones.
                fitted(picture, others[(k + place) % len(others)])
                if place in exchanged
                else picture
                for place, picture in enumerate(pictures)
            )
            for k in range(some)
        ]
        limit = positions or forward_positions(adapter)
        found = _log_probabilities(adapter, prepared, variants, rows, ids, limit)
        return found.logsumexp(dim=0) - math.log(some)

    tensors = {"whole": own - without(range(len(pictures)), len(others))}
    if len(pictures) > 1:
        # Many pictures get one reference each, or their forwards would be the square of many.
        some = min(len(others), max(1, 2 * REFERENCES // len(pictures)))
        tensors["each"] = torch.stack(
            [own - without([place], some) for place in range(len(pictures))], dim=1
        )[:count]
    host = to_host(tensors)
    return ImageGain(host["whole"], host.get("each"))


def _log_probabilities(
    adapter: ModelAdapter,
    prepared: Prepared,
    variants: Sequence[Sequence[Picture]],
    rows: Tensor,
    ids: Tensor,
    positions: int,
) -> Tensor:
    """``(K, T + E)``, of all targets with each of ``K`` choices of pictures."""
    inputs = [
        adapter.encode(
            pictures,
            prepared.rendered,
            prepared.answer_ids,
            factor=1.0,
            layouts=prepared.layouts.get(1.0),
        )
        for pictures in variants
    ]
    size = max(1, positions // positions_of(inputs[0]))
    found = []
    for start in range(0, len(inputs), size):
        some = inputs[start : start + size]
        whole = forward_together(adapter, some)
        predicting = (some[0].context_positions[rows] - 1).clamp_min(0)
        states = torch.stack([hidden[predicting] for hidden in whole])
        del whole
        found.append(log_probabilities(adapter, states, ids))
    return torch.cat(found)
