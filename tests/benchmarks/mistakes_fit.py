"""Logistic regression, AUROC with intervals, calibration: for :mod:`tests.benchmarks.mistakes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmx_core.metrics.bootstrap import RESAMPLES, Interval

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

RIDGE = 1.0
"""Penalty on the squared weights of standardised figures, beside the sum over words."""
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class Logistic:
    """``P(right)`` of a word by its figures.

    Attributes:
        mean: ``(F,)`` of the words that it was fitted on.
        spread: ``(F,)``, their standard deviation.
        weights: ``(F + 1,)``, of the standardised figures and of 1.
    """

    mean: Array
    spread: Array
    weights: Array

    def probability(self, figures: Array) -> Array:
        """``(N,)`` of ``(N, F)`` figures."""
        return _sigmoid(_with_one((figures - self.mean) / self.spread) @ self.weights)


def fit(figures: Array, right: Flags) -> Logistic:
    """Fits by Newton's method.

    Args:
        figures: ``(N, F)``, finite.
        right: ``(N,)``.

    Raises:
        ValueError: All words are right, or all are wrong.
    """
    if right.all() or not right.any():
        raise ValueError(f"expected right and wrong words, got {right.sum()} right of {len(right)}")
    mean, spread = figures.mean(axis=0), figures.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    inputs = _with_one((figures - mean) / spread)
    penalty = np.full(inputs.shape[1], RIDGE)
    penalty[-1] = 0.0
    weights = np.zeros(inputs.shape[1])
    for _ in range(_NEWTON_STEPS):
        expected = _sigmoid(inputs @ weights)
        slope = inputs.T @ (expected - right) + penalty * weights
        curvature = (inputs * (expected * (1 - expected))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + np.diag(penalty + 1e-9), slope)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return Logistic(mean, spread, weights)


def auroc_draws(scores: Array, right: Flags, sample: NDArray[np.int64], *, seed: int = 0) -> Array:
    """How well scores tell right words from wrong ones, of all samples and of resamplings.

    Args:
        scores: ``(N,)``, higher where a word is more likely to be right.
        right: ``(N,)``.
        sample: ``(N,)`` whose word each is: words of one sample are drawn together.
        seed: Scores of the same words under the same seed are paired.

    Returns:
        ``(1 + RESAMPLES,)``; the first is of all samples. NaN where a drawing lacks one kind.
    """
    count = int(sample.max()) + 1
    random = np.random.default_rng(seed)
    drawn = random.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    weights = np.vstack([np.ones(count), drawn])[:, sample].astype(np.float64)
    above = scores[right][:, None] - scores[~right][None]
    won = (above > 0) + 0.5 * (above == 0)
    pairs = weights[:, right].sum(axis=1) * weights[:, ~right].sum(axis=1)
    total = ((weights[:, right] @ won) * weights[:, ~right]).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.where(pairs > 0, pairs, np.nan))


def interval(draws: Array) -> Interval:
    """The figure and its 95 % interval, of what :func:`auroc_draws` returns or of differences."""
    low, high = np.nanpercentile(draws[1:], [2.5, 97.5])
    return Interval(float(draws[0]), float(low), float(high))


def calibration_error(probability: Array, right: Flags, *, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) in bins of equal width.

    Args:
        probability: ``(N,)`` in ``[0, 1]``, that a word is right.
        right: ``(N,)``.
        bins: How many.
    """
    place = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=probability - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(right))


def _with_one(values: Array) -> Array:
    return np.hstack([values, np.ones((len(values), 1))])


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -500, 500))))
