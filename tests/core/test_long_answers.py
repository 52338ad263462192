"""What explaining a long answer costs: counted, so that it holds on a busy machine, too."""

from __future__ import annotations

import cProfile
import pstats
from typing import Any

import pytest
import torch

from mmx_core import Explainer
from mmx_core.attribution import flow as attribution
from mmx_core.stages import flow as stage
from tests.models.criteria import PROMPT, noise
from tests.support.shapes import ASKED, answer, family
from tests.support.tiny_models import make_tiny

SENTENCE = "the cat and\n\n`a red` circle <b>is</b> on the mat. "


@pytest.mark.parametrize("name", ["qwen3_vl", "glm", "gemma", "llava"])
def test_the_text_of_an_answer_twice_as_long_is_twice_the_work(name: str) -> None:
    from mmx_core.text.words import tokens_of_words, word_groups

    def work(times: int) -> int:
        made = family(name)
        profile = cProfile.Profile()
        profile.enable()
        rendered = made.render(ASKED, answer((SENTENCE * times).strip()))
        ids = list(rendered.answer_ids or ())
        tokens_of_words(made.tokenizer, rendered.answer or "", ids)
        word_groups(made.tokenizer, ids)
        profile.disable()
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    work(1)  # what is compiled and kept once
    assert work(20) < 2.2 * work(10)


def test_an_estimate_forms_no_attention_to_what_comes_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = make_tiny("qwen2_vl")
    formed: list[tuple[int, ...]] = []

    def noted(*args: Any, **kwargs: Any) -> torch.Tensor:
        found = attribution.attention_rows(*args, **kwargs)
        formed.append(tuple(found.shape))
        return found

    monkeypatch.setattr(stage, "attention_rows", noted)
    monkeypatch.setattr(stage, "_CPU_ELEMENTS", 1 << 11)
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    said = explainer.explain(noise(64, 64), PROMPT, answer="a red circle is left " * 20)
    heads, layers = tiny.model.config.get_text_config().num_attention_heads, 1  # of two
    count, length = len(said.tokens), said.context[-1].position + 1
    assert sum(shape[1] for shape in formed) == layers * count
    pairs = layers * heads * count * (length - count / 2)
    assert sum(torch.Size(shape).numel() for shape in formed) < 1.05 * pairs


def test_what_is_formed_at_once_does_not_change_an_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = make_tiny("qwen2_vl")
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))

    def estimate() -> torch.Tensor:
        said = explainer.explain(noise(64, 64), PROMPT, answer="a red circle is left " * 8)
        assert said.estimate is not None
        return torch.from_numpy(said.estimate)

    whole = estimate()
    monkeypatch.setattr(stage, "_CPU_ELEMENTS", 1)
    torch.testing.assert_close(estimate(), whole, rtol=1e-4, atol=1e-6, equal_nan=True)
