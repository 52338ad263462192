"""What rivals share."""

from __future__ import annotations

import torch
from torch import Tensor

from mmx_core.evaluation.registry import Attribution
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.running import to_host
from mmx_core.stages.prepare import Prepared


def encode_base(adapter: ModelAdapter, prepared: Prepared) -> EncodedInput:
    """The teacher-forced input at scale 1.0."""
    # Of one image: prepared.image refuses several.
    return adapter.encode([prepared.image], prepared.rendered, prepared.answer_ids, factor=1.0)


def counted_context(encoded: EncodedInput, prepared: Prepared) -> Tensor:
    """``(T, C)`` bool: where ``j`` is context of ``t`` and no token of the chat template."""
    size, count = len(encoded.context_positions), encoded.answer_length
    device = encoded.text_positions.device
    before = (
        torch.arange(size, device=device) < torch.arange(size - count, size, device=device)[:, None]
    )
    return before & prepared.counted(size).to(device)


def attribution(
    encoded: EncodedInput, prepared: Prepared, visual: Tensor, text: Tensor | None
) -> Attribution:
    """Brings a method's tensors into form.

    Args:
        encoded: At scale 1.0.
        prepared: The sample.
        visual: ``(T, N)``, of the visual tokens.
        text: ``(T, C)``, or None.
    """
    maps = encoded.visual[0].on_plane(visual.float().contiguous())
    tensors = {"maps": maps}
    if text is not None:
        known = counted_context(encoded, prepared)
        tensors["text"] = text.float().masked_fill(~known, torch.nan)
    found = to_host(tensors)
    return Attribution(found["maps"], found.get("text"))
