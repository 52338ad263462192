"""Models whose weights several processes hold in parts: FSDP1, FSDP2 and DeepSpeed ZeRO-3.

All ranks compute everything alike, and rank 0 writes. Weights are gathered as a training step
gathers them, unit by unit: the root unit, which usually holds embedding and head, for as long as a
sample is read, and each layer while it runs. A head that is a unit of its own is copied whole,
``V * d`` values on each rank for as long as a sample is read: no more than its own forward gathers,
or than the root unit holds where the head belongs to that.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05


class RanksApart(RuntimeError):
    """Not all ranks came to explain, or not all with the same samples."""


class Sharding:
    """How ranks that share a model compute on it together.

    Args:
        root: The outermost module, whose call gathers what no other unit does; None where units
            lie deeper than the model itself.
        model: The whole, for its units.

    Attributes:
        timeout: Seconds that a rank waits for the others.
    """

    def __init__(self, root: Any | None, model: Any) -> None:
        self._root = root
        self._model = model
        self.timeout = 60.0

    def together(self, work: Callable[[], Result]) -> Result:
        """Runs what reads weights where the root's are whole; shards them again behind it."""
        if self._root is None:
            return work()
        try:
            return within(self._root, work)
        finally:
            self._reshard()

    def generate(self, **inputs: Any) -> Any:
        """As the model's own ``generate``; ranks that end early go on until all have."""
        # Within the root's call, because towers are called on their own before the first token.
        return self.together(partial(self._model.generate, **inputs, synced_gpus=True))

    def meet(self, facts: Mapping[str, Any]) -> None:
        """Waits until every rank has come with the same facts, before a forward would hang.

        Raises:
            RanksApart: Some did not come in time, or came with others.
        """
        others = [json.loads(text) for text in self._exchange(json.dumps(dict(facts)))]
        for rank, theirs in enumerate(others):
            for name, value in others[0].items():
                if theirs.get(name) != value:
                    raise RanksApart(
                        f"explaining a sharded model: expected the same {name} on every rank, got "
                        f"{value} on rank 0 and {theirs.get(name)} on rank {rank}; give every rank "
                        "the same samples and settings, in the same order"
                    )

    def first(self, value: Any) -> Any:
        """What rank 0 has of something that JSON can hold."""
        return json.loads(self._exchange(json.dumps(value))[0])

    def _exchange(self, text: str) -> list[str]:
        """What each rank says at this meeting.

        Through the store that the ranks found each other by: unlike a collective, it tells who is
        missing. How many meetings a rank has come to is counted there, too, and what became of one
        is settled once: who comes late learns that the others have left.
        """
        from torch import distributed

        store = distributed.distributed_c10d.PrefixStore(
            "mmx", distributed.distributed_c10d._get_default_store()
        )
        rank, size = distributed.get_rank(), distributed.get_world_size()
        meeting = store.add(f"came/{rank}", 1)
        store.set(f"{meeting}/{rank}", text)
        missing = self._missing(store, meeting, size)
        verdict = store.compare_set(f"{meeting}/verdict", "", _said(missing)).decode()
        if verdict != _said([]):
            raise RanksApart(
                f"explaining a sharded model: ranks {verdict} did not come within "
                f"{self.timeout:g} s (this is rank {rank} of {size}); every rank holds a part of "
                "the weights, so call explain on every rank, with the same samples, and let rank 0 "
                "write"
            )
        said = [store.get(f"{meeting}/{other}").decode() for other in range(size)]
        # All have come to this meeting, so all have left the one before.
        store.delete_key(f"{meeting - 1}/{rank}")
        if rank == 0:
            store.delete_key(f"{meeting - 1}/verdict")
        return said

    def _missing(self, store: Any, meeting: int, size: int) -> list[int]:
        deadline, pause = time.monotonic() + self.timeout, _FIRST_PAUSE
        missing = list(range(size))
        while True:
            missing = [other for other in missing if not store.check([f"{meeting}/{other}"])]
            if not missing or time.monotonic() >= deadline:
                return missing
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _reshard(self) -> None:
        for module in self._model.modules() if self._root is None else self._root.modules():
            if _is_fsdp2(module):
                module.reshard()


