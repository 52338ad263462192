"""What every method has to beat: the logit lens without anything added."""

from __future__ import annotations

import torch
from torch import Tensor

from mmx_core.attribution import logit_lens
from mmx_core.evaluation.registry import Attribution, method
from mmx_core.evaluation.rivals.base import attribution, encode_base
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.stages.prepare import Prepared


@method("lens_squared")
def squared_lens(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """The control: the logit lens squared.

    It ranks cells exactly as the lens does and knows nothing more; only the contrast is higher. A
    metric by which it wins (the overlap after Otsu's threshold mostly does) measures contrast.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.
    """
    encoded, visual, text = _activations(adapter, prepared)
    return attribution(encoded, prepared, visual.square(), text.square())


@method("lens")
def lens(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """The logit lens at scale 1.0: ``relu(W[y_t] . h_v)``, and the same at text tokens.

    nostalgebraist (2020), on images Neo et al. (arXiv 2410.07149).

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Not used.
    """
    encoded, visual, text = _activations(adapter, prepared)
    return attribution(encoded, prepared, visual, text)


def _activations(adapter: ModelAdapter, prepared: Prepared) -> tuple[EncodedInput, Tensor, Tensor]:
    """``(T, N)`` at the visual tokens and ``(T, C)`` at text."""
    encoded = encode_base(adapter, prepared)
    hidden = adapter.hidden_states(encoded)
    ids = torch.tensor(prepared.answer_ids, device=adapter.head_device)
    visual, text = (
        logit_lens.lens(
            logit_lens.gathered_logits(hidden[at], adapter.head_weight, ids, adapter.head_bias)
        )
        for at in (encoded.visual[0].positions, encoded.context_positions)
    )
    return encoded, visual, text
