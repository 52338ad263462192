"""Occlusion: what the model loses with each cell of the picture."""

from __future__ import annotations

import torch

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.models.base import ModelAdapter
from mmx_core.models.running import to_host
from mmx_core.stages.occlusion import without_parts
from mmx_core.stages.prepare import Prepared


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
    found = without_parts(adapter, prepared)
    count = len(prepared.answer_ids)
    before, after = found.whole[:count].exp(), found.without[0][:count].exp()
    # One value per cell of the plane, which need not be one per visual token.
    drop = torch.relu(before[:, None, None] - after)
    return Attribution(to_host({"maps": drop.float()})["maps"])
