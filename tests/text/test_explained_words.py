"""Words of explanations by models whose tokens are parts of words and of characters."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mmx_core as mmx
from mmx_core import Explainer, Explanation, Sample
from mmx_core.explanation import WordGroup
from mmx_core.text import CategoryMasks
from mmx_core.text.words import _compiled
from tests.support.byte_tokenizers import BYTE_TOKENIZERS
from tests.support.explanations import make_explanation
from tests.support.smollm2 import param, tokenizer_for
from tests.support.tiny_models import make_tiny

MARKERS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}"
    "{% else %}{% for p in m.content %}{% if p.type == 'image' %}<|vision_start|><|image_pad|>"
    "<|vision_end|>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (56, 56, 3)).astype(np.uint8))
MASK = np.zeros((56, 56), dtype=bool)
MASK[:20, :20] = True
ANSWER = "a dog 🐕 and “犬” on a mat"


@pytest.fixture(scope="module", params=["byte level", "byte fallback", param("released")])
def explainer(request: pytest.FixtureRequest) -> Explainer:
    tiny = make_tiny("qwen2_vl")
    named = {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    if request.param == "released":
        tokenizer = tokenizer_for(TEMPLATE, MARKERS, **named)
    else:
        tokenizer = type(tiny.tokenizer)(
            tokenizer_object=BYTE_TOKENIZERS[request.param]()._tokenizer,
            chat_template=TEMPLATE,
            **named,
        )
        tokenizer.add_special_tokens({"additional_special_tokens": MARKERS})
    torch.manual_seed(1)
    tiny.model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = dict(zip(MARKERS, tokenizer.convert_tokens_to_ids(MARKERS), strict=True))
    for config in (tiny.model.config, tiny.model.model.config):
        config.image_token_id = ids["<|image_pad|>"]
        config.vision_start_token_id = ids["<|vision_start|>"]
        config.vision_end_token_id = ids["<|vision_end|>"]
    return Explainer(
        tiny.model, image_processor=tiny.image_processor, tokenizer=tokenizer, scales=(1.0,)
    )


def texts(explanation: Explanation, tokens: range) -> str:
    return "".join(explanation.tokens[index].text for index in tokens).strip()


def test_groups_show_the_characters_and_tokens_their_bytes(explainer: Explainer) -> None:
    explanation = explainer.explain(IMAGE, "describe 猫 .", answer=ANSWER)
    shown = [token.text for token in explanation.context]
    assert "\ufffd" not in "".join(shown) and any("<0x" in text for text in shown)
    assert {"猫", "🐕", "犬", "“", "”", "mat"} <= {word.text.strip() for word in explanation.words}
    said = [w.text for w in explanation.words if w.first >= explanation.prompt_length]
    assert "".join(said).strip() == ANSWER
    # Template tokens stand alone, and a word ends where the answer begins.
    firsts = {word.first for word in explanation.words}
    special = {index for index, token in enumerate(explanation.context) if token.special}
    assert special | {explanation.prompt_length} <= firsts


def test_a_span_is_that_of_all_tokens_of_a_word(explainer: Explainer) -> None:
    explanation = explainer.explain(IMAGE, "describe", answer=ANSWER)
    for word in ("🐕", "犬", "“犬”"):
        found = explanation.find(word)
        held = [token.text for token in explanation.tokens[found.start : found.stop]]
        assert len(held) >= 1 and "mat" not in held
        group = next(w for w in explanation.words if w.text.strip() == word.strip("“”"))
        assert found.start == group.first - explanation.prompt_length
    assert texts(explanation, explanation.find("on a mat")) == "on a mat"
    assert np.array_equal(explanation.span("犬"), explanation.span(explanation.find("犬")))
    with pytest.raises(ValueError, match="word or phrase"):
        explanation.find("cat")
    # Logs of earlier versions say nothing of words: there tokens' texts tell.
    old = replace(explanation, words=())
    assert old.find("Mat") == explanation.find("mat")


def test_masks_measure_words_of_scripts_without_blanks(explainer: Explainer) -> None:
    def explained(name: str) -> Explanation:
        sample = Sample("s", IMAGE, "describe", "一只猫。", masks={name: MASK})
        (explanation,) = explainer.explain_batch([sample])
        return explanation

    assert explained("猫").metrics["masked_words"] == 1
    assert explained("一只猫").metrics["masked_words"] == 1
    with pytest.warns(UserWarning, match="does not have '狗'"):
        assert "masked_words" not in explained("狗").metrics


def test_categories_are_matched_with_words_of_several_tokens(explainer: Explainer) -> None:
    labels = np.where(MASK, 58, 18).astype(np.uint8)
    masks = CategoryMasks(labels, {"dog": 18, "hot dog": 58, "猫": 17})
    sample = Sample("s", IMAGE, "describe", "Two dogs, a “hot dog” 🐕 und 猫", masks=masks)
    (explanation,) = explainer.explain_batch([sample])
    assert [entry.name for entry in masks.word_masks(explanation.answer)] == [
        "dog",
        "hot dog",
        "猫",
    ]
    assert explanation.metrics["masked_words"] == 2  # of the third there is none in the picture


def test_what_was_not_said_stands_where_its_bytes_part_from_what_was(explainer: Explainer) -> None:
    asked = {"犬": "狗", "mat": "cat"}
    explanation = explainer.explain(IMAGE, "describe", answer=ANSWER, why_not=asked)
    dog, mat = explanation.alternatives
    tokenizer = explainer.adapter.tokenizer
    place = dog.context_index - explanation.prompt_length
    before = [token.id for token in explanation.tokens[:place]]
    text = tokenizer.decode([*before, dog.candidate.id])
    said = tokenizer.decode(tokenizer(ANSWER.replace("犬", "狗"))["input_ids"])
    # As far as it goes it is the beginning of the other answer, and not of the one that was given.
    assert said.startswith(text.rstrip("\ufffd"))
    assert dog.candidate.id != explanation.tokens[place].id
    assert place in explanation.find("犬")
    assert mat.candidate.text.strip() in ("cat", "c")
    with pytest.raises(ValueError, match="what was said"):
        explainer.explain(IMAGE, "describe", answer=ANSWER, why_not={"犬": "犬"})
    for said in (ANSWER, None):
        with pytest.raises(ValueError, match="expected a word, got ' '"):
            explainer.explain(IMAGE, "describe", answer=said, why_not={0: " "})
        with pytest.raises(ValueError, match=r"'<\|im_start\|>' is no word"):
            explainer.explain(IMAGE, "describe", answer=said, why_not={0: "<|im_start|>"})


@pytest.mark.parametrize("firsts", [(1, 4), (0, 3), (0, 4, 4), (0, 5, 4), (0, 4, 9)])
def test_groups_that_do_not_part_all_tokens_are_refused(firsts: tuple[int, ...]) -> None:
    whole = make_explanation(5, 4)
    with pytest.raises(ValueError, match="ascending first tokens below 9, 0 and 4 among them"):
        replace(whole, words=tuple(WordGroup(first, "w") for first in firsts))


def test_without_regex_words_are_refused_in_words_and_tokens_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explanation = make_explanation(5, 4)
    monkeypatch.setitem(sys.modules, "regex", None)
    _compiled.cache_clear()
    with pytest.raises(ImportError, match="pip install regex"):
        explanation.find("a red circle")
    assert explanation.span(0).shape == explanation.heatmap[0].shape


@pytest.mark.parametrize("answer", ["a (dog)", "a “dog”", "a dog's mat", "a dog…", "*Dog*"])
def test_a_question_finds_its_word_in_marks(explainer: Explainer, answer: str) -> None:
    explanation = explainer.explain(IMAGE, "describe", answer=answer, why_not={"dog": "cat"})
    (asked,) = explanation.alternatives
    place = asked.context_index - explanation.prompt_length
    word = explanation.find("dog")
    # Or at the blank before, where "cat" has it in its token.
    assert place in word or (place == word.start - 1 and asked.candidate.text.startswith(" "))
    assert asked.candidate.text.strip() in ("c", "cat")


def test_words_are_logged_and_read_back(explainer: Explainer, tmp_path: Path) -> None:
    explanation = explainer.explain(IMAGE, "describe", answer=ANSWER)
    mmx.add_explanation(tmp_path, "val/0", explanation, global_step=0)
    (read,) = mmx.read_explanations(tmp_path)
    assert read.words == explanation.words
    assert read.find("🐕") == explanation.find("🐕")
