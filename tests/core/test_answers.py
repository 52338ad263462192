"""Where an answer ends, and what of it is explained, on tokenizers of the released shape."""

from __future__ import annotations

import base64
import io
import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

import mmx_core as mmx
from mmx_core.stages.answer import ends_of
from tests.support import released
from tests.support.families.google_mistral import make_gemma3
from tests.support.families.tiled import make_smolvlm
from tests.support.released import byte_fallback, byte_level, fit, says
from tests.support.shapes import SOURCES, Source, family
from tests.support.smollm2 import tokenizer_for
from tests.support.tiny_models import TinyModel, make_tiny

PICTURE = Image.fromarray(np.zeros((64, 64, 3), np.uint8))
PROMPT = "describe the image"
GROUNDED = (
    "a cat <|object_ref_start|>the cat<|object_ref_end|><|box_start|>(22,42),(56,88)<|box_end|> "
    "on the mat"
)


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    return request.param


@pytest.fixture
def qwen(source: Source) -> TinyModel:
    special = released.QWEN_SPECIAL
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    extra = {"additional_special_tokens": list(special[1:])}
    make = {"trained": byte_level, "released": tokenizer_for}[source]
    tokenizer = make(released.QWEN2_VL, special, **named, **extra)
    return fitted(make_tiny("qwen2_vl"), tokenizer, "<|image_pad|>")


@pytest.fixture
def thinking(source: Source) -> TinyModel:
    return fitted(make_tiny("qwen3_vl"), family("qwen3_vl", source).tokenizer, "<|image_pad|>")


@pytest.fixture
def gemma() -> TinyModel:
    parts = make_gemma3()
    tokenizer = byte_fallback(
        released.GEMMA_3,
        released.GEMMA_SPECIAL,
        dummy=False,
        eos_token="<eos>",
        bos_token="<bos>",
        pad_token="<pad>",
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
    )
    return fitted(parts, tokenizer, "<image_soft_token>")


