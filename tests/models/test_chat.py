"""Prompts under a chat template: whose tokens are whose, on a tokenizer of words."""

from __future__ import annotations

import pytest
from PIL import Image

from mmx_core.images import Clip
from mmx_core.models.chat import RenderedPrompt, TextToken, render_chat
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.messages import checked_messages, user_turn
from tests.support.tiny_models import make_tokenizer

TOKENIZER = make_tokenizer()
IMAGE, VIDEO = TOKENIZER.convert_tokens_to_ids(["<|image_pad|>", "<|video_pad|>"])
PICTURE = Image.new("RGB", (4, 4))
CLIP = Clip((PICTURE, PICTURE), (0.0, 0.5))


def rendered(messages, pictures=(), **settings) -> RenderedPrompt:
    return render_chat(
        TOKENIZER, messages, pictures=pictures, image_id=IMAGE, video_id=VIDEO, **settings
    )


def words(prompt: RenderedPrompt) -> list[str]:
    return TOKENIZER.convert_ids_to_tokens(list(prompt.ids))


def test_of_a_prompt_the_words_are_the_users_and_the_marks_the_templates() -> None:
    prompt = rendered(user_turn("a red circle", ["image", "video"]), [PICTURE, CLIP])
    assert prompt.placeholders == (3, 6)
    assert [prompt.ids[at] for at in prompt.placeholders] == [IMAGE, VIDEO]
    written = [word for word, mine in zip(words(prompt), prompt.written, strict=True) if mine]
    assert written == ["a", "red", "circle"]
    assert prompt.roles == ("user", "assistant")
    assert [token.id for token in prompt.text] == [
        id for at, id in enumerate(prompt.ids) if at not in (3, 6)
    ]
    assert prompt.text[0] == TextToken(prompt.ids[0], False, 0)


def test_each_token_belongs_to_its_turn_and_what_opens_the_answer_to_the_next() -> None:
    prompt = rendered(
        [
            {"role": "user", "content": "red"},
            {"role": "assistant", "content": [{"type": "text", "text": "blue"}]},
            {"role": "user", "content": "red"},
        ]
    )
    # Opening, role, word and end; of the answer the opening and the role.
    assert prompt.turns == (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3)
    assert [at for at, mine in enumerate(prompt.written) if mine] == [2, 6, 10]
    assert prompt.roles == ("user", "assistant", "user", "assistant")


def test_a_text_that_repeats_the_templates_words_is_found_behind_them() -> None:
    template = "{% for m in messages %}red {{ m.content[0].text }} red {% endfor %}"
    prompt = rendered(user_turn("red", []), chat_template=template)
    assert words(prompt) == ["red"] * 3
    assert prompt.written == (False, True, False)


def test_a_text_that_the_template_leaves_out_is_nobodys() -> None:
    template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content[0].text }} {% endif %}"
    template += "{% endfor %}"
    messages = [{"role": "system", "content": "blue"}, {"role": "user", "content": "red circle"}]
    prompt = rendered(messages, chat_template=template)
    assert (words(prompt), prompt.written) == (["red", "circle"], (True, True))
    assert prompt.turns == (1, 1)
    empty = rendered([{"role": "user", "content": ""}, messages[1]], chat_template=template)
    assert empty.written == (True, True)


def test_pictures_take_the_places_of_their_placeholders() -> None:
    prompt = RenderedPrompt(
        ids=(1, 50, 2, 51, 3),
        written=(False, False, True, False, False),
        turns=(0, 0, 0, 0, 1),
        placeholders=(1, 3),
    )
    row = View((Raster([1, 2], (1, 2)),))
    frames = (View((Raster([0], (1, 1)),), (0, 1)), View((Raster([2], (1, 1)),), (2,)))
    first, second = Layout((40, 50, 50, 41), (row,)), Layout((51, 42, 51), frames)
    whole = prompt.expand([first, second])
    assert whole.ids == [1, 40, 50, 50, 41, 2, 51, 42, 51, 3]
    assert whole.text_positions == [0, 5, 9]
    assert whole.views == [([2, 3], row, 0), ([6], frames[0], 1), ([8], frames[1], 1)]
    assert whole.visual_count == 4
    with pytest.raises(ValueError, match="2 placeholders, 1 pictures"):
        prompt.expand([first])


def test_a_prompt_without_some_ids_keeps_its_placeholders() -> None:
    prompt = RenderedPrompt(
        ids=(1, 2, 50, 3, 4),
        written=(False, True, False, True, False),
        turns=(0, 0, 1, 1, 2),
        placeholders=(2,),
        roles=("user", "user", "assistant"),
    )
    assert prompt.without({1, 3}) == RenderedPrompt(
        ids=(1, 50, 4),
        written=(False, False, False),
        turns=(0, 1, 2),
        placeholders=(1,),
        roles=("user", "user", "assistant"),
    )


