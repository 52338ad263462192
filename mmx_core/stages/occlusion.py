"""Occlusion: what each word loses when a part of the picture is hidden.

It asks nothing of how a model takes its pictures in, so that it explains families whose visual
tokens stand for no place. What text alone tells (probabilities, candidates, ARC's relevance) is
read as with a lens; what is a lens's own (text activation, grounding, suppression) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import PARTS
from mmx_core.settings import Settings
from mmx_core.stages.passes import Passes, log_probabilities
from mmx_core.stages.perturbing import Perturber
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.reading import (
    Reading,
    all_finite,
    estimated,
    find_targets,
    on_host,
    predict,
    relate,
)


@dataclass(frozen=True)
class Without:
    """Log-probabilities of ``R`` targets: the answer's tokens, then those asked for beside them.

    Attributes:
        whole: ``(R,)`` float32, with nothing hidden.
        without: Per view ``(R, H, W)`` float32 on its plane, with the part hidden that a cell
            belongs to. Of cells that the model does not see: as with nothing hidden.
    """

    whole: Tensor
    without: list[Tensor]


def read_occlusion(
    adapter: ModelAdapter, prepared: Prepared, passes: Passes, settings: Settings
) -> Reading:
    """What :func:`~mmx_core.stages.reading.read_passes` returns, its maps by occlusion.

    Maps are ``relu(log p - log p_without)`` in nats, at scale 1.0 alone; NaN where the model does
    not see the image.

    Raises:
        ValueError: Logits are not finite.
    """
    head = adapter.head_weight, adapter.head_bias
    targets = find_targets(prepared, passes)
    agreed, ranked = predict(adapter, prepared, passes, targets, settings, head)
    relevance = relate(ranked, targets, passes, settings)
    found = without_parts(adapter, prepared, longest=PARTS)
    spans = passes.states[passes.base].spans
    # Nothing predicts the first token of a sequence.
    predicted = passes.text.positions != 0
    known = predicted[targets.context_index][:, None, None]
    maps = [
        torch.where(known, found.whole[:, None, None] - values, 0.0)
        .relu()
        .masked_fill(~span.view.seen.to(values.device), torch.nan)
        for span, values in zip(spans, found.without, strict=True)
    ]
    absent = torch.full_like(relevance, torch.nan)
    return on_host(
        {
            "finite": all_finite([ranked.probability, agreed.probability, *found.without]),
            "text_positions": passes.text.positions,
            "predicted": predicted,
            "probability": agreed.probability,
            "rank": agreed.rank,
            "divergence": agreed.divergence,
            "top_ids": agreed.top_id,
            "top_probability": agreed.top_probability,
            "relevance": relevance.masked_fill(~targets.before, torch.nan),
            "text_activation": absent,
            "interference_weights": torch.zeros_like(relevance),
            "view_grounding": absent.new_full((len(absent), len(spans)), torch.nan),
            "candidate_ids": ranked.ids[:, : settings.candidates],
            "candidate_probabilities": ranked.probability[:, : settings.candidates],
            **estimated(passes, targets),
            # Of one scale, which is its own aggregate.
            **{("map", 0, view): values for view, values in enumerate(maps)},
            **{("heatmap", view): values for view, values in enumerate(maps)},
        },
        passes,
    )


def without_parts(
    adapter: ModelAdapter, prepared: Prepared, *, longest: int | None = None
) -> Without:
    """Hides each picture's parts one by one, blurred, and asks how likely the targets still are.

    Args:
        adapter: The model's.
        prepared: The sample.
        longest: Parts along a view's longer side, at most: squares of its cells. None for one part
            per cell.
    """
    perturber = Perturber(adapter, prepared)
    encoded = perturber.encoded
    context = encoded.context_positions
    rows, ids = (values.to(context.device) for values in prepared.targets(len(context)))
    positions = (context[rows] - 1).clamp_min(0)
    whole = log_probabilities(adapter, adapter.hidden_states(encoded)[None, positions], ids)[0]
    without = []
    for span in encoded.visual:
        part_of = _parts(span.grid, longest).to(context.device)
        # Those of which the model sees nothing cost no forward.
        chosen = torch.unique(part_of[span.view.seen.to(context.device)])
        values = whole.repeat(int(part_of.max()) + 1, 1)
        keep = part_of != chosen[:, None, None]
        states = perturber.states(span, keep, positions.expand(len(chosen), -1))
        values[chosen] = torch.cat([log_probabilities(adapter, some, ids) for some in states])
        without.append(values.T[:, part_of])
    return Without(whole, without)


def _parts(grid: tuple[int, int], longest: int | None) -> Tensor:
    """``(H, W)`` int64: which part a cell belongs to, squares of cells from the top left."""
    side = 1 if longest is None else -(-max(grid) // longest)
    rows, columns = (torch.arange(count) // side for count in grid)
    return rows[:, None] * (int(columns[-1]) + 1) + columns
