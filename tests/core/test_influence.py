"""The influence of words: what an answer loses when a word of its context is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mmx_core import Explainer, Explanation, Sample
from mmx_core.events.wire import decode_explanation, encode_explanation
from mmx_core.models import ModelAdapter
from mmx_core.models.base import EncodedInput
from mmx_core.parts import ContextWord, WordGroup
from mmx_core.stages.context_words import context_words, most_important
from mmx_core.stages.influence import Influence, measure_influence
from mmx_core.stages.taken_away import Reader
from tests.models.criteria import PROMPT, noise
from tests.models.test_families import ALL, tiny_of
from tests.models.test_placeless import MAKERS as PLACELESS
from tests.models.test_placeless import tiny_of as placeless
from tests.support.explanations import make_explanation
from tests.support.taken_away import log_probability, without_keys
from tests.support.tiny_models import TinyModel, make_tiny

ANSWER = "a red circle is left"
NOT_GOING_ON = ("instructblip", "blip", "idefics", "kosmos-2", "kosmos-2.5")
RECURRENT = {"qwen3_5", "qwen3_5_moe", "qwen4_exp", "minicpmv4_6", "lfm2_vl"}
"""Their recurrent layers hold what they have read: there is no key to hide."""


def with_other(
    adapter: ModelAdapter, encoded: EncodedInput, ids: list[int], places: list[int], other: int
) -> np.ndarray:
    """The answer's, with another token's embedding at these places."""
    embed = adapter.model.get_input_embeddings()

    def exchange(layer: Any, given: Any, found: torch.Tensor) -> torch.Tensor:
        changed = found.clone()
        if found.shape[:2] == (1, encoded.length):
            changed[0, places] = layer.weight[other] * getattr(layer, "scalar_embed_scale", 1.0)
        return changed

    hook = embed.register_forward_hook(exchange)
    try:
        return log_probability(adapter, encoded, ids)
    finally:
        hook.remove()


def plainly(
    adapter: ModelAdapter, prepared: Any, words: Sequence[Any], other: int, *, holes: bool
) -> np.ndarray:
    """``(T, W)``: one whole forward for each word, by torch's own attention without its keys."""
    ids = prepared.answer_ids
    encoded = adapter.encode(prepared.pictures, prepared.rendered, ids, factor=1.0)
    context, at = encoded.context_positions.tolist(), encoded.predicting_positions.numpy()
    whole = log_probability(adapter, encoded, ids)
    columns = []
    for word in words:
        places = context[word.first : word.first + word.count]
        lost = whole - with_other(adapter, encoded, ids, places, other)
        if holes and places[0] > 0:
            with without_keys(encoded.length, places) as calls:
                hidden = whole - log_probability(adapter, encoded, ids)
            assert calls
            lost = np.where(at == places[-1], lost, hidden)
        columns.append(np.where(at < places[-1], np.nan, lost))
    return np.stack(columns, axis=1)


def taken_away(
    adapter: ModelAdapter, prepared: Any, words: Sequence[ContextWord], positions: int = 8192
) -> Influence:
    reader = Reader(adapter, prepared)
    return measure_influence(reader, words, range(len(words)), seconds=60, positions=positions)


def measured(explanation: Explanation) -> tuple[list[str], list[str]]:
    words = explanation.context_words
    return [word.text.strip() for word in words], [word.how for word in words]


@pytest.fixture(scope="module")
def qwen2() -> TinyModel:
    return make_tiny("qwen2_vl")


def explained(tiny: TinyModel, **settings: Any) -> Explanation:
    asked = ("answer", "why_not", "prompt_words")
    given = {"answer": ANSWER, **{n: settings.pop(n) for n in asked if n in settings}}
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), **settings)
    return explainer.explain(noise(64, 96), PROMPT, **given)


GO_ON = [*ALL, *(family for family in PLACELESS if family not in NOT_GOING_ON)]


@pytest.mark.parametrize("family", NOT_GOING_ON)
def test_where_no_key_can_be_hidden_it_is_said_and_nothing_is_shown(family: str) -> None:
    tiny = placeless(family)
    explanation = Explainer(
        tiny.model, **tiny.parts, scales=(1.0,), method="occlusion", influence=True
    ).explain(noise(64, 96), PROMPT, answer=ANSWER)
    assert explanation.influence is None
    assert explanation.provenance["influence"]["refused"].startswith("no key can be hidden from ")


