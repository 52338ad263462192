"""Means over a set of samples, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; all three are NaN where nothing was measured."""

    mean: float
    low: float
    high: float


def pooled_mean(values: Sequence[Sequence[float]], *, seed: int = 0) -> Interval:
    """The mean over all words of all samples, resampling whole samples.

    Words of one sample are not independent, so samples are drawn, not words.

    Args:
        values: Per sample one value per word; samples without any count as drawn, without a word.
        seed: Of the resampling.
    """
    return pooled([values], lambda means: means[0], seed=seed)


def pooled(
    columns: Sequence[Sequence[Sequence[float]]],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    seed: int = 0,
) -> Interval:
    """A statistic of several pooled means, such as the harmonic mean of two.

    Args:
        columns: For each mean, per sample one value per word.
        statistic: Takes the means ``(K, R)`` of ``R`` resamplings, gives ``(R,)``.
        seed: Of the resampling.
    """
    count = len(columns[0])
    sums = np.array([[np.sum(v) for v in column] for column in columns], dtype=np.float64)
    sizes = np.array([[len(v) for v in column] for column in columns], dtype=np.float64)
    if not count or (sizes.sum(axis=1) == 0).any():
        return Interval(float("nan"), float("nan"), float("nan"))
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    with np.errstate(invalid="ignore"):
        means = (sums @ draws.T) / (sizes @ draws.T)
        spread = statistic(means)
        whole = statistic(sums.sum(axis=1, keepdims=True) / sizes.sum(axis=1, keepdims=True))
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return Interval(float(whole[0]), float(low), float(high))
