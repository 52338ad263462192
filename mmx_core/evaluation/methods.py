"""Ours, and the controls that keep it honest.

``mmx`` is :class:`mmx_core.Explainer` as it comes; ``msea`` the same without ARC; ``msea_mean`` the
mean over the scales; ``paper`` is ``Explainer.paper()`` (arXiv 2509.22415); ``tam`` is Token
Activation Map (arXiv 2506.23270): interference by activation with repeated tokens left out, least
squares, rank Gaussian filter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mmx_core.attribution.msea import resize
from mmx_core.evaluation.registry import Attribution, Method, method, methods
from mmx_core.evaluation.rivals.base import counted_context, encode_base
from mmx_core.explanation import FloatArray
from mmx_core.models.base import ModelAdapter
from mmx_core.settings import DEFAULT_SCALES, Settings
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.reading import read

OURS = Settings(candidates=1)
"""The settings that :class:`mmx_core.Explainer` has by default; candidates are not compared."""


def explained(scales: Sequence[float], settings: Settings) -> Method:
    """The explainer with given scales and settings, as a method."""

    def run(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
        reading = read(adapter, prepared, scales, settings)
        (heatmaps,) = reading.heatmaps  # of one image
        return Attribution(heatmaps, _text(adapter, prepared, reading.text_activation))

    return run


def single_scale(factor: float) -> Method:
    """Control: the lens at one other scale alone, so that its resolution is not MSEA's merit."""
    plain = _with(suppression="none")

    def run(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
        reading = read(adapter, prepared, (1.0, factor), plain)
        (maps,) = reading.maps[1]
        return Attribution(maps, _text(adapter, prepared, reading.text_activation))

    return run


def upsampled(adapter: ModelAdapter, prepared: Prepared, seed: int) -> Attribution:
    """Control: the lens at scale 1.0, resized to the grid of the finest default scale."""
    found = methods()["lens"](adapter, prepared, seed)
    grid = adapter.layout(prepared.image, max(DEFAULT_SCALES)).views[0].grid
    coarse = torch.from_numpy(found.maps)
    maps = resize(coarse, grid, partial=bool(coarse.isnan().any()))
    return Attribution(maps.numpy(), found.text)


def _with(**changes: object) -> Settings:
    return Settings(**{**OURS.as_dict(), **changes})


def _text(adapter: ModelAdapter, prepared: Prepared, activation: FloatArray) -> FloatArray:
    """Template tokens do not count as context, in no method."""
    known = counted_context(encode_base(adapter, prepared), prepared).cpu().numpy()
    text = activation.copy()
    text[~known] = float("nan")
    return text


method("mmx")(explained(DEFAULT_SCALES, OURS))
method("msea")(explained(DEFAULT_SCALES, _with(suppression="none")))
method("msea_mean")(explained(DEFAULT_SCALES, _with(suppression="none", aggregation="mean")))
method("paper")(explained(DEFAULT_SCALES, _with(suppression="irrelevance", aggregation="mean")))
method("tam")(explained((1.0,), _with(suppression="tam", rank_filter=True)))
method("lens_1.5")(single_scale(1.5))
method("lens_2")(single_scale(2.0))
method("lens_upsampled")(upsampled)
