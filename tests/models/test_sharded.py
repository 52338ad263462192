"""Weights sharded over two real processes: all explain together what one explains alone."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mmx_core as mmx
from tests.core.test_callback import Repeated, build_callback, make_trainer
from tests.support.ranks import on_ranks
from tests.support.tiny_models import TinyModel, make_tiny

KINDS = ("fsdp1", "fsdp1 with original parameters", "fsdp2", "fsdp2 with a head of its own")
PROMPT, ANSWER = "describe the image .", "a red circle ."


def sample(id: str = "a", size: tuple[int, int] = (32, 48), **more: Any) -> mmx.Sample:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return mmx.Sample(id, pixels, PROMPT, **{"answer": ANSWER, **more})


def shard(kind: str, model: Any) -> Any:
    layers = [*model.model.language_model.layers, *model.model.visual.blocks]
    if kind.startswith("fsdp1"):
        from torch.distributed.fsdp import FullyShardedDataParallel
        from torch.distributed.fsdp.wrap import ModuleWrapPolicy

        return FullyShardedDataParallel(
            model,
            auto_wrap_policy=ModuleWrapPolicy({type(layer) for layer in layers}),
            device_id=torch.device("cpu"),
            use_orig_params=kind.endswith("original parameters"),
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    if kind.endswith("of its own"):
        fully_shard(model.lm_head, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def explainer(model: Any, tiny: TinyModel, **settings: Any) -> mmx.Explainer:
    return mmx.Explainer(model, **tiny.parts, scales=(1.0, 2.0), max_new_tokens=4, **settings)


def masked() -> mmx.Sample:
    mask = np.zeros((32, 48), dtype=bool)
    mask[:16, :24] = True
    return sample("masked", masks=[mmx.WordMask((2,), mask, "circle")])


def explained(model: Any, tiny: TinyModel) -> list[Any]:
    made = explainer(model, tiny, faithfulness=True, influence=True)
    return list(made.explain_batch([masked(), sample("generated", answer=None)]))


def step(model: Any, batch: dict[str, torch.Tensor]) -> float:
    """One step of training, with dropout's random numbers drawn from the generator."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    loss = model(**batch).loss * (1 + torch.rand(()))
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def trained(kind: str, explains: bool) -> tuple[list[float], list[Any], list[Any]]:
    tiny = make_tiny()
    batch = Repeated(tiny).example
    model = shard(kind, tiny.model)
    torch.manual_seed(3)
    losses = [step(model, batch)]
    # Not set to zero: what the explanation must leave alone.
    kept = [None if p.grad is None else _local(p.grad).clone() for p in model.parameters()]
    shapes = [tuple(_local(p).shape) for p in model.parameters()]
    found = explained(model, tiny) if explains else []
    if explains:
        assert all(module.training for module in model.modules())
        assert not kind.startswith("fsdp2") or shapes == [
            tuple(_local(p).shape) for p in model.parameters()
        ]
        after = [None if p.grad is None else _local(p.grad) for p in model.parameters()]
        for before, now in zip(kept, after, strict=True):
            assert (before is None) == (now is None)
            assert before is None or torch.equal(before, now)
    losses += [step(model, batch), step(model, batch)]
    return losses, [_local(p).detach().clone() for p in model.parameters()], found


def _local(value: Any) -> torch.Tensor:
    return value.to_local() if hasattr(value, "to_local") else value


def explain_and_train(rank: int, kind: str) -> Any:
    tiny = make_tiny()
    first = explained(shard(kind, tiny.model), tiny)
    losses, weights, _ = trained(kind, explains=True)
    calm_losses, calm_weights, _ = trained(kind, explains=False)
    assert losses == calm_losses
    assert all(torch.equal(a, b) for a, b in zip(weights, calm_weights, strict=True))
    return first


def called_back(rank: int, folder: str) -> list[str]:
    """As a Trainer calls it: on every rank, with the wrapped model."""
    tiny = make_tiny()
    trainer = make_trainer(tiny, Path(folder), build_callback(tiny, samples=[sample()]))
    callback = next(c for c in trainer.callback_handler.callbacks if "Explain" in type(c).__name__)
    place = trainer.args, trainer.state, trainer.control
    trainer.state.is_world_process_zero = rank == 0
    parts = {"model": shard("fsdp2", tiny.model), "processing_class": tiny.tokenizer}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        callback.on_train_begin(*place, **parts)
        for trainer.state.global_step in (1, 2):
            callback.on_evaluate(*place, **parts)
            callback.on_evaluate(*place, **parts)  # a second evaluation set
        callback.on_train_end(*place, **parts)
    return [str(warning.message) for warning in told if "explanation" in str(warning.message)]


