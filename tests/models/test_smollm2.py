"""What must hold on small tokenizers, on a released one and a model that speaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core import Explainer
from mmx_core.text.words import tokens_of_words
from tests.support.smollm2 import TEMPLATES, make_smollm2, require
from tests.support.tiny_models import TinyModel

PROMPT = "What is the capital of France?"
PROMPTS = (
    PROMPT,
    "Schreibe ein kurzes Gedicht.",
    "请用中文数到三。",
    "Write a list of three animals.",
)
ANSWERS = (
    "The capital of France is Paris.",
    "a colourful dog 🐕 und 犬 on a mat",
    "一只猫坐在垫子上。",
    "แมวนั่งบนเสื่อ",
    "قطة على السجادة",
    "naïve café, “it’s” (dog)…",
    "def f(x):\n    return x",
)


@pytest.fixture(scope="module", params=TEMPLATES)
def released(request: pytest.FixtureRequest) -> TinyModel:
    require()
    return make_smollm2(request.param)


def build(tiny: TinyModel) -> Explainer:
    return Explainer(tiny.model, scales=(1.0,), max_new_tokens=12, **tiny.parts)


def picture() -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_it_speaks_and_its_own_answer_given_back_has_the_same_tokens(
    released: TinyModel, prompt: str
) -> None:
    explainer = build(released)
    said = explainer.explain(picture(), prompt)
    assert said.answer.strip() and released.tokenizer.eos_token not in said.answer
    given = explainer.explain(picture(), prompt, answer=said.answer)
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}
    talk = [user, {"role": "assistant", "content": said.answer}]
    told = explainer.explain(picture(), messages=talk)
    ids, again, once_more = ([token.id for token in each.tokens] for each in (said, given, told))
    assert again == once_more
    assert again == ids
    np.testing.assert_allclose(said.base.probability, given.base.probability, rtol=1e-4)
    # Greedily: each token was its model's first choice.
    assert (said.base.rank == 0).all()


@pytest.mark.parametrize("answer", ANSWERS)
def test_words_cover_an_answer_in_any_script_and_no_token_shows_half_a_character(
    released: TinyModel, answer: str
) -> None:
    explanation = build(released).explain(picture(), PROMPT, answer=answer)
    assert explanation.answer == answer
    ids = [token.id for token in explanation.tokens]
    assert released.tokenizer.decode(ids).strip() == answer
    assert not any("\N{REPLACEMENT CHARACTER}" in token.text for token in explanation.tokens)
    words = tokens_of_words(released.tokenizer, answer, ids)
    assert all(words) and [t for word in words for t in word] == sorted(
        {t for word in words for t in word}
    )


def test_probabilities_are_those_of_the_model_itself(released: TinyModel) -> None:
    explainer = build(released)
    explanation = explainer.explain(picture(), PROMPT, answer=ANSWERS[0])
    adapter = explainer.adapter
    with torch.no_grad():
        user = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}]
        rendered = adapter.render(user, pictures=[picture()])
        ids = [token.id for token in explanation.tokens]
        encoded = adapter.encode([picture()], rendered, ids, factor=1.0)
        logits = released.model(**encoded.inputs).logits[0]
    rows = logits[encoded.prompt_length - 1 : -1].softmax(-1)
    expected = rows[torch.arange(len(ids)), torch.tensor(ids)]
    np.testing.assert_allclose(explanation.base.probability, expected.numpy(), rtol=2e-3)


@pytest.mark.parametrize("released", ["smollm2"], indirect=True)
def test_a_special_token_of_the_vocabulary_ends_an_answer_and_another_is_part_of_it(
    released: TinyModel,
) -> None:
    tokenizer = released.tokenizer
    explainer = build(released)
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    told = explainer.explain(
        picture(), messages=[user, {"role": "assistant", "content": "a <|im_start|> b"}]
    )
    marks = [token.special for token in told.tokens]
    assert told.answer == "a <|im_start|> b" and sum(marks) == 1
    assert tokenizer.eos_token_id not in [token.id for token in told.tokens]


@pytest.mark.parametrize("released", ["smollm2"], indirect=True)
def test_turns_and_written_words_are_those_of_the_conversation(released: TinyModel) -> None:
    user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]}
    talk = [user, {"role": "assistant", "content": "Paris."}, {"role": "user", "content": "Sure?"}]
    rendered = build(released).adapter.render(talk, pictures=[picture()])
    said = [
        released.tokenizer.decode([i for i, w, t in rows if w and t == turn]).split()
        for turn in range(3)
        for rows in [list(zip(rendered.ids, rendered.written, rendered.turns, strict=True))]
    ]
    assert said == [PROMPT.split(), ["Paris."], ["Sure?"]]
