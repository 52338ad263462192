"""Given answers in released templates: the same tokens as the model says, in the right place."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from mmx_core.models.answered import without_lead
from mmx_core.models.chat import RenderedPrompt
from tests.support import released
from tests.support.released import byte_fallback, byte_level
from tests.support.shapes import (
    AGAIN,
    ASKED,
    SHAPES,
    SOURCES,
    SYSTEM,
    THOUGHT,
    Family,
    Source,
    answer,
    family,
    spoken,
)

FAMILIES = tuple(SHAPES)
STRINGS = ("r1", "mistral_7b", "harmony", "phi", "ernie")
"""Their templates take no parts."""


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    return request.param


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "gemma4"])
def test_a_given_answers_tokens_are_those_of_its_place_in_the_template(
    name: str, source: Source
) -> None:
    made = family(name, source)
    rendered = made.render(ASKED, answer("a red circle"))
    assert rendered.answer == "a red circle"
    assert rendered.answer_ids is not None
    fallback = SHAPES[name].kind != "bytes" and source == "trained"
    blank = "▁" if fallback else "Ġ"
    # Of "Assistant:" a word with its blank, after a newline or a marker one without.
    behind = name in ("smolvlm", "llava", "mistral_7b") or (name == "mistral" and fallback)
    expected = [f"{blank if behind else ''}a", f"{blank}red", f"{blank}circle"]
    assert made.tokens(rendered.answer_ids) == expected
    # Prompt and answer are what the template renders of the whole, as in training.
    said: Any = [{"type": "text", "text": "a red circle"}]
    conversation = [ASKED, {"role": "assistant", "content": said}]
    if name in STRINGS:
        asked = {"role": "user", "content": f"{made.image}\ndescribe the image"}
        conversation = [asked, answer("a red circle")]
    whole = made.tokenizer.apply_chat_template(conversation, tokenize=False)
    ids = made.tokenizer(whole, add_special_tokens=False)["input_ids"]
    both = [*rendered.ids, *rendered.answer_ids]
    assert ids[: len(both)] == both or whole.startswith(made.text(both))
    # But for what a tokenizer joins over the prompt's end, or parts because of what follows.
    assert ids[: len(both)] == both or name in ("ernie", "llama", "qwen3", "qwen3_vl")


EDGED = ("\n\na dog", "a dog\n\n", "\n a dog \n", "  a dog", "a dog ", "\ta dog", "a dog\n\n\n")


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_keeps_the_blanks_and_breaks_at_its_edges_when_it_is_given_back(
    name: str, source: Source
) -> None:
    made = family(name, source)
    opened = made.render(ASKED)
    for said in EDGED:
        # As the model says it behind its prompt, where no blank is put before a word.
        dummy = SHAPES[name].kind == "fallback, blank before" and source == "trained"
        ids = made.tokenizer(said, add_special_tokens=False)["input_ids"]
        ids = ids[1:] if dummy and said[0].isspace() and made.tokens(ids[:1]) == ["▁"] else ids
        text = without_lead(
            made.tokenizer.decode(ids, clean_up_tokenization_spaces=False), opened.lead
        )
        assert text.strip() == "a dog"
        parts = [{"type": "text", "text": text}]
        for content in (text, parts):
            given = made.render(ASKED, {"role": "assistant", "content": content})
            assert given.answer == text
            found = list(given.answer_ids or ())
            # What begins with a letter is said with the blank that the template writes before it.
            lead = opened.lead if said[0] == "a" else ""
            assert made.text(found).removeprefix(lead) == text.removeprefix(lead)
            assert lead or dummy or found == ids
            if name not in ("qwen3_vl", "r1", "kimi", "qwen3", "glm", "harmony", "command"):
                assert given.ids == opened.ids


def test_the_blank_that_a_template_writes_before_answers_is_said_with_the_first_word(
    source: Source,
) -> None:
    made = family("smolvlm", source)
    plain, blank = (made.render(ASKED, answer(text)) for text in ("a dog", " a dog"))
    assert plain.lead == " "
    assert blank == plain
    assert made.tokens(plain.answer_ids or ()) == ["Ġa", "Ġdog"]
    two = made.render(ASKED, answer("  a dog"))
    assert two.answer == "  a dog" and made.text(two.answer_ids) == "  a dog"


def test_that_a_template_leaves_out_an_answers_edges_is_told(source: Source) -> None:
    made = family("gemma", source)
    with pytest.warns(UserWarning, match="leaves out blanks and line breaks at the edges"):
        rendered = made.render(ASKED, answer("a dog\n"))
    assert rendered.answer == "a dog\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family("internvl", source).render(ASKED, answer("a dog\n"))


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_as_the_model_goes_on_is_found_token_by_token(name: str, source: Source) -> None:
    """Generated ids follow the generation prompt's; the same text, given, has the same."""
    made = family(name, source)
    for said in ("the cat\n</think>\n\na dog and a cat.", "a dog. a dog"):
        opened = made.render(ASKED)
        rendered = made.render(ASKED, answer(said))
        assert rendered.answer_ids is not None
        decoded = made.tokenizer.decode(rendered.answer_ids, clean_up_tokenization_spaces=False)
        assert decoded.strip() == said
        if rendered.ids == opened.ids:
            continue
        # Otherwise the template has closed a thought that this answer does not.
        assert name in ("qwen3_vl", "qwen3", "glm", "r1", "kimi", "harmony", "command")
        assert "</think>" not in said or name in ("harmony", "command")