@pytest.fixture
def smolvlm(source: Source) -> TinyModel:
    names = {"unk_token": "<|endoftext|>", "bos_token": "<|im_start|>"}
    names |= {"eos_token": "<end_of_utterance>", "pad_token": "<|im_end|>"}
    extra = {
        "fake_image_token": "<fake_token_around_image>",
        "image_token": "<image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    make = {"trained": byte_level, "released": tokenizer_for}[source]
    tokenizer = make(
        released.SMOLVLM, released.SMOLVLM_SPECIAL, **names, extra_special_tokens=extra
    )
    return fitted(make_smolvlm(), tokenizer, "<image>")


def fitted(parts: TinyModel, tokenizer: Any, image_token: str) -> TinyModel:
    fit(parts.model, tokenizer, image_token)
    return TinyModel(parts.model, parts.image_processor, tokenizer)


def explainer(tiny: TinyModel, **settings: Any) -> mmx.Explainer:
    return mmx.Explainer(tiny.model, **tiny.parts, scales=(1.0,), **settings)


def ids(tiny: TinyModel, text: str) -> list[int]:
    found: list[int] = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def texts(explanation: mmx.Explanation) -> list[str]:
    return [token.text for token in explanation.tokens]


def before(explanation: mmx.Explanation) -> str:
    """The last token before the answer that is no line's break."""
    prompt = explanation.context[: explanation.prompt_length]
    return next(token.text for token in reversed(prompt) if token.text.strip())


def test_the_turns_end_is_no_word_of_a_gemmas_answer(gemma: TinyModel) -> None:
    end = gemma.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert end not in gemma.tokenizer.all_special_ids, "as in the released file"
    for named in ([gemma.tokenizer.eos_token_id, end], end, None):
        gemma.model.generation_config.eos_token_id = named
        says(gemma.model, [*ids(gemma, "a red circle"), end, gemma.tokenizer.pad_token_id])
        explanation = explainer(gemma).explain(PICTURE, PROMPT)
        assert explanation.answer == "a red circle"
        assert texts(explanation) == ["a", " red", " circle"]


@pytest.mark.parametrize("name", ["<|im_end|>", "<|endoftext|>"])
def test_any_of_the_ends_that_the_checkpoint_names_ends_an_answer(
    qwen: TinyModel, name: str
) -> None:
    end = qwen.tokenizer.convert_tokens_to_ids(name)
    qwen.model.generation_config.eos_token_id = [qwen.tokenizer.pad_token_id]
    says(qwen.model, [*ids(qwen, "a dog"), end, *ids(qwen, " and a cat")])
    assert explainer(qwen).explain(PICTURE, PROMPT).answer == "a dog"


def test_a_word_is_no_end_because_a_class_has_its_number_for_default(qwen: TinyModel) -> None:
    word = ids(qwen, " dog")[0]
    qwen.model.config.get_text_config().eos_token_id = word
    adapter = explainer(qwen).adapter
    rendered = adapter.render(PROMPT, pictures=[PICTURE])
    assert word not in ends_of(adapter, rendered)
    qwen.model.generation_config.eos_token_id = word
    assert word in ends_of(adapter, rendered), "but the checkpoint may name a word"


@pytest.mark.parametrize(
    "text",
    [
        GROUNDED,
        "<|object_ref_start|>the cat<|object_ref_end|> on the mat",
        "the cat<|box_start|>(2,4)<|box_end|>",
        "<|box_start|>(2,4)<|box_end|><|box_start|>(2,4)<|box_end|>",
    ],
)
def test_markers_within_an_answer_are_part_of_it(qwen: TinyModel, text: str) -> None:
    says(qwen.model, [*ids(qwen, text), qwen.tokenizer.eos_token_id])
    explain = explainer(qwen).explain
    generated = explain(PICTURE, PROMPT)
    assert generated.answer == text
    said = [
        explain(PICTURE, PROMPT, answer=text),
        explain(PICTURE, messages=[*asked(), {"role": "assistant", "content": text}]),
    ]
    for explanation in said:
        assert explanation.answer == text
        assert [t.id for t in explanation.tokens] == [t.id for t in generated.tokens]
        assert [t.special for t in explanation.tokens] == [
            t.text.startswith("<|") for t in explanation.tokens
        ]
        np.testing.assert_allclose(explanation.heatmap, generated.heatmap, atol=1e-5)


def asked(text: str = PROMPT) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]


@pytest.mark.parametrize("said", ["\n\na dog", " a dog\n\n", "\n a dog \n"])
def test_line_breaks_that_the_model_says_are_explained_however_the_answer_came(
    smolvlm: TinyModel, said: str
) -> None:
    expected = ids(smolvlm, said)
    says(smolvlm.model, [*expected, smolvlm.tokenizer.eos_token_id])
    explain = explainer(smolvlm).explain
    generated = explain(PICTURE, PROMPT)
    answered = {"role": "assistant", "content": generated.answer}
    for explanation in (
        generated,
        explain(PICTURE, PROMPT, answer=generated.answer),
        explain(PICTURE, messages=[*asked(), answered]),
    ):
        assert explanation.answer == (said[1:] if said[0] == " " else said)
        assert [token.id for token in explanation.tokens] == expected


def test_a_word_behind_a_colon_has_its_blank_however_the_answer_came(smolvlm: TinyModel) -> None:
    says(smolvlm.model, [*ids(smolvlm, " a dog and a cat"), smolvlm.tokenizer.eos_token_id])
    explain = explainer(smolvlm).explain
    generated = explain(PICTURE, PROMPT)
    assert texts(generated)[0] == " a"
    for explanation in (
        explain(PICTURE, PROMPT, answer=generated.answer),
        explain(PICTURE, PROMPT, answer=" a dog and a cat"),
        explain(PICTURE, messages=[*asked(), {"role": "assistant", "content": generated.answer}]),
    ):
        assert explanation.answer == "a dog and a cat"
        assert [t.id for t in explanation.tokens] == [t.id for t in generated.tokens]


