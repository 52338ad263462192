"""Thoughts among a message's parts: text that the template writes, in its own form."""

from __future__ import annotations

from typing import Any

import pytest

from mmx_core import Explainer
from mmx_core.models.chat import render_chat
from mmx_core.models.messages import checked_messages
from tests.models.criteria import noise
from tests.models.test_families import tiny_of
from tests.support.shapes import ASKED, PICTURE, family

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST]"
    "{% for b in m['content'] %}{% if b['type'] == 'text' %}{{ b['text'] }}{% else %}[IMG]"
    "{% endif %}{% endfor %}[/INST]{% else %}{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for b in m['content'] %}{% if b['type'] == 'text' %}{{ b['text'] }}"
    "{% elif b['type'] == 'thinking' %}[THINK]{{ b['thinking'] }}"
    "{% if b.get('closed', True) %}[/THINK]{% endif %}{% endif %}{% endfor %}{% endif %}"
    "{{ eos_token }}{% endif %}{% endfor %}"
)
REASONED = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST]"
    "{% for b in m['content'] %}{% if b['type'] == 'text' %}{{ b['text'] }}{% else %}[IMG]"
    "{% endif %}{% endfor %}[/INST]{% else %}{% if m['reasoning_content'] %}<think>"
    "{{ m['reasoning_content'] }}</think>{% endif %}"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for b in m['content'] %}"
    "{{ b['text'] }}{% endfor %}{% endif %}{{ eos_token }}{% endif %}{% endfor %}"
)
THOUGHT: dict[str, Any] = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "the mat"},
        {"type": "text", "text": "a dog"},
    ],
}
LISTED = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "the mat"}]},
        {"type": "text", "text": "a dog"},
    ],
}
AGAIN = {"role": "user", "content": [{"type": "text", "text": "is a cat"}]}


def rendered(template: str, *messages: Any):
    tokenizer = family("pixtral").tokenizer
    found = render_chat(
        tokenizer,
        list(messages),
        pictures=[PICTURE],
        image_id=tokenizer.convert_tokens_to_ids("[IMG]"),
        chat_template=template,
    )
    return found, tokenizer


@pytest.mark.parametrize("thought", [THOUGHT, LISTED])
@pytest.mark.parametrize(
    ("template", "around"),
    [(MISTRAL, ("[THINK]", "[/THINK]")), (REASONED, ("<think>", "</think>"))],
)
def test_an_earlier_thought_is_written_as_the_template_writes_it(
    template: str, around: tuple[str, str], thought: Any
) -> None:
    found, tokenizer = rendered(template, ASKED, thought, AGAIN)
    text = tokenizer.decode(found.ids)
    assert f"{around[0]}the mat{around[1]}a dog</s>" in text.replace("] ", "]").replace("> ", ">")
    turns = [token.turn for token in found.text if token.written]
    assert turns == sorted(turns) and set(turns) == {0, 1, 2}
    thinking = tokenizer(around[0], add_special_tokens=False)["input_ids"][-1]
    assert any(token.id == thinking and token.turn == 1 for token in found.text)


@pytest.mark.parametrize("template", [MISTRAL, REASONED])
def test_an_explained_answer_stands_behind_its_thought(template: str) -> None:
    found, tokenizer = rendered(template, ASKED, THOUGHT)
    assert found.answer == "a dog"
    assert tokenizer.decode(found.answer_ids).strip() == "a dog"
    assert "the mat" in tokenizer.decode(found.ids)
    assert "dog" not in tokenizer.decode(found.ids)


def test_a_thought_of_another_form_is_refused() -> None:
    wrong = {"role": "assistant", "content": [{"type": "thinking", "thinking": {"text": "red"}}]}
    with pytest.raises(ValueError, match=r"expected {'type': 'thinking', 'thinking': text}, got"):
        checked_messages([wrong])


def test_a_conversation_with_thoughts_is_explained() -> None:
    tiny = tiny_of("mistral3")
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is it ?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "a red star", "closed": True},
                {"type": "text", "text": "a star"},
            ],
        },
    ]
    spaced = MISTRAL.replace("THINK]", "THINK] ").replace("{{ eos", " {{ eos")
    explainer = Explainer(tiny.model, **tiny.parts, chat_template=spaced)
    explanation = explainer.explain([noise(56, 56)], messages=messages)
    assert explanation.answer == "a star"
    assert "red" in [token.text.strip() for token in explanation.context]