def test_an_answer_without_a_thought_is_never_the_beginning_of_one(source: Source) -> None:
    made = family("qwen3_vl", source)
    rendered = made.render(ASKED, answer("a dog"))
    assert made.text(rendered.ids).endswith("assistant\n<think>\n\n</think>\n\n")
    assert made.tokens(rendered.answer_ids or ()) == ["a", "Ġdog"]
    opened = made.render(ASKED)
    assert made.tokens(opened.ids)[-2:] == ["<think>", "Ċ"]
    # The template of R1 writes an answer without its thought, and none into it.
    made = family("r1", source)
    rendered = made.render(ASKED, answer("a dog"))
    assert made.tokens(rendered.ids)[-1:] == ["<|Assistant|>"]


@pytest.mark.parametrize("name", ["qwen3_vl", "r1", "kimi"])
def test_an_answer_that_goes_on_the_thought_that_was_opened_stands_behind_it(
    name: str, source: Source
) -> None:
    made = family(name, source)
    rendered = made.render(ASKED, answer("the cat\n</think>\n\na dog"))
    assert rendered.ids == made.render(ASKED).ids
    assert made.pieces(rendered.answer_ids or ()) == [
        "the", " cat", "\n", "</think>", "\n", "\n", "a", " dog"
    ]  # fmt: skip


def test_what_an_answer_has_of_the_generation_prompt_is_explained_as_given(source: Source) -> None:
    made = family("qwen3_vl", source)
    text = "<think>\nthe cat\n</think>\n\na dog"
    going_on = made.render(ASKED, answer("the cat\n</think>\n\na dog"))
    rendered = made.render(ASKED, answer(text))
    assert rendered.answer == text
    assert [*rendered.ids, *(rendered.answer_ids or ())] == [
        *going_on.ids,
        *(going_on.answer_ids or ()),
    ]
    assert made.render(ASKED, answer(text), enable_thinking=False).ids == rendered.ids


def test_a_turn_of_a_picture_alone_is_a_turn(source: Source) -> None:
    shown = {"role": "user", "content": [{"type": "image"}]}
    for name in FAMILIES:
        rendered = family(name, source).render(shown, answer("a dog"))
        assert rendered.answer == "a dog"
        turns = dict(zip(family(name, source).tokens(rendered.ids), rendered.turns, strict=True))
        assert turns[family(name, source).image] == 0
    assert family("qwen2_vl", source).render(shown).turns[-1] == 1


def test_blanks_that_the_model_says_before_its_answer_are_of_it(source: Source) -> None:
    made = family("glm", source)
    rendered = made.render(ASKED, answer("<think>the cat</think>\na dog"))
    assert rendered.ids == made.render(ASKED).ids
    assert made.tokens(rendered.answer_ids or ()) == [
        "Ċ", "<think>", "the", "Ġcat", "</think>", "Ċ", "a", "Ġdog"
    ]  # fmt: skip
    closed = made.render(ASKED, answer("a dog"))
    assert made.tokens(closed.ids)[-4:] == ["Ċ", "<think>", "</think>", "Ċ"]