@pytest.mark.parametrize("family", GO_ON)
def test_it_is_what_one_whole_forward_without_each_word_says(family: str) -> None:
    """In every family: no cache, no batch, no mask of ours, but attention without those keys."""
    tiny = placeless(family) if family in PLACELESS else tiny_of(family)
    if family == "blip-2":
        tiny.model.set_attn_implementation("sdpa")
    method = "occlusion" if family in PLACELESS else "lens"
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,), method=method)
    adapter = explainer.adapter
    prepared = explainer.prepare(Sample("s", noise(64, 96), PROMPT, ANSWER))
    count = len(prepared.rendered.text) + len(prepared.answer_ids)
    texts = [token.written for token in prepared.rendered.text]
    firsts = [index for index in range(count - 1) if index >= len(texts) or texts[index]]
    words = [ContextWord(first, 1, "w") for first in firsts]
    with torch.no_grad():
        found = taken_away(adapter, prepared, words)
        expected = plainly(adapter, prepared, words, found.neutral, holes=family not in RECURRENT)
    np.testing.assert_allclose(found.values, expected, atol=1e-4)
    assert np.nanmax(np.abs(expected)) > 0.01  # there is something to agree on
    assert (found.no_holes is not None) == (family in RECURRENT)


def test_the_words_are_those_that_somebody_wrote_and_each_is_before_what_it_tells(
    qwen2: TinyModel,
) -> None:
    explanation = explained(qwen2, influence=True)
    words, how = measured(explanation)
    # Neither the template's markers and roles nor the last word, which nothing follows.
    assert words == ["describe", "the", "image", ".", "a", "red", "circle", "is"]
    assert set(how) == {"hidden", "replaced"} and how[-1] == "replaced"
    influence = explanation.influence
    assert influence is not None and influence.dtype == np.float32
    first = [word.first - explanation.prompt_length for word in explanation.context_words]
    for token, row in enumerate(influence):
        assert [bool(np.isnan(value)) for value in row] == [index >= token for index in first]
    assert explanation.provenance["influence"] == {
        "words": 8, "measured": 8, "hidden": 7, "replaced": 1, "neutral": "."
    }  # fmt: skip
    assert explained(qwen2).influence is None


def test_of_a_context_that_nobody_wrote_the_templates_words_count() -> None:
    made = make_explanation(2, 3)
    special = tuple(replace(token, special=True) for token in made.context)
    groups = tuple(WordGroup(index, f"w{index}") for index in range(5))
    bare = replace(made, context=special, tokens=special[3:], words=groups)
    assert [word.first for word in context_words(bare)] == [0, 1, 2, 3]
    partly = tuple(replace(token, special=index != 2) for index, token in enumerate(made.context))
    spoken = replace(bare, context=partly, tokens=partly[3:])
    assert [word.first for word in context_words(spoken)] == [2]


def test_words_of_several_tokens_go_as_one_and_blanks_are_none() -> None:
    made = make_explanation(3, 3)
    plain = tuple(replace(token, special=False) for token in made.context)
    starts = ((0, "colour"), (2, " \n"), (3, "ful"), (5, "end"))
    groups = tuple(WordGroup(*start) for start in starts)
    spoken = replace(made, context=plain, tokens=plain[3:], words=groups)
    assert [(w.first, w.count) for w in context_words(spoken)] == [(0, 2), (3, 2)]


def test_without_an_estimate_the_nearest_words_come_first_with_one_the_largest() -> None:
    made = make_explanation(3, 3)
    words = [ContextWord(first, 1, "w") for first in (1, 2, 3)]
    assert most_important(made, words, 2) == [2, 1]
    estimate = np.zeros((3, 6), np.float32)
    estimate[:, 1], estimate[0, 2], estimate[:, 4:] = -2, 1, np.nan
    assert most_important(replace(made, estimate=estimate), words, 3) == [0, 1, 2]


def test_beyond_the_bound_of_words_the_others_are_said_to_be_unmeasured(qwen2: TinyModel) -> None:
    whole, some = (explained(qwen2, influence=True, influence_words=n) for n in (512, 3))
    _, how = measured(some)
    chosen = sorted(most_important(some, some.context_words, 3))
    assert [index for index, done in enumerate(how) if done != "unmeasured"] == chosen
    others = np.setdiff1d(np.arange(8), chosen)
    assert np.isnan(some.influence[:, others]).all()
    np.testing.assert_allclose(some.influence[:, chosen], whole.influence[:, chosen], atol=1e-5)
    told = some.provenance["influence"]
    assert (told["words"], told["measured"], told["bound"]) == (8, 3, "words")