WORKS = {kind: functools.partial(explain_and_train, kind=kind) for kind in KINDS}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    folder = tmp_path_factory.mktemp("trained")
    works = {
        **WORKS,
        "callback": functools.partial(called_back, folder=str(folder)),
        "ddp": rank_zero_alone,
        "unwrapped": without_the_wrapper,
        "apart": come_apart,
    }
    found = on_ranks(works, tmp_path_factory.mktemp("ranks"))
    found["log"] = list(mmx.read_explanations(folder / "explanations"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_sharded_model_is_explained_as_the_whole_and_trains_on_unharmed(
    ranks: dict[str, list[Any]], kind: str
) -> None:
    tiny = make_tiny()
    expected = explained(tiny.model, tiny)
    for found in ranks[kind]:
        assert not isinstance(found, str), found
        for ours, whole in zip(found, expected, strict=True):
            assert [t.id for t in ours.tokens] == [t.id for t in whole.tokens]
            np.testing.assert_allclose(ours.heatmap, whole.heatmap, atol=1e-5, rtol=1e-4)
            np.testing.assert_allclose(
                ours.base.probability, whole.base.probability, atol=1e-5, rtol=1e-5
            )
            np.testing.assert_allclose(ours.influence, whole.influence, atol=1e-4)
            assert ours.metrics == pytest.approx(whole.metrics, abs=1e-5, nan_ok=True)


def test_a_trainer_of_sharded_weights_gets_its_explanations_from_rank_0(
    ranks: dict[str, list[Any]],
) -> None:
    assert ranks["callback"] == [[], []], "nothing to warn about"
    tiny = make_tiny()
    whole = explainer(tiny.model, tiny).explain(sample().images, PROMPT, answer=ANSWER)
    assert [(e.tag, e.step) for e in ranks["log"]] == [("mmx/val/a", 1), ("mmx/val/a", 2)]
    np.testing.assert_allclose(ranks["log"][0].base.probability, whole.base.probability, atol=1e-5)


def come_apart(rank: int) -> dict[str, str]:
    tiny = make_tiny()
    made = explainer(shard("fsdp2", tiny.model), tiny, rank_timeout=2)
    said = {}
    store = torch.distributed.distributed_c10d._get_default_store()
    if rank == 0:
        with pytest.raises(RuntimeError) as alone:
            next(made.explain_batch([sample()]))
        said["alone"] = str(alone.value)
        store.set("rank 0 has left", "")
    else:
        store.wait(["rank 0 has left"])
        with pytest.raises(RuntimeError) as late:
            next(made.explain_batch([sample()]))
        said["late"] = str(late.value)
    with pytest.raises(RuntimeError) as other:
        next(made.explain_batch([sample(size=(32, 32 + 16 * rank))]))
    said["other"] = str(other.value)
    with pytest.raises(RuntimeError) as named:
        next(made.explain_batch([sample("ab"[rank])]))
    said["named"] = str(named.value)
    # And having found each other again, they explain.
    said["again"] = next(made.explain_batch([sample()])).answer
    return said


def test_ranks_that_come_apart_are_told_so_in_a_sentence_and_may_try_again(
    ranks: dict[str, list[Any]],
) -> None:
    zero, one = ranks["apart"]
    assert isinstance(zero, dict) and isinstance(one, dict), (zero, one)
    for said in (zero["alone"], one["late"]):
        assert "ranks 1 did not come within 2 s" in said and "explain on every rank" in said
    for said in (zero, one):
        assert "same pictures of sample 'a' on every rank" in said["other"]
        assert "a on rank 0 and b on rank 1" in said["named"]
        assert said["again"] == ANSWER


def rank_zero_alone(rank: int) -> Any:
    tiny = make_tiny()
    model = torch.nn.parallel.DistributedDataParallel(tiny.model)
    return explained(model, tiny)[0].answer if rank == 0 else None


def test_with_whole_weights_on_every_rank_one_explains_alone(ranks: dict[str, list[Any]]) -> None:
    assert ranks["ddp"] == [ANSWER, None]


def without_the_wrapper(rank: int) -> str:
    tiny = make_tiny()
    with pytest.raises(ValueError, match="whole") as refused:
        explainer(shard("fsdp1", tiny.model).module, tiny)
    return str(refused.value)


def test_what_fsdp_has_wrapped_is_refused_without_its_wrapper(ranks: dict[str, list[Any]]) -> None:
    for said in ranks["unwrapped"]:
        assert "pass the wrapped model" in said
