"""What is asked of the model itself about a method's maps, by taking parts of the input away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmx_core.evaluation.registry import Attribution
from mmx_core.evaluation.rivals.base import counted_context
from mmx_core.metrics.faithfulness import FIGURES, STEPS, faithfulness, resize_by_area
from mmx_core.metrics.removal import (
    LEAST_EFFECT,
    REMOVAL_FIGURES,
    over_regions,
    rank_correlation,
    regions_of,
    removal_figures,
)
from mmx_core.metrics.synergy import SYNERGY_FIGURES, synergies
from mmx_core.models.base import ModelAdapter
from mmx_core.stages.perturbing import Fill, Perturber
from mmx_core.stages.prepare import Prepared

CURVES, REGIONS, SYNERGY = "curves", "regions", "synergy"
ANSWER_RANK = "answer_removal_rank"
TRIALS: Mapping[str, tuple[str, ...]] = {
    CURVES: FIGURES,
    REGIONS: (*REMOVAL_FIGURES, ANSWER_RANK),
    SYNERGY: SYNERGY_FIGURES,
}
"""The figures of each."""


@dataclass(frozen=True)
class Perturbed:
    """How parts of the input are taken away.

    Attributes:
        trials: Names of :data:`TRIALS`.
        fill: What is seen where the image is hidden.
        steps: At most, of each curve.
    """

    trials: tuple[str, ...] = (CURVES,)
    fill: Fill = "blur"
    steps: int = STEPS


@dataclass(frozen=True)
class Trials:
    """One sample's: what does not hang on a method is computed once.

    Attributes:
        adapter: The model's.
        prepared: The sample.
        heads: Indices of the answer's tokens that maps are tried on.
        settings: What is tried, and how.
        other: The picture that hides, where another shall.
    """

    adapter: ModelAdapter
    prepared: Prepared
    heads: Sequence[int]
    settings: Perturbed
    other: Image.Image | None = None

    def scores(self, attribution: Attribution, *, seed: int | None) -> dict[str, list[float]]:
        """Figures by name, token by token; none of an answer without tokens to try.

        Args:
            attribution: The method's.
            seed: By which equal cells are ordered; None takes them in their order.
        """
        found: dict[str, list[float]] = {}
        if not self.heads:
            return found
        if CURVES in self.settings.trials:
            maps, steps = attribution.maps[list(self.heads)], self.settings.steps
            curves = faithfulness(self._perturber, maps, self.heads, seed=seed, steps=steps)
            found |= curves.scores()
        if REGIONS in self.settings.trials:
            found |= self._regions(attribution)
        if SYNERGY in self.settings.trials:
            found |= self._synergy(attribution, seed)
        return found

    @cached_property
    def _perturber(self) -> Perturber:
        return Perturber(self.adapter, self.prepared, fill=self.settings.fill, other=self.other)

    @cached_property
    def _effects(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """The regions ``(R, H, W)``, and the nats ``(R, T)`` that each token loses without each."""
        regions = regions_of(self._perturber.grid)
        keep = np.concatenate([np.ones_like(regions[:1]), ~regions])
        found = self._perturber.log_probabilities(keep)
        return regions, found[0] - found[1:]

    def _regions(self, attribution: Attribution) -> dict[str, list[float]]:
        regions, effects = self._effects
        heads = list(self.heads)
        maps = resize_by_area(attribution.maps, self._perturber.grid)
        found = removal_figures(maps[heads], effects.T[heads], regions)
        # log p of a whole answer is the sum of its tokens'; its map is their mean.
        lost = effects.sum(axis=1)[None]
        if lost.max() >= LEAST_EFFECT:
            whole = over_regions(maps.mean(axis=0, keepdims=True), regions)
            found[ANSWER_RANK] = rank_correlation(whole, lost).tolist()
        return found

    def _synergy(self, attribution: Attribution, seed: int | None) -> dict[str, list[float]]:
        heads = list(self.heads)
        known = counted_context(self._perturber.encoded, self.prepared).cpu().numpy()[heads]
        # A method that says nothing of words has words by lot.
        told = np.zeros(known.shape) if attribution.text is None else attribution.text[heads]
        words = np.where(known, np.nan_to_num(told), np.nan)
        return synergies(self._perturber, attribution.maps[heads], words, heads, seed=seed)
