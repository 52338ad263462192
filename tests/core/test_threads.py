"""Explaining in several threads, and within modes of the caller's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from transformers.modeling_utils import AttentionInterface

from mmx_core import Explainer, Explanation
from tests.models.criteria import PROMPT, noise
from tests.support.tiny_models import make_tiny

ANSWERS = ("a red circle", "a star", "a blue square is left", "a red circle")


def test_threads_that_explain_at_once_get_what_each_gets_alone_and_leave_no_trace() -> None:
    tiny = make_tiny("qwen2_vl")
    tiny.model.train()
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), influence=True, used=True)
    own = AttentionInterface.get_interface

    def explained(index: int) -> Explanation:
        return explainer.explain(noise(64, 64, index), PROMPT, answer=ANSWERS[index % 4])

    alone = [explained(index) for index in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(explained, range(8)))
    for one, other in zip(alone, together, strict=True):
        for name in ("heatmap", "estimate", "influence", "relevance"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.used[0], other.used[0])
    assert tiny.model.training and AttentionInterface.get_interface is own


def test_inference_mode_takes_nothing_from_an_explanation() -> None:
    tiny = make_tiny("qwen2_vl")
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    expected = explainer.explain(noise(64, 64), PROMPT, answer=ANSWERS[0])
    with torch.inference_mode():
        found = explainer.explain(noise(64, 64), PROMPT, answer=ANSWERS[0])
        assert torch.is_inference_mode_enabled()
    np.testing.assert_array_equal(found.estimate, expected.estimate)
