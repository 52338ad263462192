"""A low-rank update of frozen linear layers (Hu et al. 2021), and how it is put into them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

RANK, STRENGTH = 8, 2.0
TARGETS = ("q_proj", "v_proj", "o_proj")


class LowRank(nn.Module):
    """A frozen linear layer plus ``STRENGTH * up @ down``; zero at first.

    Args:
        base: The layer; its weights are no longer trained.
    """

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))

    def forward(self, given: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``, in the base's dtype."""
        update = nn.functional.linear(nn.functional.linear(given, self.down), self.up)
        plain: Tensor = self.base(given)
        return plain + STRENGTH * update.to(plain.dtype)


def add(decoder: nn.Module) -> None:
    """Puts a low-rank update beside every :data:`TARGETS` of a decoder."""
    for owner, name, base in list(_linears(decoder)):
        setattr(owner, name, LowRank(base))


def merge(decoder: nn.Module, weights: dict[str, Tensor]) -> None:
    """Adds what was learnt to the weights of a decoder that has no update beside them.

    Args:
        decoder: The one that :func:`add` was given, or one like it.
        weights: Of :func:`learnt`.

    Raises:
        ValueError: They are of another decoder.
    """
    modules = dict(decoder.named_modules())
    names = {name.rpartition(".")[0] for name in weights}
    expected = {path for path in modules if path.rpartition(".")[2] in TARGETS}
    if names != expected:
        raise ValueError(
            f"low-rank update: expected {len(expected)} layers such as {min(expected)!r}, got "
            f"{len(names)}; the weights are of another model"
        )
    with torch.no_grad():
        for name in names:
            update = weights[f"{name}.up"].float() @ weights[f"{name}.down"].float()
            linear: nn.Linear = modules[name]
            linear.weight += (STRENGTH * update).to(linear.weight.dtype)


def learnt(decoder: nn.Module) -> dict[str, Tensor]:
    """The update's own weights by name."""
    return {
        f"{path}.{name}": parameter
        for path, module in decoder.named_modules()
        if isinstance(module, LowRank)
        for name, parameter in (("down", module.down), ("up", module.up))
    }


def _linears(decoder: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for owner in decoder.modules():
        for name, child in owner.named_children():
            if name in TARGETS and isinstance(child, nn.Linear):
                yield owner, name, child
