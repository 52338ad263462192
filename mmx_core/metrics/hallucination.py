"""Does grounding tell what is there from what is invented?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The probability that a positive's score exceeds a negative's, ties counting half.

    Args:
        positive: For hallucination detection: the grounding of words that name what is there.
        negative: That of words that name what is not.

    Returns:
        0.5 is chance; NaN where either is empty, or a score is unknown (NaN).
    """
    if not len(positive) or not len(negative) or np.isnan([*positive, *negative]).any():
        return float("nan")
    ordered = np.sort(np.asarray(negative, dtype=np.float64))
    below = np.searchsorted(ordered, positive, side="left")
    upto = np.searchsorted(ordered, positive, side="right")
    return float((below + upto).mean() / 2 / len(ordered))