def test_a_thinking_models_own_answer_is_the_one_that_is_given_again(thinking: TinyModel) -> None:
    text = "the cat\n</think>\n\na dog"
    says(thinking.model, [*ids(thinking, text), thinking.tokenizer.eos_token_id])
    explain = explainer(thinking).explain
    generated, given = explain(PICTURE, PROMPT), explain(PICTURE, PROMPT, answer=text)
    assert generated.answer == given.answer == text
    assert [t.id for t in generated.context] == [t.id for t in given.context]
    alone = explain(PICTURE, PROMPT, answer="a dog")
    assert texts(alone) == ["a", " dog"] == texts(generated)[-2:]
    # The thought was closed in the prompt, or the answer would be its beginning.
    assert before(alone) == "</think>"
    unthinking = explain(
        PICTURE, PROMPT, answer="a dog", chat_template_kwargs={"enable_thinking": False}
    )
    assert [t.id for t in unthinking.context] == [t.id for t in alone.context]


def test_a_thought_that_had_not_ended_is_told_and_given_again_with_its_mark(
    thinking: TinyModel,
) -> None:
    said = ids(thinking, "the cat on the mat")
    says(thinking.model, [*said, thinking.tokenizer.eos_token_id])
    explain = explainer(thinking).explain
    with pytest.warns(UserWarning, match=r"a thought that had not ended.*begin it with '<think>'"):
        cut = explain(PICTURE, PROMPT)
    assert "had not ended" in cut.provenance["thought"]
    again = explain(PICTURE, PROMPT, answer=f"<think>\n{cut.answer}")
    assert [token.id for token in again.context] == [token.id for token in cut.context]
    assert "thought" not in again.provenance
    # Without its mark the same text is an answer, and what was made of it is told.
    alone = explain(PICTURE, PROMPT, answer=cut.answer)
    assert before(alone) == "</think>"
    assert "unfinished begins with '<think>'" in alone.provenance["thought"]
    given = [*asked(), {"role": "assistant", "content": "a dog", "reasoning_content": "a cat"}]
    assert "thought" not in explain(PICTURE, messages=given).provenance
    assert "thought" not in explain(PICTURE, PROMPT, answer="a cat</think>\n\na dog").provenance


def test_an_earlier_turn_is_explained_as_it_was_said(thinking: TinyModel) -> None:
    thought = "<think>\nthe cat\n</think>\n\na dog"
    messages = [
        *asked(),
        {"role": "assistant", "content": thought},
        {"role": "user", "content": "is a cat on the mat"},
        {"role": "assistant", "content": "the mat"},
    ]
    explain = explainer(thinking).explain
    first, last = explain(PICTURE, messages=messages, turn=1), explain(PICTURE, messages=messages)
    assert first.answer == thought
    assert last.answer == "the mat"
    written = {}
    for token in last.context:
        if token.role == "prompt" and not token.special:
            written[token.turn] = written.get(token.turn, "") + token.text
    assert written == {0: PROMPT, 1: "a dog", 2: "is a cat on the mat"}
    assert last.turns == ("user", "assistant", "user", "assistant")


def test_variables_of_the_template_are_the_explainers_or_the_samples(thinking: TinyModel) -> None:
    says(thinking.model, [*ids(thinking, "a dog"), thinking.tokenizer.eos_token_id])
    closed = {"enable_thinking": False}
    one = explainer(thinking, chat_template_kwargs=closed).explain(PICTURE, PROMPT)
    two = explainer(thinking).explain(PICTURE, PROMPT, chat_template_kwargs=closed)
    logged = [each.provenance["chat_template_kwargs"] for each in (one, two)]
    assert logged == [closed, closed]
    sample = {"id": "s", "image": PICTURE, "prompt": PROMPT, "chat_template_kwargs": closed}
    (three,) = explainer(thinking).explain_batch([sample])
    opened = explainer(thinking, chat_template_kwargs=closed).explain(
        PICTURE, PROMPT, chat_template_kwargs={"enable_thinking": True}
    )
    for explanation in (one, two, three):
        assert before(explanation) == "</think>"
    assert before(opened) == "<think>"
    with pytest.raises(ValueError, match="variables of the template, got tokenize"):
        explainer(thinking).explain(PICTURE, PROMPT, chat_template_kwargs={"tokenize": True})


