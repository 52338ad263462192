"""Running a model in the middle of its training without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Evaluation mode without gradients; every module's mode and the RNG come back as they were.

    ``no_grad`` rather than inference mode: some models keep tensors of a pass (rotary offsets),
    and an inference tensor left in a model breaks the training that goes on.
    """
    modes = [(module, module.training) for module in model.modules()]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=sorted(devices, key=str)):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
