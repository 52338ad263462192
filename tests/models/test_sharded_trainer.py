"""A Trainer that shards its model by itself, over two real processes: rank 0 logs the whole's."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mmx_core as mmx
from tests.core.test_callback import build_callback, make_trainer, probe
from tests.support.ranks import on_ranks
from tests.support.tiny_models import make_tiny

LAYERS = ["Qwen2VLDecoderLayer", "Qwen2VLVisionBlock"]
VERSIONS = (1, 2)


@contextmanager
def sharding_on_the_cpu() -> Iterator[None]:
    """accelerate makes the strategy FSDP on accelerators only, though all that it does then works.

    On the CPU it would replicate the model without a word, and on ``cpu:0``, which FSDP1 refuses.
    """
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType

    own = AcceleratorState.__init__

    def make(self: Any, *args: Any, fsdp_plugin: Any = None, **parts: Any) -> None:
        own(self, *args, fsdp_plugin=fsdp_plugin, **parts)
        if fsdp_plugin is None:  # another look at what was made
            return
        self.fsdp_plugin = fsdp_plugin
        shared = {"distributed_type": DistributedType.FSDP, "device": torch.device("cpu")}
        for state in (PartialState._shared_state, AcceleratorState._shared_state):
            state.update(shared)

    AcceleratorState.__init__ = make
    try:
        yield
    finally:
        AcceleratorState.__init__ = own
        AcceleratorState._reset_state(reset_partial_state=True)


def trained(rank: int, folder: str, version: int) -> tuple[list[str], bool, float]:
    """What ``ExplainCallback`` warned of, whether the model was sharded, and the last loss."""
    tiny = make_tiny()
    config: dict[str, Any] = {"version": version, "transformer_layer_cls_to_wrap": LAYERS}
    if version == 1:
        config["sync_module_states"] = False  # asks for an accelerator
    with warnings.catch_warnings(record=True) as told, sharding_on_the_cpu():
        warnings.simplefilter("always")
        trainer = make_trainer(
            tiny,
            Path(folder),
            build_callback(tiny, samples=probe()),
            save_strategy="no",
            fsdp="full_shard auto_wrap",
            fsdp_config=config,
        )
        result = trainer.train()
        trainer.evaluate()  # once more, at a step that is explained
    said = [str(one.message) for one in told if "expl" in str(one.message)]
    kind = "FullyShardedDataParallel" if version == 1 else "FSDPModule"
    sharded = kind in [part.__name__ for part in type(trainer.model_wrapped).__mro__]
    return said, sharded, float(result.training_loss)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    folder = tmp_path_factory.mktemp("trained")
    works = {
        str(version): functools.partial(trained, folder=str(folder / str(version)), version=version)
        for version in VERSIONS
    }
    return folder, on_ranks(works, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_trainer_that_shards_its_model_logs_what_it_logs_of_the_whole(
    ranks: tuple[Path, dict[str, list[Any]]], version: int, tmp_path: Path
) -> None:
    tiny = make_tiny()
    whole = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe())).train()
    folder, found = ranks
    for rank in found[str(version)]:
        assert not isinstance(rank, str), rank
        assert rank == ([], True, pytest.approx(whole.training_loss, rel=1e-4))
    ours, expected = (
        sorted(mmx.read_explanations(place / "explanations"), key=lambda e: (e.tag, e.step))
        for place in (folder / str(version), tmp_path)
    )
    assert [(e.tag, e.step) for e in ours] == [(e.tag, e.step) for e in expected]
    assert len(ours) == 4
    for sharded, one in zip(ours, expected, strict=True):
        np.testing.assert_allclose(sharded.base.probability, one.base.probability, rtol=1e-3)
        np.testing.assert_allclose(sharded.heatmaps, one.heatmaps, atol=2e-2)