@pytest.mark.parametrize("text", [" ", "\n\n", " \n "])
def test_an_answer_of_blanks_is_refused_however_it_came(smolvlm: TinyModel, text: str) -> None:
    says(smolvlm.model, [*ids(smolvlm, text), smolvlm.tokenizer.eos_token_id])
    explain = explainer(smolvlm).explain
    with pytest.raises(ValueError, match="nothing but blanks"):
        explain(PICTURE, PROMPT)
    with pytest.raises(ValueError, match="answer: expected text"):
        explain(PICTURE, PROMPT, answer=text)
    with pytest.raises(ValueError, match="nothing but blanks"):
        explain(PICTURE, messages=[*asked(), {"role": "assistant", "content": text}])
    says(smolvlm.model, [smolvlm.tokenizer.eos_token_id])
    with pytest.raises(ValueError, match="nothing before its end"):
        explain(PICTURE, PROMPT)


def test_an_end_that_was_decoded_with_the_answer_is_left_out(qwen: TinyModel) -> None:
    explain = explainer(qwen).explain
    plain = explain(PICTURE, PROMPT, answer="a dog")
    for end in ("<|im_end|>\n<|endoftext|>", "<|endoftext|>"):  # the second pads
        says(qwen.model, ids(qwen, f"a dog{end}"))
        for ended in (explain(PICTURE, PROMPT), explain(PICTURE, PROMPT, answer=f"a dog{end}")):
            assert (ended.answer, texts(ended)) == ("a dog", texts(plain))
    with pytest.raises(ValueError, match=r"text behind '<\|im_end\|>'"):
        explain(PICTURE, PROMPT, answer="a dog<|im_end|> a cat")
    with pytest.raises(ValueError, match="special tokens"):
        explain(PICTURE, PROMPT, answer="a <|image_pad|> dog")


def test_stop_strings_end_an_answer_too(qwen: TinyModel) -> None:
    qwen.model.generation_config.stop_strings = ["\nUser:", "###"]
    says(qwen.model, ids(qwen, "a dog.\nUser: the cat"))
    explanation = explainer(qwen).explain(PICTURE, PROMPT)
    assert explanation.answer.strip() == "a dog."  # a token may hold the stop's line break, too
    says(qwen.model, ids(qwen, "a dog### the cat"))
    assert explainer(qwen).explain(PICTURE, PROMPT).answer.rstrip("#") == "a dog"
    says(qwen.model, ids(qwen, "### the cat"))
    with pytest.raises(ValueError, match=r"nothing (but blanks|before)"):
        explainer(qwen).explain(PICTURE, PROMPT)


def test_a_placeholder_that_the_model_says_ends_what_can_be_explained(qwen: TinyModel) -> None:
    says(qwen.model, [*ids(qwen, "a dog"), *ids(qwen, "<|image_pad|>"), *ids(qwen, " a cat")])
    with pytest.warns(UserWarning, match=r"placeholder '<\|image_pad\|>'"):
        explanation = explainer(qwen).explain(PICTURE, PROMPT)
    assert explanation.answer == "a dog"


@pytest.fixture(scope="module")
def decided() -> Iterator[tuple[TinyModel, str]]:
    """A model that really generates, and what it says greedily."""
    for seed in range(20):
        tiny = make_tiny("qwen2_vl", seed=seed)
        try:
            said = explainer(tiny, max_new_tokens=5).explain(PICTURE, "describe the image .")
        except ValueError:  # untrained, a model may end at once
            continue
        if len(said.tokens) == 5:
            yield tiny, said.answer
            return
    raise AssertionError("expected one of 20 models to say five words")


