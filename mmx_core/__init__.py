"""mmx: which pixels and which words made each token of a multimodal model's answer.

Names are handed on lazily, so that importing the package stays cheap and torch is loaded only by
those who explain.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmx_core import evaluation as evaluation
    from mmx_core import integrations as integrations
    from mmx_core import metrics as metrics
    from mmx_core import models as models
    from mmx_core import stages as stages
    from mmx_core.events.reader import read_explanations as read_explanations
    from mmx_core.events.writer import add_explanation as add_explanation
    from mmx_core.explainer import Explainer as Explainer
    from mmx_core.explanation import Alternative as Alternative
    from mmx_core.explanation import Candidate as Candidate
    from mmx_core.explanation import ContextWord as ContextWord
    from mmx_core.explanation import ExplainedImage as ExplainedImage
    from mmx_core.explanation import Explanation as Explanation
    from mmx_core.explanation import ObjectMask as ObjectMask
    from mmx_core.explanation import ScaleExplanation as ScaleExplanation
    from mmx_core.explanation import Token as Token
    from mmx_core.explanation import WordGroup as WordGroup
    from mmx_core.integrations.generate import explaining as explaining
    from mmx_core.metrics.thought import through_thought as through_thought
    from mmx_core.sample import Sample as Sample
    from mmx_core.sample import Video as Video
    from mmx_core.sample import WordMask as WordMask

__version__ = "0.1.0"

_HOMES = {
    "Alternative": "mmx_core.explanation",
    "Candidate": "mmx_core.explanation",
    "ContextWord": "mmx_core.explanation",
    "ExplainedImage": "mmx_core.explanation",
    "Explainer": "mmx_core.explainer",
    "Explanation": "mmx_core.explanation",
    "ObjectMask": "mmx_core.explanation",
    "Sample": "mmx_core.sample",
    "ScaleExplanation": "mmx_core.explanation",
    "Token": "mmx_core.explanation",
    "Video": "mmx_core.sample",
    "WordGroup": "mmx_core.explanation",
    "WordMask": "mmx_core.sample",
    "add_explanation": "mmx_core.events.writer",
    "explaining": "mmx_core.integrations.generate",
    "read_explanations": "mmx_core.events.reader",
    "through_thought": "mmx_core.metrics.thought",
}
_ROOMS = (
    "attribution",
    "evaluation",
    "events",
    "integrations",
    "metrics",
    "models",
    "stages",
)

__all__ = [*sorted(_HOMES), *_ROOMS, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"mmx_core.{name}")
    raise AttributeError(f"module 'mmx_core' has no attribute {name!r}; it has {__all__}")


def __dir__() -> list[str]:
    return __all__
