"""Muon on the matrices, AdamW on the rest, as one optimizer that a Trainer can hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

MUON_RATE = 0.02
ADAM_RATE = 3e-3


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers behind one interface; their parameter groups are shared, not copied.

    Args:
        model: Matrices of its blocks go to Muon; embeddings, convolution, norms and biases to
            AdamW.
    """

    def __init__(self, model: nn.Module) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        self._parts: tuple[torch.optim.Optimizer, torch.optim.Optimizer] = (
            torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.0, momentum=0.95),
            torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        )
        super().__init__([p for _, p in named], {})
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Steps both."""
        for part in self._parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of both."""
        for part in self._parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores both; their groups are shared with this one again."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self.param_groups = [group for part in self._parts for group in part.param_groups]
