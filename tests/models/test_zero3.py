"""Weights that DeepSpeed's ZeRO-3 has sharded over two real processes, on the CPU."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
import pytest
import torch

from tests.core.test_callback import Repeated
from tests.models.test_sharded import explained
from tests.support.ranks import on_ranks
from tests.support.tiny_models import make_tiny

pytest.importorskip("deepspeed", reason="needs deepspeed, which compiles parts of itself")

SETTINGS = {
    "train_micro_batch_size_per_gpu": 1,
    "zero_allow_untested_optimizer": True,
    # Small parameters would else stay whole.
    "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
}


def explain_and_train(rank: int, explains: bool) -> tuple[list[float], list[Any]]:
    """Losses, and what is explained between them: by the engine, and by the model inside."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    tiny = make_tiny()
    batch = Repeated(tiny).example
    optimizer = torch.optim.SGD(tiny.model.parameters(), lr=1e-2)
    engine, *_ = deepspeed.initialize(
        model=tiny.model, optimizer=optimizer, config=SETTINGS, dist_init_required=False
    )
    assert not any(parameter.numel() for parameter in tiny.model.parameters())
    found = [explained(model, tiny) for model in (engine, tiny.model)] if explains else []
    losses = []
    for _ in range(2):
        engine.train()
        loss = engine(**batch).loss
        engine.backward(loss)
        engine.step()
        losses.append(float(loss.detach()))
        if explains:
            explained(engine, tiny)
    return losses, found


def test_what_zero_3_has_sharded_is_explained_as_the_whole_and_trains_on_unharmed(
    tmp_path: Any,
) -> None:
    works = {
        name: functools.partial(explain_and_train, explains=name == "explained")
        for name in ("explained", "calm")
    }
    ranks = on_ranks(works, tmp_path, within=400)  # the first time it compiles for a minute
    tiny = make_tiny()
    expected = explained(tiny.model, tiny)
    for with_them, without in zip(ranks["explained"], ranks["calm"], strict=True):
        assert not isinstance(with_them, str), with_them
        assert with_them[0] == without[0]
        for found in with_them[1]:
            for ours, whole in zip(found, expected, strict=True):
                assert ours.answer == whole.answer
                np.testing.assert_allclose(ours.heatmaps, whole.heatmaps, atol=1e-5, rtol=1e-4)
                np.testing.assert_allclose(
                    ours.base.probability, whole.base.probability, atol=1e-5, rtol=1e-5
                )
                assert ours.metrics == pytest.approx(whole.metrics, abs=1e-5, nan_ok=True)