def test_a_thought_given_apart_is_context_of_the_answers_own_turn(source: Source) -> None:
    made = family("qwen3_vl", source)
    rendered = made.render(ASKED, answer("a dog", reasoning_content="the cat"))
    together = made.render(ASKED, answer("<think>\nthe cat\n</think>\n\na dog"))
    assert rendered.answer == "a dog"
    # The thought's end may have other tokens where a model goes on from it than where it says it.
    assert made.pieces([*rendered.ids, *(rendered.answer_ids or ())]) == made.pieces(
        [*together.ids, *(together.answer_ids or ())]
    )
    rows = zip(made.tokens(rendered.ids), rendered.written, rendered.turns, strict=True)
    assert ("Ġcat", True, 1) in list(rows)


def test_template_variables_are_the_templates_to_read(source: Source) -> None:
    made = family("qwen3_vl", source)
    opened = made.render(ASKED, enable_thinking=False)
    assert made.text(opened.ids).endswith("assistant\n<think>\n\n</think>\n\n")
    assert made.render(ASKED, answer("a dog"), enable_thinking=False).ids == opened.ids
    counted = family("qwen2_vl", source).render(ASKED, add_vision_id=True)
    assert "Picture 1: " in family("qwen2_vl", source).tokenizer.decode(counted.ids)
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    assert '"look"' in made.tokenizer.decode(made.render(ASKED, tools=tools).ids)
    with pytest.raises(ValueError, match="variables of the template, got tokenize"):
        made.render(ASKED, tokenize=True)
    with pytest.raises(ValueError, match="got return_tensors"):
        made.render(ASKED, return_tensors="pt")


