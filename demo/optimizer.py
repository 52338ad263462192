"""Muon on the matrices, AdamW on the rest, as one optimizer that a Trainer can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MUON_RATE = 0.006
ADAM_RATE = 2e-3
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps (Jordan et al. 2024).

    Unlike ``torch.optim.Muon`` it takes tensors of more than two dimensions, as matrices of their
    first against the rest. The patch embedding must be among them: AdamW learns its mean colour
    first and hardly its edges, and the model then tells colours but not shapes.

    Args:
        parameters: Of at least two dimensions.
        lr: Learning rate.
        momentum: Nesterov's.
    """

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                moving = state["momentum"].mul_(group["momentum"]).add_(parameter.grad)
                update = (parameter.grad + group["momentum"] * moving).flatten(1)
                rows, columns = update.shape
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                parameter.add_(orthogonalise(update).view_as(parameter), alpha=-rate)


def orthogonalise(matrix: Tensor) -> Tensor:
    """The matrix with all its singular values pulled near 1."""
    wide = matrix / (matrix.norm() + 1e-7)
    if tall := matrix.shape[0] > matrix.shape[1]:
        wide = wide.T
    first, third, fifth = _NEWTON_SCHULZ
    for _ in range(5):
        square = wide @ wide.T
        wide = first * wide + (third * square + fifth * square @ square) @ wide
    return wide.T if tall else wide


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers behind one interface; their parameter groups are shared, not copied.

    Args:
        model: Its matrices and its patch embedding go to Muon; the token embedding, norms and
            biases to AdamW.
    """

    def __init__(self, model: nn.Module) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim >= 2 and "embed_tokens" not in name]
        chosen = {id(p) for p in matrices}
        rest = [p for _, p in named if id(p) not in chosen]
        self._parts: tuple[torch.optim.Optimizer, torch.optim.Optimizer] = (
            Muon(matrices, lr=MUON_RATE),
            torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
        )
        super().__init__([p for _, p in named], {})
        self._share_groups()

    def _share_groups(self) -> None:
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
        self._share_groups()
