"""Occlusion: what the model loses with each cell of the picture."""

from __future__ import annotations

from dataclasses import replace

import torch
from PIL import ImageFilter
from torch import Tensor

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import encode_base
from mmx_core.explaining.prepare import Prepared
from mmx_core.models.base import ModelAdapter
from mmx_core.models.running import to_host

_BATCH_TOKENS = 8192
"""Positions of one forward, over all pictures of its batch."""

_CHUNK_ELEMENTS = 1 << 25
"""Entries of the largest vocabulary-wide temporary: 128 MB in float32."""

_BLUR = 1 / 8
"""Radius of the blur, of the picture's shorter side."""


@method("occlusion")
def occlusion(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """How much ``p(y_t)`` drops when a cell shows the blurred picture: ``relu(p - p_without)``.

    Zeiler & Fergus (arXiv 1311.2901), one cell at a time. Blurred rather than grey, because a
    grey square is an object of its own. One forward per batch of cells serves all tokens.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.
    """
    # To the model's own input size first, where it has one, so that whole pixels are exchanged.
    whole = adapter.input_image(prepared.image)
    blurred = whole.filter(ImageFilter.GaussianBlur(min(whole.size) * _BLUR))
    shown = encode_base(adapter, replace(prepared, pictures=(whole,)))

    ids = torch.tensor(prepared.answer_ids, device=adapter.head_device)
    predicting = shown.predicting_positions
    before = _probabilities(adapter, adapter.hidden_states(shown)[None, predicting], ids)
    rows, columns = shown.visual[0].grid
    cells = rows * columns
    size = max(1, _BATCH_TOKENS // (shown.prompt_length + shown.answer_length))
    after = []
    for start in range(0, cells, size):
        chosen = torch.arange(start, min(start + size, cells), device=adapter.head_device)
        keep = chosen[:, None] != torch.arange(cells, device=adapter.head_device)
        batch = adapter.perturbed(
            whole, blurred, keep.view(-1, rows, columns), prepared.rendered, prepared.answer_ids
        )
        # Indexing copies, so that the batch's other states are freed before the next.
        states = adapter.forward(batch)[:, predicting]
        after.append(_probabilities(adapter, states, ids))
    drop = torch.relu(before - torch.cat(after))
    # One value per cell of the plane, which need not be one per visual token.
    return Attribution(to_host({"maps": drop.T.float().reshape(-1, rows, columns)})["maps"])


def _probabilities(adapter: ModelAdapter, hidden: Tensor, ids: Tensor) -> Tensor:
    """``(B, T, d)`` predicting states to ``(B, T)`` float32, of the explained tokens."""
    states, targets = hidden.flatten(0, 1), ids.repeat(len(hidden))
    chunk = max(1, _CHUNK_ELEMENTS // adapter.vocabulary_size)
    parts = []
    for start in range(0, len(states), chunk):
        logits = adapter.logits(states[start : start + chunk]).float()
        own = logits.gather(1, targets[start : start + chunk, None])[:, 0]
        parts.append((own - logits.logsumexp(dim=1)).exp())
    return torch.cat(parts).view(hidden.shape[:2])
