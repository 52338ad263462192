"""Running a model: without a trace in the middle of its training, and its results to the host."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from functools import partial, reduce
from operator import methodcaller, setitem
from typing import Any, ParamSpec, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from mmx_core.models.restoring import Undo, restoring

P = ParamSpec("P")
T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)
_ALONE = threading.RLock()


def undisturbed(model: Any, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``work`` in evaluation mode and without gradients.

    Every module's mode, the random numbers, the gradient mode and the state of autocast come back
    as they were, even if ``work`` is interrupted, or the coming back is (see
    :mod:`mmx_core.models.restoring`). A call and not a ``with``, whose ends can be interrupted.

    ``no_grad`` rather than inference mode: some models keep tensors of a pass (rotary offsets),
    and an inference tensor left in a model breaks the training that goes on.

    One thread at a time: modes, random numbers and transformers' choice of attention are the
    process's, and what two change at once neither brings back.
    """
    held: list[Any] = []
    release: partial[object] = partial(deque, map(methodcaller("release"), held), 0)
    try:
        # In C alone, so that what is held is known however it is interrupted.
        deque(map(held.append, filter(methodcaller("acquire"), [_ALONE])), 0)
        devices = {p.device for p in model.parameters()}
        kinds = {"cpu", *(device.type for device in devices)}
        undo = [*_modes(model), *_random_numbers(devices), *_autocast(kinds)]
        undo.append(partial(torch._C._set_grad_enabled, torch.is_grad_enabled()))
        return restoring(undo, _evaluating, model, work, *args, **kwargs)
    finally:
        release()


def _evaluating(model: Any, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    model.eval()
    # A caller's inference mode ends here: what is read from its tensors may take no gradient.
    with torch.inference_mode(False), torch.no_grad():
        return work(*args, **kwargs)


def _modes(model: Any) -> list[Undo]:
    # Not ``module.training = mode``, which torch does in Python. A module that keeps its mode
    # elsewhere (TorchScript's) has none there; it comes last.
    modules = sorted(model.modules(), key=lambda module: "training" not in vars(module))
    return [
        partial(setitem, vars(module), "training", module.training)
        if "training" in vars(module)
        else partial(setattr, module, "training", module.training)
        for module in modules
    ]


def _random_numbers(devices: set[torch.device]) -> list[Undo]:
    generators = [torch.default_generator]
    generators += [torch.cuda.default_generators[d.index] for d in devices if d.type == "cuda"]
    return [partial(generator.set_state, generator.get_state()) for generator in generators]


def _autocast(kinds: set[str]) -> list[Undo]:
    """Models switch autocast off around what needs float32, in ``with`` statements."""
    undo: list[Undo] = []
    for kind in filter(torch.amp.is_autocast_available, kinds):
        undo.append(partial(torch.set_autocast_enabled, kind, torch.is_autocast_enabled(kind)))
        undo.append(partial(torch.set_autocast_dtype, kind, torch.get_autocast_dtype(kind)))
    # Where the depth stays too great, casts of weights are never made anew. It is read by changing
    # it, and both must be done: within ``map``.
    ways = torch.autocast_increment_nesting, torch.autocast_decrement_nesting
    depth = list(map(methodcaller("__call__"), ways))[1]
    down = iter(torch.autocast_decrement_nesting, depth)
    return [*undo, torch.autocast_increment_nesting, partial(deque, down, 0)]


def to_host(tensors: Mapping[Key, Tensor]) -> dict[Key, NDArray[Any]]:
    """Copies tensors to the host by name, together, because each copy waits for the device.

    Args:
        tensors: On one device, of any shapes. Real ones come back in the dtype that holds all of
            theirs, whole numbers and bools likewise.

    Returns:
        Arrays of the tensors' shapes, each of its own memory.
    """
    found: dict[Key, NDArray[Any]] = {}
    for real in (True, False):
        found |= _copied({k: v for k, v in tensors.items() if v.is_floating_point() == real})
    return found


def _copied(tensors: Mapping[Key, Tensor]) -> dict[Key, NDArray[Any]]:
    dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors.values()), torch.bool)
    if all(tensor.device.type == "cpu" for tensor in tensors.values()):
        # Copied, since one map may stand for two: a single scale is its own aggregate.
        return {name: tensor.to(dtype, copy=True).numpy() for name, tensor in tensors.items()}
    packed = torch.cat([tensor.reshape(-1).to(dtype) for tensor in tensors.values()]).cpu()
    parts = torch.split(packed, [tensor.numel() for tensor in tensors.values()])
    return {
        name: part.view(tensor.shape).clone().numpy()
        for (name, tensor), part in zip(tensors.items(), parts, strict=True)
    }
