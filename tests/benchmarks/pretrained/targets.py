"""What a cell is taught to be: the language model's own embedding of what is seen in it.

A cell's target is the mean embedding of its object's tokens, shared with the background's by how
much of the cell the object covers, plus a little of *left* to *right* and of *above* to *below* by
where the cell is: the language model's positions run on from cell to cell and do not tell columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.pretrained.model import CELLS
from tests.benchmarks.pretrained.nouns import BACKGROUND, NAMES
from tests.benchmarks.pretrained.scenes import Scene

PLACE = 0.5
"""How strongly a cell says where it is."""
_SOME = 0.08
"""Covered less, a cell is background."""


def cell_shares(scene: Scene) -> np.ndarray:
    """``(CELLS**2, nouns + 1)`` float32, rows summing to 1: what each cell shows, background last.

    Thin things cover little of a cell and are what is to be seen there: shares are raised.
    """
    side = scene.image.width // CELLS
    masks = scene.masks.reshape(len(scene.things), CELLS, side, CELLS, side).mean((2, 4))
    covered = np.where(masks >= _SOME, np.minimum(1.0, 2.5 * masks), 0.0).reshape(len(masks), -1)
    shares = np.zeros((CELLS**2, len(NAMES) + 1), dtype=np.float32)
    for thing, share in zip(scene.things, covered, strict=True):
        shares[:, NAMES.index(thing.name)] += share
    total = shares.sum(axis=1)
    shares[:, -1] = np.maximum(0.0, 1.0 - total)
    return shares / np.maximum(1.0, total)[:, None]


@dataclass(frozen=True)
class Embedded:
    """The language model's embeddings of what cells can say.

    Attributes:
        names: ``(nouns + 1, d)``, the background last.
        places: ``(CELLS**2, d)``, added to a cell's.
        tokens: Ids of each noun's tokens.
    """

    names: Tensor
    places: Tensor
    tokens: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> Embedded:
        """Read from the model's table."""
        table = model.get_input_embeddings().weight.detach().float()

        def ids(text: str) -> tuple[int, ...]:
            return tuple(tokenizer(f" {text}", add_special_tokens=False)["input_ids"])

        def mean(text: str) -> Tensor:
            return table[list(ids(text))].mean(dim=0)

        along = (torch.arange(CELLS) + 0.5) / CELLS * 2 - 1
        across = along[:, None] * (mean("right") - mean("left")) / 2
        down = along[:, None] * (mean("below") - mean("above")) / 2
        places = PLACE * (down[:, None] + across[None]).flatten(0, 1)
        names = torch.stack([mean(name) for name in (*NAMES, BACKGROUND)])
        return cls(names, places, tuple(ids(name) for name in NAMES))


def tower_loss(features: Tensor, shares: Tensor, embedded: Embedded) -> Tensor:
    """How far cells are from saying what they show, and how well that can be read from them.

    Args:
        features: ``(B, CELLS**2, d)`` of the connector.
        shares: ``(B, CELLS**2, nouns + 1)``, see :func:`cell_shares`.
        embedded: What they are to say.
    """
    said = features.float() - embedded.places
    names = embedded.names
    apart = (names - names.mean(dim=0)).square().sum(dim=1).mean()  # they share a large mean
    read = (said @ names.T - names.square().sum(dim=1) / 2) * (_SHARPNESS / apart)
    named = -(shares * read.log_softmax(dim=2)).sum(dim=2).mean()
    wanted = shares @ names
    return named + (said - wanted).square().sum(dim=2).mean() / apart


_SHARPNESS = 12.0
"""Log odds, about, of a cell that says exactly its own name."""


def read_names(features: Tensor, embedded: Embedded) -> Tensor:
    """``(B, CELLS**2)`` the name that each cell is closest to, the background's index last."""
    said = features.float() - embedded.places
    return (said @ embedded.names.T - embedded.names.square().sum(dim=1) / 2).argmax(dim=2)
