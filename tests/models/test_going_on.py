"""Given answers that the model says from its prompt on: nothing twice there, and nothing lost."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from tokenizers import pre_tokenizers

from tests.support import released
from tests.support.released import byte_level
from tests.support.shapes import (
    AGAIN,
    ASKED,
    SOURCES,
    SYSTEM,
    THOUGHT,
    Family,
    Source,
    answer,
    family,
    spoken,
)


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    return request.param


FINAL = "<|channel|>final<|message|>a dog"
GOING_ON = [
    ("qwen3_vl", "the cat</think>a dog", {}),
    ("qwen3_vl", "</think>\n\na dog", {}),
    ("qwen3", "<think>\nthe cat\n</think>\n\na dog", {}),
    ("qwen3", "<think>\n\n</think>\n\na dog", {}),
    ("qwen3", "<think>\nthe cat", {}),
    ("glm", "<think>the cat</think><|begin_of_box|>a dog<|end_of_box|>", {}),
    ("r1", "the cat</think>a dog", {}),
    ("kimi", "the cat</think>a dog", {}),
    ("kimi", "</think>a dog", {}),
    ("kimi", "a dog", {"thinking": False}),
    ("ernie", "the cat\n</think>\na dog", {"enable_thinking": True}),
    ("harmony", FINAL, {}),
    ("harmony", f"<|channel|>analysis<|message|>the cat<|end|><|start|>assistant{FINAL}", {}),
    ("command", "<|START_RESPONSE|>a dog<|END_RESPONSE|>", {}),
]


@pytest.mark.parametrize(("name", "said", "variables"), GOING_ON)
def test_what_a_model_says_from_its_prompt_on_is_found_behind_it(
    name: str, said: str, variables: dict[str, Any], source: Source
) -> None:
    """What the template writes before answers (a closed thought, a channel) is not there twice."""
    made = family(name, source)
    opened, rendered = (made.render(ASKED, *said, **variables) for said in ((), (answer(said),)))
    assert rendered.ids == opened.ids
    assert rendered.answer == said == made.text(rendered.answer_ids).strip()


@pytest.mark.parametrize("name", ["qwen3_vl", "qwen3", "glm", "r1", "kimi", "ernie"])
@pytest.mark.parametrize(
    "said",
    [
        "<think>\nthe cat\n</think>\n\na dog", "<think>the cat</think>a dog",
        "<think>the cat</think>\n\na dog", "<think>\nthe cat", "<think></think>a dog",
    ],
)  # fmt: skip
@pytest.mark.parametrize("thinking", [None, False, True])
def test_a_thought_that_is_given_with_its_opening_is_opened_once(
    name: str, said: str, thinking: bool | None, source: Source
) -> None:
    made = family(name, source)
    variables = {"kimi": "thinking", "r1": None}
    variable = variables.get(name, "enable_thinking")
    chosen = {} if thinking is None or variable is None else {variable: thinking}
    rendered = made.render(ASKED, answer(said), **chosen)
    assert rendered.answer == said == made.text(rendered.answer_ids).strip()
    assert "think>" not in made.text(rendered.ids)


def test_a_header_that_is_given_with_an_answer_is_its_own(source: Source) -> None:
    made = family("qwen2_vl", source)
    plain = made.render(ASKED, answer("a dog"))
    rendered = made.render(ASKED, answer("<|im_start|>assistant\na dog"))
    assert rendered.answer == "<|im_start|>assistant\na dog"
    assert (*rendered.ids, *rendered.answer_ids) == (*plain.ids, *plain.answer_ids)


def test_an_answer_stands_behind_all_that_the_model_is_shown_before_it(source: Source) -> None:
    """Templates may show an answered conversation without what they show before the answer."""
    made = family("mistral_7b", source)
    rendered = made.render(SYSTEM, ASKED, answer("a dog"))
    assert rendered.ids == made.render(SYSTEM, ASKED).ids
    assert spoken(made, rendered) == {0: "the mat", 1: "describe the image"}
    assert made.text(rendered.answer_ids).strip() == "a dog"
    made = family("kimi", source)
    call = answer("the mat", reasoning_content="the cat", tool_calls=[{"function": {}}])
    shown = [ASKED, call, {"role": "tool", "content": "is a dog"}]
    opened, rendered = made.render(*shown), made.render(*shown, answer("a dog"))
    # The thought behind the call is there, and that before the answer closed.
    text = made.text(rendered.ids)
    assert text == f"{made.text(opened.ids)}</think>" and "<think>the cat</think>" in text
    assert made.tokens(rendered.answer_ids) == ["a", "Ġdog"]


def test_a_prompt_has_the_tokens_that_it_has_when_the_model_answers() -> None:
    """As of GPT-2, which parts line breaks where a word follows and joins them where none does."""
    bos = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    tokenizer = byte_level(released.LLAMA_3, released.LLAMA_3_SPECIAL, **bos)
    tokenizer._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made = Family(tokenizer, "<|image|>")
    opened, rendered = made.render(ASKED), made.render(ASKED, answer("a red circle"))
    assert made.tokens(opened.ids)[-1] == "ĊĊ" and rendered.ids == opened.ids
    assert made.tokens(rendered.answer_ids) == ["a", "Ġred", "Ġcircle"]
    whole = tokenizer(tokenizer.decode([*rendered.ids, *rendered.answer_ids]))["input_ids"]
    assert whole != [*rendered.ids, *rendered.answer_ids], "which is why both stand apart"


@pytest.mark.parametrize("end", ["Answer:", "\\nAnswer: ", "[/INST]"])
def test_an_answer_stands_behind_what_a_template_ends_with_whatever_there_is(end: str) -> None:
    template = (
        "{% for m in messages %}{% for part in m.content %}{% if part.type == 'image' %}<image>"
        "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}{{ 'END' }}"
    ).replace("END", end)
    made = Family(byte_level(template, ["<image>"]), "<image>")
    opened, rendered = made.render(ASKED), made.render(ASKED, answer("a dog"))
    assert rendered.ids == opened.ids and made.text(opened.ids).strip().endswith(end.strip("\\n "))
    assert made.text(rendered.answer_ids).strip() == "a dog"


def test_what_a_template_does_not_write_is_said_to_be_unseen(source: Source) -> None:
    call = answer("", tool_calls=[{"function": {"name": "look", "arguments": {}}}])
    result = {"role": "tool", "content": "a dog"}
    with pytest.warns(UserWarning, match=r"messages\[1\]: .* read 'tool_calls', so that the model"):
        family("internvl", source).render(ASKED, call, result)
    thought = answer("a dog", reasoning_content="the cat")
    with pytest.warns(UserWarning, match="does not read 'reasoning_content'"):
        family("qwen2_vl", source).render(ASKED, thought)
    with pytest.warns(UserWarning, match=r"messages\[0\]: .* not write what the system says"):
        family("r1", source).render(SYSTEM, ASKED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family("qwen3_vl", source).render(SYSTEM, ASKED, call, result, thought)
        # Earlier thoughts are left out as the model has learnt it, and their answers are there.
        family("qwen3_vl", source).render(ASKED, THOUGHT, AGAIN)