def test_a_variable_that_the_template_does_not_read_is_named(source: Source) -> None:
    made = family("qwen3_vl", source)
    with pytest.warns(UserWarning, match="does not read enable_thinkin, thinking, which"):
        made.render(ASKED, enable_thinkin=False, thinking=False, add_vision_id=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.render(ASKED, enable_thinking=False)


def test_of_several_templates_the_one_is_taken_that_transformers_takes(source: Source) -> None:
    made = family("qwen3_vl", source)
    several = {"default": released.QWEN2_VL, "tool_use": released.QWEN3_VL_THINKING}
    named = copy.copy(made.tokenizer)
    named.chat_template = several
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    plain, with_tools = made.render(ASKED).ids, made.render(ASKED, tools=tools).ids
    default = family("qwen2_vl", source)
    text = default.text(default.render(ASKED).ids)
    for tokenizer, template in (
        (named, None), (named, "default"), (made.tokenizer, several)
    ):  # fmt: skip
        found = Family(tokenizer, made.image, template=template)
        assert made.text(found.render(ASKED).ids) == text
        with pytest.warns(UserWarning, match="does not read enable_thinking"):
            found.render(ASKED, enable_thinking=False)
    for template in (None, "tool_use"):
        assert Family(named, made.image, template=template).render(ASKED, tools=tools).ids == (
            with_tools
        )
    assert Family(named, made.image, template="tool_use").render(ASKED).ids == plain
    with pytest.raises(ValueError, match="named 'default', there are 'rag', 'tool_use'"):
        Family(named, made.image, template={"rag": "a", "tool_use": "b"}).render(ASKED)
    with pytest.raises(ValueError, match=r"Jinja source, .* got 'chat_template.jinja'; of a file"):
        Family(named, made.image, template="chat_template.jinja").render(ASKED)


@pytest.mark.parametrize("thinking", [False, True])
def test_an_answer_stands_behind_an_empty_thought_that_is_written_before_it(
    thinking: bool, source: Source
) -> None:
    made = family("gemma4", source)
    asked = made.render(ASKED, enable_thinking=thinking)
    given = made.render(ASKED, answer("a dog"), enable_thinking=thinking)
    assert given.ids == asked.ids
    assert made.text(given.answer_ids) == "a dog"
    assert (made.tokens(given.ids)[-1] == "<channel|>") is not thinking


@pytest.mark.parametrize("name", ["qwen3_vl", "glm"])
def test_turns_are_right_where_the_template_drops_earlier_thoughts(
    name: str, source: Source
) -> None:
    made = family(name, source)
    rendered = made.render(SYSTEM, ASKED, THOUGHT, AGAIN)
    assert spoken(made, rendered) == {
        0: "the mat",
        1: "describe the image",
        2: "the answer is a cat.",
        3: "is a dog",
    }
    headers = {"qwen3_vl": "<|im_start|>", "glm": "<|user|>"}
    starts = [
        turn
        for token, turn in zip(made.tokens(rendered.ids), rendered.turns, strict=True)
        if token == headers[name]
    ]
    assert starts == ([0, 1, 2, 3, 4] if name == "qwen3_vl" else [1, 3])
    assert rendered.roles == ("system", "user", "assistant", "user", "assistant")


@pytest.mark.parametrize("name", FAMILIES)
def test_each_text_is_written_in_its_own_turn(name: str, source: Source) -> None:
    made = family(name, source)
    said = [SYSTEM, ASKED, answer("the cat"), {"role": "user", "content": "the cat on the cat"}]
    if name in ("r1", "pixtral", "mistral", "mistral_7b"):  # no place for a system's text
        said = said[1:]
    rendered = made.render(*said, answer("the cat on"))
    texts = [m["content"] if isinstance(m["content"], str) else "describe the image" for m in said]
    assert spoken(made, rendered) == dict(enumerate(texts))
    assert list(rendered.turns) == sorted(rendered.turns)


def template_of(made: Family, rendered: RenderedPrompt) -> list[tuple[str, int]]:
    special = set(released.special_of(made.tokenizer))
    rows = zip(rendered.ids, made.tokens(rendered.ids), rendered.turns, strict=True)
    return [(token, turn) for id, token, turn in rows if id in special]


def test_the_systems_words_stay_its_own_within_the_users_turn(source: Source) -> None:
    made = family("gemma", source)
    rendered = made.render(SYSTEM, ASKED)
    assert spoken(made, rendered) == {0: "the mat", 1: "describe the image"}


def test_tool_calls_and_their_results_pass_to_the_template(source: Source) -> None:
    made = family("qwen3_vl", source)
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"type": "function", "function": {"name": "look", "arguments": {"at": 'the "cat"'}}}
        ],
    }
    result = {"role": "tool", "content": "a dog", "tool_call_id": "1"}
    rendered = made.render(ASKED, call, result, answer("the mat"))
    text = made.tokenizer.decode(rendered.ids)
    assert (
        '<tool_call>\n{"name": "look", "arguments": {"at": "the \\"cat\\""}}\n</tool_call>' in text
    )
    assert "<tool_response>\na dog\n</tool_response>" in text
    assert rendered.roles == ("user", "assistant", "tool", "assistant")
    said = spoken(made, rendered)
    assert said[0] == "describe the image" and said[2] == "a dog" and "cat" in said[1]
    # Where the call itself is the answer, it is what the template writes of it.
    called = made.render(ASKED, call)
    assert called.answer == text[text.index("<tool_call>") : text.index("</tool_call>") + 12]
    assert made.tokenizer.decode(called.answer_ids).strip() == called.answer
    both = made.render(ASKED, {**call, "content": "the cat"})
    assert both.answer is not None and both.answer.startswith("the cat\n<tool_call>")
    # A thought before them is context where it was given apart, else as said as they are.
    thought = "<think>\na dog\n</think>\n\n"
    apart = made.render(ASKED, {**call, "content": "the cat", "reasoning_content": "a dog"})
    assert apart.answer == both.answer
    assert made.tokenizer.decode(apart.ids).endswith(f"assistant\n{thought}")
    within = made.render(ASKED, {**call, "content": f"{thought}the cat"})
    assert within.answer == f"{thought}{both.answer}"
    assert made.tokenizer.decode(within.ids).endswith("assistant\n")
    with pytest.raises(ValueError, match="tool calls that the chat template writes"):
        family("llama", source).render(ASKED, call)


def test_texts_alone_go_to_a_template_that_takes_no_parts(source: Source) -> None:
    made = family("r1", source)
    rendered = made.render(ASKED, THOUGHT, AGAIN)
    text = made.tokenizer.decode(rendered.ids)
    assert text == (
        "<|bos|><|User|><image>\ndescribe the image<|Assistant|>\n\nthe answer is a cat.<|eos|>"
        "<|User|>is a dog<|Assistant|><think>\n"
    )
    assert spoken(made, rendered) == {
        0: "describe the image", 1: "the answer is a cat.", 2: "is a dog"
    }  # fmt: skip