def test_other_placeholders_than_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 placeholder"):
        rendered(user_turn("red", []), [PICTURE])
    with pytest.raises(ValueError, match="got 1"):
        rendered(user_turn("red", ["image"]), [])
    with pytest.raises(ValueError, match="expected 1 placeholder"):
        rendered(user_turn("red", ["image"]), [CLIP])
    with pytest.raises(ValueError, match="no place for videos"):
        render_chat(TOKENIZER, user_turn("red", ["video"]), pictures=[CLIP], image_id=IMAGE)


def test_a_conversation_that_the_template_refuses_is_refused_with_its_words() -> None:
    template = "{% if messages %}{{ raise_exception('roles must alternate') }}{% endif %}"
    with pytest.raises(ValueError, match="chat template takes: roles must alternate"):
        rendered(user_turn("red", []), chat_template=template)
    bare = make_tokenizer()
    bare.chat_template = None
    with pytest.raises(ValueError, match="expected one with a chat template"):
        render_chat(bare, user_turn("red", []), pictures=[], image_id=IMAGE)


@pytest.mark.parametrize("length", [1, 2])
def test_a_template_that_refuses_to_stop_early_costs_no_turn(length: int) -> None:
    template = (
        "{% if not add_generation_prompt and messages | length == LENGTH %}"
        "{{ raise_exception('too short') }}{% endif %}"
        "{% for m in messages %}{{ m.content[0].text }} {% endfor %}"
    ).replace("LENGTH", str(length))
    messages = [{"role": "user", "content": word} for word in ("red", "blue", "a")]
    assert rendered(messages, chat_template=template).turns == (0, 1, 2)


@pytest.mark.parametrize("opened", [False, True])
def test_a_template_that_writes_the_opening_token_gets_no_second_one(opened: bool) -> None:
    class Opening:
        """A tokenizer in Python that puts an opening token before what it is given."""

        bos_token, all_special_ids, is_fast = "<s>", [0], False

        def apply_chat_template(self, messages, **_):
            texts = [message["content"][0]["text"] for message in messages]
            return ("<s> " if opened else "") + " ".join(texts)

        def convert_ids_to_tokens(self, token):
            return f"<{token}>"

        def decode(self, ids, **_):
            return " ".join("<s>" if token == 0 else "word" for token in ids)

        def __call__(self, text, add_special_tokens, return_offsets_mapping=False):
            assert not return_offsets_mapping
            ids = [0 if word == "<s>" else 7 for word in text.split()]
            return {"input_ids": [0, *ids] if add_special_tokens else ids}

    prompt = render_chat(
        Opening(), user_turn("a b", []), pictures=[], image_id=99, chat_template="{{ given }}"
    )
    assert (prompt.ids, prompt.written, prompt.turns) == ((0, 7, 7), (False, True, True), (0, 0, 0))


def test_messages_are_taken_in_their_form_and_pixels_left_out() -> None:
    parts = [{"type": "image", "image": PICTURE}, {"type": "text", "text": "red", "extra": 1}]
    row = {"role": "user", "content": parts, "name": "x", "tool_calls": None}
    assert checked_messages([row]) == [
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": "red"}],
            "name": "x",
        }
    ]
    assert checked_messages(({"role": "system", "content": "a"},)) == [
        {"role": "system", "content": [{"type": "text", "text": "a"}]}
    ]


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ("red", "expected a list of them, got str"),
        (b"red", "got bytes"),
        ({"role": "user"}, "got dict"),
        (7, "got int"),
        (["red"], r"messages\[0\]: expected {'role'"),
        ([{"content": "red"}], "expected {'role'"),
        ([{"role": "user"}], "expected {'role'"),
        ([{"role": 3, "content": "red"}], "expected {'role'"),
        ([{"role": "user", "content": 3}], "expected {'role'"),
        ([{"role": "user", "content": ["red"]}], "parts of type image, video, text or"),
        ([{"role": "user", "content": [{"type": "audio"}]}], "parts of type image, video, text or"),
        ([{"role": "user", "content": [{"type": "audio"}]}], "sound is not explained"),
        ([{"role": "user", "content": [{"type": "text"}]}], "expected {'type': 'text', 'text'"),
        ([{"role": "model", "content": "red"}], "expected the role 'assistant', got 'model'"),
        ([{"role": "human", "content": "red"}], "expected the role 'user', got 'human'"),
        ([{"role": "User", "content": "red"}], "expected the role 'user', got 'User'"),
        ([{"role": "user", "content": "red \ud83d"}], "half a character"),
    ],
)
def test_messages_of_another_form_are_refused(messages, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        checked_messages(messages)
