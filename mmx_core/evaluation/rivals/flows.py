"""What flows from the picture through attention's values."""

from __future__ import annotations

from functools import partial

import torch

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import attribution, encode_base
from mmx_core.models.base import ModelAdapter
from mmx_core.stages.flow import Wanted, watched
from mmx_core.stages.prepare import Prepared


@method("flow")
def information_flow(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """The share of what attention adds where ``y_t`` is predicted, summed over layers.

    After information flow routes (Ferrando & Voita, arXiv 2403.00824), without the routes further
    down: a token's part counts by its length along the sum, where theirs counts by L1 proximity.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.

    Raises:
        ValueError: What flows cannot be read in this family.
    """
    encoded = encode_base(adapter, prepared)
    visual, text = encoded.visual[0].positions, encoded.context_positions
    ids = torch.tensor(prepared.answer_ids, device=text.device)
    wanted = Wanted(encoded.predicting_positions, torch.cat([visual, text]), ids)
    forward = partial(adapter.hidden_states, encoded)
    _, found = watched(adapter, [wanted], forward, shares=True)
    if isinstance(found, str):
        raise ValueError(f"flow: cannot be read of this model, {found}; leave the method out")
    (share,) = found
    return attribution(encoded, prepared, share[:, : len(visual)], share[:, len(visual) :])