def test_strings_go_to_a_template_that_takes_parts_for_pictures_alone() -> None:
    template = (
        "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}"
        "{% elif m.role == 'user' %}{% for p in m.content %}"
        "{% if p.type == 'image' %}<IMG_CONTEXT>{% else %}{{ p.text }}{% endif %}{% endfor %}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    tokenizer = byte_level(template, ["<IMG_CONTEXT>"])
    made = Family(tokenizer, "<IMG_CONTEXT>")
    rendered = made.render(SYSTEM, ASKED, answer("a dog"))
    assert tokenizer.decode(rendered.ids) == (
        "[system]the mat[user]<IMG_CONTEXT>describe the image[assistant]"
    )
    assert tokenizer.decode(rendered.answer_ids) == "a dog"


def test_an_answer_behind_a_blank_is_tokenised_as_the_model_would_go_on() -> None:
    template = (
        "{% for m in messages %}{{ m.role }}: {% for p in m.content %}"
        "{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}\n"
        "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    )
    for tokenizer, first in (
        (byte_level(template, ["<image>"]), "dog"),
        (byte_fallback(template, ["<image>"]), "d"),
    ):
        made = Family(tokenizer, "<image>")
        opened, rendered = made.render(ASKED), made.render(ASKED, answer("dog on the mat"))
        assert rendered.ids == opened.ids
        tokens = made.tokens(rendered.answer_ids or ())
        assert tokenizer.decode(rendered.answer_ids).strip() == "dog on the mat"
        assert first.startswith(tokens[0].strip("▁")) and tokens[0][0] == "d"


def test_a_template_without_answers_has_them_behind_its_prompt() -> None:
    template = (
        "{% for m in messages %}{% if m.role == 'user' %}{% for p in m.content %}"
        "{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}"
        "{% else %}{{ raise_exception('users alone') }}{% endif %}{% endfor %}\n"
    )
    made = Family(byte_level(template, ["<image>"]), "<image>")
    rendered = made.render(ASKED, answer("a dog"))
    assert rendered.ids == made.render(ASKED).ids
    assert made.tokens(rendered.answer_ids or ()) == ["a", "Ġdog"]
    assert rendered.closers == frozenset()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_tokens_that_close_an_answer_are_known(name: str, source: Source) -> None:
    made = family(name, source)
    closing = {
        "qwen2_vl": ["<|im_end|>"], "qwen3_vl": ["<|im_end|>"], "gemma": ["<end_of_turn>"],
        "smolvlm": ["<end_of_utterance>"], "llama": ["<|eot_id|>"], "r1": ["<|eos|>"],
        "internvl": ["<|im_end|>"], "gemma4": ["<turn|>"], "pixtral": ["</s>"], "mistral": ["</s>"],
        "qwen3": ["<|im_end|>"], "mistral_7b": ["</s>"], "kimi": ["<|im_end|>"],
        "harmony": ["<|return|>"], "command": ["<|END_RESPONSE|>"], "phi": ["<|end|>"],
        "ernie": ["<|end_of_sentence|>"],
    }  # fmt: skip
    for rendered in (made.render(ASKED), made.render(ASKED, answer("a dog"))):
        assert made.tokens(rendered.closers) == closing.get(name, [])


TEXTS = st.lists(
    st.sampled_from(
        ["a", "dog", "describe the image", "\n", " ", "<b>", "</think>", "<think>", "the", ".",
         "MMXTEXT0END", "assistant", "User:", "ASSISTANT:", "{'type': 'text', 'text': '",
         "\N{DOG}", "\\", '"', "[INST]", "猫"]
    ),
    min_size=1,
    max_size=6,
).map("".join)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(FAMILIES), texts=st.lists(TEXTS, min_size=3, max_size=3))
def test_whatever_is_said_prompt_and_answer_spell_it(name: str, texts: list[str]) -> None:
    """Of any text: the answer's tokens spell the answer, and none of them is the prompt's."""
    made = family(name)
    first, before, said = texts
    if not said.strip():
        return
    asked = {**ASKED, "content": [{"type": "image"}, {"type": "text", "text": first}]}
    if "[INST]" in "".join(texts) and name in ("pixtral", "mistral", "mistral_7b"):
        return  # a special token of theirs
    rendered = made.render(asked, answer(before), AGAIN, answer(said))
    assert rendered.answer is not None and rendered.answer.strip() == said.strip()
    assert rendered.answer_ids is not None
    decoded = made.tokenizer.decode(rendered.answer_ids, clean_up_tokenization_spaces=False)
    assert decoded.strip() == said.strip()
    assert list(rendered.turns) == sorted(rendered.turns)
    assert len(rendered.placeholders) == 1
    words = spoken(made, rendered)
    assert words.get(2, "") == "is a dog"
    if not all(text.split("</think>")[-1].replace("<think>", "").strip() for text in texts):
        return  # where a turn that says nothing ends is known where something closes it alone
    # What opens and closes turns is theirs whatever they say.
    plain = made.render(ASKED, answer("the cat"), AGAIN, answer("a dog"))
    assert template_of(made, rendered) == template_of(made, plain)


class InPython:
    """A tokenizer that tells no offsets."""

    is_fast = False

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, text: str, **named: Any) -> Any:
        assert not named.get("return_offsets_mapping")
        return self._tokenizer(text, **named)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_tokenizer_in_python_tells_the_same(name: str) -> None:
    made = family(name)
    messages = [ASKED, THOUGHT, AGAIN, answer("a red 猫 🐕 circle")]
    slow = Family(InPython(made.tokenizer), made.image).render(*messages)
    fast = made.render(*messages)
    assert replace(slow, written=fast.written) == fast
    # Blanks that the tokenizer adds are nobody's.
    rows = zip(fast.ids, slow.written, fast.written, strict=True)
    assert all(a == b for token, a, b in rows if made.tokenizer.decode([token]).strip())


