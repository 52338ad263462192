"""Through the thought: a chain worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmx_core import Explainer, through_thought
from mmx_core.explanation import ContextWord, Explanation, Token, WordGroup
from tests.support.explanations import make_explanation
from tests.support.taken_away import log_probability, without_keys
from tests.support.thinking import (
    thinking_explainer,
    thinking_sample,
    thinking_scene,
    thoughts_of,
)

NAN = np.nan
ANSWER = ["<think>", " Ball", ".", " Sky", ".", "</think>", " red"]
WORDS = (
    ContextWord(0, 1, "ball"),
    ContextWord(1, 1, "sky"),
    ContextWord(3, 1, " Ball"),
    ContextWord(5, 1, " Sky"),
)


@pytest.fixture(scope="module")
def thinking() -> Explainer:
    return thinking_explainer(influence=True, scales=(1.0,))


def made_up(*, gain: bool = True) -> Explanation:
    """Two words of the prompt; a thought of two sentences of a word each; a word behind it."""
    made = make_explanation(len(ANSWER), 2)
    texts = ["ball", "sky", *ANSWER]
    influence = np.full((len(ANSWER), len(WORDS)), NAN, np.float32)
    influence[1] = [3, 0.5, NAN, NAN]
    influence[2] = [0, 0.5, 2, NAN]
    influence[3] = [-1, 2, 0, NAN]
    influence[4] = [0, 0, 0, 1]
    influence[6] = [1, -2, 4, 2]
    return replace(
        made,
        context=tuple(
            Token(k, text, "prompt" if k < 2 else "answer", k, text.startswith("<"))
            for k, text in enumerate(texts)
        ),
        words=tuple(WordGroup(k, text) for k, text in enumerate(texts)),
        answer="".join(ANSWER),
        influence=influence,
        context_words=WORDS,
        image_gain=np.array([0, 3, 0, 0, 0, 0, 3], np.float32) if gain else None,
    )


def test_an_answer_s_word_rests_on_the_prompt_directly_and_through_its_thought():
    chain = through_thought(made_up(), "red")
    # For it speak: ball 1, the sentences 4 and 2, the picture 3; "sky" speaks against it.
    assert chain.word == range(6, 7)
    np.testing.assert_allclose(chain.direct, [1, -2, NAN, NAN])
    np.testing.assert_allclose(chain.direct_share, [0.1, 0, 0, 0])
    assert [s.text for s in chain.sentences] == ["Ball.", "Sky."]
    assert [s.influence for s in chain.sentences] == [4, 2]
    np.testing.assert_allclose([s.share for s in chain.sentences], [0.4, 0.2])
    # The first sentence rests on ball 3, sky 1, picture 3; the second on sky 2 alone.
    np.testing.assert_allclose(chain.sentences[0].words[:2], [3, 1])
    np.testing.assert_allclose(chain.through_share, [0.4 * 3 / 7, 0.4 / 7 + 0.2, 0, 0])
    np.testing.assert_allclose(chain.image_share, [0.3, 0.4 * 3 / 7])
    total = chain.direct_share.sum() + chain.through_share.sum() + sum(chain.image_share)
    assert total == pytest.approx(1)


def test_a_sentence_shows_the_mean_map_of_its_tokens():
    explained = made_up()
    sentence = through_thought(explained, "red").sentences[1]
    assert sentence.tokens == range(3, 5)
    np.testing.assert_array_equal(sentence.heatmaps[0], explained.heatmap[3:5].mean(axis=0))


def test_without_the_image_s_gain_nothing_is_said_of_the_picture():
    chain = through_thought(made_up(gain=False), 6)
    assert np.isnan(chain.image_share).all()
    assert chain.sentences[0].image_gain is None
    np.testing.assert_allclose(chain.direct_share[0], 1 / 7)


def test_a_word_that_the_thought_has_too_is_taken_from_behind_it():
    explained = made_up()
    context = list(explained.context)
    context[3] = replace(context[3], text=" red")
    words = tuple(WordGroup(k, token.text) for k, token in enumerate(context))
    assert through_thought(replace(explained, context=tuple(context), words=words), "red").word == (
        range(6, 7)
    )


def test_what_cannot_be_chained_is_refused_in_words():
    explained = made_up()
    with pytest.raises(ValueError, match="behind its thought, '</think> red'"):
        through_thought(explained, "Ball")
    with pytest.raises(ValueError, match="behind its thought"):
        through_thought(explained, 1)
    with pytest.raises(ValueError, match="influence=True"):
        through_thought(replace(explained, influence=None, context_words=()), "red")
    plain = replace(explained, words=tuple(WordGroup(k, f" w{k}") for k in range(9)))
    with pytest.raises(ValueError, match="expected a thought"):
        through_thought(plain, "w8")


def test_a_sentence_of_the_thought_is_hidden_as_a_whole(thinking: Explainer) -> None:
    sample = thinking_sample()
    (explanation,) = thinking.explain_batch([sample])
    units = {word.text.strip(): word for word in explanation.context_words}
    sentences = thoughts_of(thinking_scene())
    assert set(sentences) < set(units)
    assert {units[sentence].how for sentence in sentences} == {"hidden"}
    # Behind the thought words are words, and the last has nothing behind it.
    behind = [word.text for word in explanation.context_words][-4:]
    assert behind == [" on", " a", " plain", " background"]
    prepared = thinking.prepare(sample)
    adapter, ids = thinking.adapter, [token.id for token in explanation.tokens]
    encoded = adapter.encode(prepared.pictures, prepared.rendered, ids, factor=1.0)
    with torch.no_grad():
        whole = log_probability(adapter, encoded, ids)
    for sentence in sentences[:2]:
        word = units[sentence]
        places = encoded.context_positions[word.first : word.first + word.count].tolist()
        with torch.no_grad(), without_keys(encoded.length, places):
            lost = whole - log_probability(adapter, encoded, ids)
        at = explanation.context_words.index(word)
        after = word.first + word.count - explanation.prompt_length + 1
        np.testing.assert_allclose(explanation.influence[after:, at], lost[after:], atol=1e-3)


def test_a_chain_of_a_model_that_runs_names_the_sentence_that_says_the_word(
    thinking: Explainer,
) -> None:
    (explanation,) = thinking.explain_batch([thinking_sample()])
    for shape in ("square", "cross", "triangle"):
        chain = through_thought(explanation, shape)
        strongest = max(chain.sentences, key=lambda sentence: sentence.influence)
        assert strongest.text.split()[-2] == shape
        shares = [
            chain.direct_share.sum(),
            chain.image_share[0],
            *(s.share for s in chain.sentences),
        ]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