def test_when_time_is_up_no_further_word_is_taken_away(qwen2: TinyModel) -> None:
    explanation = explained(qwen2, influence=True, influence_seconds=1e-9)
    told = explanation.provenance["influence"]
    # Of some words only the token behind them is told, each by a row of one position.
    assert told["measured"] < told["words"]
    assert told["bound"] == "seconds"
    assert np.isnan(explanation.influence[0]).all()


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_how_words_share_forwards_changes_nothing(qwen2: TinyModel, rows: int) -> None:
    explainer = Explainer(qwen2.model, **qwen2.parts, scales=(1.0,))
    prepared = explainer.prepare(Sample("s", noise(64, 96), PROMPT, ANSWER))
    words = context_words(explainer.explain_prepared(Sample("s", noise(64, 96), PROMPT), prepared))
    with torch.no_grad():
        found, alone = (
            taken_away(explainer.adapter, prepared, words, bound) for bound in (14 * rows, 1)
        )
    np.testing.assert_allclose(found.values, alone.values, atol=1e-5)


def test_a_word_that_was_not_said_has_the_words_that_speak_against_it(qwen2: TinyModel) -> None:
    """Of the difference of two log-probabilities; a prompt's own word has its own influence."""
    explanation = explained(
        qwen2, influence=True, image_gain=True, why_not={"red": "blue"}, prompt_words=True
    )
    unsaid, *asked = explanation.alternatives
    other = explained(qwen2, influence=True, image_gain=True)
    said = explained(qwen2, influence=True, image_gain=True, answer="a blue circle is left")
    place = unsaid.context_index - explanation.prompt_length
    np.testing.assert_allclose(
        unsaid.influence, explanation.influence[place] - said.influence[place], atol=1e-5
    )
    assert unsaid.image_gain == pytest.approx(
        float(explanation.image_gain[place] - said.image_gain[place]), abs=1e-5
    )
    np.testing.assert_allclose(explanation.influence, other.influence, atol=1e-5)
    first = [word.first for word in explanation.context_words]
    for entry in asked:
        assert [bool(np.isnan(v)) for v in entry.influence] == [
            at >= entry.context_index for at in first
        ]
    back = decode_explanation(encode_explanation(explanation))
    np.testing.assert_allclose(
        back.alternatives[0].influence, unsaid.influence, rtol=1e-3, atol=1e-6
    )
    assert back.context_words == explanation.context_words


@pytest.mark.parametrize("family", ["qwen3_vl", "gemma3", "gemma4", "llama4", "mistral3"])
def test_so_it_is_of_words_in_front_of_pictures_and_in_earlier_turns(family: str) -> None:
    """With deep visual embeddings, tokens of a picture that see each other, sliding windows."""
    tiny = tiny_of(family)
    explainer = Explainer(tiny.model, **tiny.parts, scales=(1.0,))
    text, picture = {"type": "text", "text": "describe the star"}, {"type": "image"}
    turns = [
        {"role": "user", "content": [text, picture, text]},
        {"role": "assistant", "content": [{"type": "text", "text": "a blue dog"}]},
        {"role": "user", "content": [picture, {"type": "text", "text": "what is left"}]},
    ]
    shown = [noise(64, 96), noise(96, 64, 1)]
    prepared = explainer.prepare(Sample("s", shown, answer="a red circle", messages=turns))
    written = [token.written for token in prepared.rendered.text] + [True, True]
    words = [ContextWord(first, 1, "w") for first, is_word in enumerate(written) if is_word]
    assert len(words) > 10
    with torch.no_grad():
        found = taken_away(explainer.adapter, prepared, words)
        expected = plainly(explainer.adapter, prepared, words, found.neutral, holes=True)
    np.testing.assert_allclose(found.values, expected, atol=1e-4)


def test_attention_that_is_computed_step_by_step_says_the_same(qwen2: TinyModel) -> None:
    fused = explained(qwen2, influence=True)
    qwen2.model.set_attn_implementation("eager")
    try:
        np.testing.assert_allclose(
            explained(qwen2, influence=True).influence, fused.influence, atol=1e-4
        )
    finally:
        qwen2.model.set_attn_implementation("sdpa")
