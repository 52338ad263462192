"""Agreement across scales: does another resolution still explain the same decision?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def same_word_share(rank: NDArray[Any], *, base: int) -> float:
    """Share of (other scale, token) pairs at which the token is still the model's first choice.

    Args:
        rank: ``(S, T)`` of the explained token at each scale; 0 is the top.
        base: Index of scale 1.0, which is left out.

    Returns:
        NaN where there is no other scale.
    """
    others = np.delete(rank, base, axis=0)
    return float((others == 0).mean()) if others.size else float("nan")


def mean_divergence(divergence: NDArray[Any], *, base: int) -> float:
    """Mean Jensen-Shannon divergence (nats) of the other scales' predictions from scale 1.0's.

    Args:
        divergence: ``(S, T)``.
        base: Index of scale 1.0, which is left out.

    Returns:
        NaN where there is no other scale.
    """
    others = np.delete(divergence, base, axis=0)
    return float(others.mean()) if others.size else float("nan")