def test_a_tokenizer_in_python_that_spells_another_text_parts_by_length() -> None:
    made = family("smolvlm")

    class Spoiling(InPython):
        def decode(self, ids: Any, **named: Any) -> str:
            return made.tokenizer.decode(ids, **named).replace("e", "3")

    slow = Family(Spoiling(made.tokenizer), made.image).render(ASKED, answer("a dog"))
    fast = made.render(ASKED, answer("a dog"))
    assert (slow.ids, slow.answer_ids, slow.answer) == (fast.ids, fast.answer_ids, "a dog")


def test_an_answer_that_holds_what_marks_texts_is_none_of_them() -> None:
    made = family("qwen2_vl")
    asked = {**ASKED, "content": [{"type": "image"}, {"type": "text", "text": "MMXTEXT0END a"}]}
    rendered = made.render(asked, answer("QMMXTEXT0END MMXTEXT1END"))
    assert rendered.answer == "QMMXTEXT0END MMXTEXT1END"
    assert spoken(made, rendered) == {0: "MMXTEXT0END a"}


def test_a_template_that_writes_another_text_than_was_said_has_the_answer_as_it_was_said() -> None:
    template = (
        "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}{% if p.type == 'image' %}"
        "<image>{% else %}{{ p.text | upper }}{% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    made = Family(byte_level(template, ["<image>"]), "<image>")
    rendered = made.render(ASKED, answer("a dog"))
    assert rendered.ids == made.render(ASKED).ids
    assert (rendered.answer, made.tokens(rendered.answer_ids or ())) == ("a dog", ["a", "Ġdog"])


def test_what_a_tokenizer_adds_behind_its_input_is_no_part_of_an_answer() -> None:
    names = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>"}
    tokenizer = byte_level(released.SMOLVLM, released.SMOLVLM_SPECIAL, **names)
    plain = Family(tokenizer, "<image>").render(ASKED, answer("a dog"))
    end = (
        "<fake_token_around_image>",
        tokenizer.convert_tokens_to_ids("<fake_token_around_image>"),
    )
    tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end[0]}", pair=None, special_tokens=[end]
    )
    # No opening token of the tokenizer's is in the template here, so that its own are added.
    tokenizer.bos_token = None
    assert tokenizer("a")["input_ids"][-1] == end[1]
    rendered = Family(tokenizer, "<image>").render(ASKED, answer("a dog"))
    assert (rendered.ids, rendered.answer_ids) == (plain.ids, plain.answer_ids)


def test_offsets_without_their_blanks_tell_the_same_tokens() -> None:
    names = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>"}
    tokenizer = byte_level(released.SMOLVLM, released.SMOLVLM_SPECIAL, **names)
    tokenizer._tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    for text in ("a dog and a cat", "dog\n\n a cat"):
        plain = family("smolvlm").render(ASKED, answer(text))
        assert Family(tokenizer, "<image>").render(ASKED, answer(text)) == plain