def sharding_of(model: Any, inner: Any) -> Sharding | None:
    """How a model is shared among processes; None where each has the whole.

    Args:
        model: As it was given, with whatever wraps it.
        inner: The model within.

    Raises:
        ValueError: Shared in a way that cannot be explained.
    """
    if not is_sharded(model):
        return None
    if any(_is_tensor_parallel(module) for module in inner.modules()):
        raise ValueError(
            "model: expected weights that are whole or sharded by FSDP or ZeRO-3, got tensor "
            "parallelism; explain the saved checkpoint, with Explainer.from_pretrained"
        )
    chain = [model]
    while chain[-1] is not inner:
        last = chain[-1]
        after = getattr(last, "_orig_mod", None) or last.__dict__.get("_modules", {}).get("module")
        after = after or last.__dict__.get("_modules", {}).get("_fsdp_wrapped_module")
        chain.append(after if after is not None and after is not last else inner)
    units = [module for module in chain if _is_fsdp1(module) or _is_fsdp2(module)]
    if units:
        return Sharding(units[0], inner)
    if any(_is_fsdp1(module) for module in inner.modules()):
        raise ValueError(
            f"model: expected the whole that FullyShardedDataParallel has made, got the "
            f"{type(model).__name__} inside it, which cannot gather its own weights; pass the "
            "wrapped model"
        )
    zero = any(hasattr(parameter, "ds_id") for parameter in inner.parameters())
    # DeepSpeed's hooks are on the module that its engine holds.
    engine = [module for module in chain if type(module).__name__ != "DeepSpeedEngine"]
    return Sharding(engine[0] if zero else None, inner)


def is_sharded(model: Any) -> bool:
    """Whether processes hold parts of the model's weights: FSDP, ZeRO-3 or tensor parallelism."""
    # By name, because importing torch.distributed takes a second that most do not need.
    return any(
        _is_fsdp1(module) or _is_fsdp2(module) or _is_tensor_parallel(module)
        for module in model.modules()
    ) or any(
        type(parameter).__name__ == "DTensor" or hasattr(parameter, "ds_id")
        for parameter in model.parameters()
    )


def within(module: Any, work: Callable[[], Result]) -> Result:
    """Calls ``work`` in place of a module's forward: with what its hooks have gathered."""
    replaced = module.module if _is_fsdp1(module) else module
    own = vars(replaced).get("forward")
    results: list[Result] = []

    def restore() -> None:
        if own is not None:
            replaced.forward = own
        else:
            vars(replaced).pop("forward", None)

    def forward(act: Callable[[], Result]) -> None:
        restore()
        results.append(act())  # not returned: hooks cast a module's output

    replaced.forward = forward
    try:
        module(work)  # an argument, because hooks expect one
    finally:
        restore()
    return results[0]


def gathers(layer: Any) -> bool:
    """Whether a layer's weights are whole only while it is called."""
    weight = getattr(layer, "weight", None)
    return _is_fsdp1(layer) or type(weight).__name__ == "DTensor" or hasattr(weight, "ds_id")


def digest(*values: Any) -> str:
    """Short and the same in all processes, of bytes or of what ``repr`` shows whole."""
    found = hashlib.blake2b(digest_size=8)
    for value in values:
        found.update(value if isinstance(value, bytes) else repr(value).encode())
        found.update(b"\0")
    return found.hexdigest()


def _said(missing: list[int]) -> str:
    return ", ".join(map(str, missing)) or "none"


def _is_fsdp1(module: Any) -> bool:
    return any(kind.__name__ == "FullyShardedDataParallel" for kind in type(module).__mro__)


def _is_fsdp2(module: Any) -> bool:
    return any(kind.__name__ == "FSDPModule" for kind in type(module).__mro__)


def _is_tensor_parallel(module: Any) -> bool:
    """A unit of FSDP2 shards along its own mesh; other DTensors are tensor parallelism's."""
    return bool(getattr(module, "tp_size", None) or 0) and module.tp_size > 1
