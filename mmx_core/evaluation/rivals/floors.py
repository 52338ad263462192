"""Maps without information: what any method has to beat."""

from __future__ import annotations

import numpy as np

from mmx_core.evaluation.registry import Attribution, method
from mmx_core.models.base import ModelAdapter
from mmx_core.stages.prepare import Prepared

UNIFORM = "uniform"


@method("random")
def random_map(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Uniform noise on the grid of scale 1.0; nothing runs.

    Args:
        adapter: The model's.
        prepared: The sample.
        seed: Decides the noise alone: no global random state is read or changed.
    """
    shape = (len(prepared.answer_ids), *adapter.layout(prepared.image, 1.0).views[0].grid)
    return Attribution(np.random.default_rng(seed).random(shape, dtype=np.float32))


@method("centre")
def centre(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """A Gaussian about the picture's middle, a quarter of each side wide; nothing runs.

    What photographers put into the middle is found by a map that never saw the picture: a method
    that does no better on photographs has shown nothing (the centre bias of Judd et al. 2009).
    """
    grid = adapter.layout(prepared.image, 1.0).views[0].grid
    rows, columns = (
        np.exp(-0.5 * (((np.arange(size) + 0.5) / size - 0.5) / 0.25) ** 2) for size in grid
    )
    one = (rows[:, None] * columns).astype(np.float32)
    return Attribution(np.repeat(one[None], len(prepared.answer_ids), axis=0))


@method(UNIFORM)
def uniform(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """The same everywhere on the grid of scale 1.0; nothing runs."""
    grid = adapter.layout(prepared.image, 1.0).views[0].grid
    return Attribution(np.ones((len(prepared.answer_ids), *grid), dtype=np.float32))