@pytest.mark.parametrize(
    ("configured", "told"),
    [
        ({"do_sample": True, "temperature": 0.1, "top_p": 0.001, "top_k": 1}, "do_sample=True"),
        ({"num_beams": 3, "early_stopping": True, "length_penalty": 2.0}, "num_beams=3"),
        ({"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5}, "num_beam_groups=2"),
        ({"do_sample": True, "num_return_sequences": 3}, "num_return_sequences=3"),
        ({"penalty_alpha": 0.6, "top_k": 4}, "penalty_alpha=0.6"),
        ({"dola_layers": "low"}, "dola_layers='low'"),
        ({"guidance_scale": 3.0}, "guidance_scale=3.0"),
        ({"guidance_scale": 1.0}, None),
        ({"max_time": 1e-9}, "max_time=1e-09"),
        ({"token_healing": True}, "token_healing=True"),
        ({"prompt_lookup_num_tokens": 3}, "prompt_lookup_num_tokens=3"),
        ({"return_dict_in_generate": True, "output_scores": True, "output_logits": True}, None),
        ({"return_dict_in_generate": True, "output_hidden_states": True}, None),
        ({"cache_implementation": "static"}, None),
        ({"max_length": 3}, None),
        ({"max_new_tokens": 2}, None),
        ({"stop_strings": ["never said"]}, None),
        ({"forced_eos_token_id": 1}, "forced"),
    ],
    ids=str,
)
def test_a_checkpoints_way_of_answering_is_greedy_or_said_to_be_ignored(
    decided: tuple[TinyModel, str], configured: dict[str, Any], told: str | None
) -> None:
    tiny, said = decided
    before = tiny.model.generation_config
    try:
        tiny.model.generation_config = type(before)(**{**before.to_dict(), **configured})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            explanation = explainer(tiny, max_new_tokens=5).explain(PICTURE, "describe the image .")
    finally:
        tiny.model.generation_config = before
    ours = [str(w.message) for w in caught if "generation config" in str(w.message)]
    if told == "forced":  # honoured: the answer's last token is its end
        assert said.startswith(explanation.answer) and len(explanation.tokens) == 4
        return
    assert explanation.answer == said
    assert len(ours) == (told is not None)
    assert told is None or told in ours[0]


def test_what_a_checkpoint_bans_is_not_said_and_the_explanation_tells_why(
    decided: tuple[TinyModel, str],
) -> None:
    tiny, said = decided
    first = tiny.tokenizer(said, add_special_tokens=False)["input_ids"][0]
    before = tiny.model.generation_config
    explain = explainer(tiny, max_new_tokens=5).explain
    try:
        for banned in ({"bad_words_ids": [[first]]}, {"suppress_tokens": [first]}):
            tiny.model.generation_config = type(before)(**{**before.to_dict(), **banned})
            told = "with {}={!r}; probabilities and ranks".format(*next(iter(banned.items())))
            with pytest.warns(UserWarning, match=re.escape(told)):
                explanation = explain(PICTURE, "describe the image .")
            assert explanation.tokens[0].id != first and explanation.base.rank[0] == 1
            name, value = next(iter(banned.items()))
            assert explanation.provenance["generation"] == {name: str(value)}
            given = explain(PICTURE, "describe the image .", answer=said)
            assert "generation" not in given.provenance
    finally:
        tiny.model.generation_config = before
    assert "generation" not in explain(PICTURE, "describe the image .").provenance


def test_letters_that_the_vocabulary_lacks_are_said_to_be_left_out() -> None:
    """Released vocabularies over bytes lack some that their training texts did not have."""
    named = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    tokenizer = byte_level(released.QWEN2_VL, released.QWEN_SPECIAL, **named)
    written = json.loads(tokenizer.backend_tokenizer.to_str())
    del written["model"]["vocab"]["Ć"]  # as byte 6 is written
    short = type(tokenizer)(
        tokenizer_object=Tokenizer.from_str(json.dumps(written)),
        chat_template=released.QWEN2_VL,
        **named,
    )
    explain = explainer(fitted(make_tiny("qwen2_vl"), short, "<|image_pad|>")).explain
    with pytest.warns(
        UserWarning, match=r"no token for '\\x06' in 'a \\x06 dog'; that is left out"
    ):
        explanation = explain(PICTURE, PROMPT, answer="a \x06 dog")
    assert texts(explanation)[0] == "a" and texts(explanation)[-1] == " dog"
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        explain(PICTURE, PROMPT, answer="a 🐕 e\u0301\n\n dog")


@pytest.mark.parametrize("wrong", [["a dog"], 7, b"a dog"])
def test_what_is_no_text_is_refused_by_its_name(qwen: TinyModel, wrong: Any) -> None:
    explain = explainer(qwen).explain
    with pytest.raises(ValueError, match=f"answer: expected text, got {type(wrong).__name__}"):
        explain(PICTURE, PROMPT, answer=wrong)
    with pytest.raises(ValueError, match=f"prompt: expected text, got {type(wrong).__name__}"):
        explain(PICTURE, wrong, answer="a dog")
    with pytest.raises(ValueError, match="half a character"):
        explain(PICTURE, PROMPT, answer="a \ud83d dog")
    with pytest.raises(ValueError, match="give all of it, with its beginning"):
        explain(PICTURE, PROMPT, chat_template_kwargs={"continue_final_message": True})


def test_a_batch_answers_as_each_sample_does(smolvlm: TinyModel) -> None:
    samples = [
        mmx.Sample("a", PICTURE, PROMPT, "a dog"),
        mmx.Sample("b", PICTURE, messages=[*asked(), {"role": "assistant", "content": "a cat"}]),
        mmx.Sample("c", PICTURE, PROMPT, "the cat sits on the mat"),
    ]
    explain = explainer(smolvlm)
    together = list(explain.explain_batch(samples, max_tokens_per_batch=100_000))
    alone = [next(iter(explain.explain_batch([sample]))) for sample in samples]
    for one, other in zip(together, alone, strict=True):
        assert [t.id for t in one.context] == [t.id for t in other.context]
        np.testing.assert_allclose(one.base.probability, other.base.probability, atol=1e-5)


def test_pictures_come_in_the_forms_that_other_libraries_take(qwen: TinyModel) -> None:
    file = io.BytesIO()
    PICTURE.save(file, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    text = {"type": "text", "text": PROMPT}
    explain = explainer(qwen).explain
    expected = explain(PICTURE, PROMPT, answer="a dog")
    for part in (
        {"type": "image_url", "image_url": {"url": address}},
        {"type": "image_url", "image_url": address},
        {"type": "image", "url": address},
        {"type": "image", "image": PICTURE, "text": None},
        {"image": PICTURE},
    ):
        messages = [
            {"role": "user", "content": [part, text], "tool_calls": None},
            {"role": "assistant", "content": "a dog"},
        ]
        explanation = explain(messages=messages)
        assert [t.id for t in explanation.context] == [t.id for t in expected.context]
        np.testing.assert_allclose(explanation.heatmap, expected.heatmap, atol=1e-6)
    row = [{"type": "image", "image": None, "text": None}, {**text, "image": None}]
    explanation = explain(PICTURE, messages=[{"role": "user", "content": row}], answer="a dog")
    assert [t.id for t in explanation.context] == [t.id for t in expected.context]
    for wrong in ("data:image/png;base64,AAAA", "https://example.org/x.png"):
        part = {"type": "image_url", "image_url": {"url": wrong}}
        with pytest.raises(ValueError, match="image: expected an image"):
            explain(messages=[{"role": "user", "content": [part, text]}], answer="a dog")
