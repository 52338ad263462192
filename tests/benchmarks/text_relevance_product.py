"""The product's own estimate on the text benchmark: read while a forward runs, under any kernel."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from mmx_core.attribution.flow import estimate
from mmx_core.models.base import ModelAdapter
from mmx_core.stages.flow import Wanted, watched
from tests.benchmarks.text_relevance_measures import Scored

PRODUCT = "Explanation.estimate (the product)"


class _Text(ModelAdapter):
    """A language model that sees no pictures."""

    def layout(self, image: Any, factor: float) -> Any:
        raise NotImplementedError

    def pixel_inputs(self, images: Any, factor: float) -> Any:
        raise NotImplementedError


def add_product(found: Scored, model: Any, ids: Tensor, rows: Tensor, context: Tensor) -> None:
    """Adds its scores; its seconds are the forward's as well.

    Args:
        found: What is there of the prompt.
        model: With any attention.
        ids: ``(L,)``.
        rows: ``(R,)`` positions that predict.
        context: ``(C,)`` positions that count.
    """
    adapter = _Text(model, image_processor=None, tokenizer=None)
    begin = time.perf_counter()
    wanted = Wanted(rows, context, ids[rows + 1])
    _, flows = watched(
        adapter, [wanted], lambda: model.model(ids[None], use_cache=False).last_hidden_state
    )
    if isinstance(flows, str):
        raise ValueError(f"expected an estimate of {type(model).__name__}, got none: {flows}")
    scores = torch.zeros(len(rows), len(ids))
    counts = context <= rows[:, None]
    scores[:, context] = estimate(flows[0], counts).masked_fill(~counts, 0)
    found.scores[PRODUCT] = scores
    found.seconds[PRODUCT] = time.perf_counter() - begin
