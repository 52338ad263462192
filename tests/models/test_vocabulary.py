"""Vocabularies that write the blank before a word as "▁"; texts that end in blanks."""

from __future__ import annotations

import pytest
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Metaspace, Sequence, Split
from transformers import PreTrainedTokenizerFast

from mmx_core import Sample
from mmx_core.models import adapter_for
from mmx_core.models.chat import RenderedPrompt, render_chat
from mmx_core.stages.targets import asked_targets
from tests.models.test_families import tiny_of

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{{ p.text }}{% endfor %}"


def marked(*pieces: str, apart: bool = False) -> PreTrainedTokenizerFast:
    splits = [Metaspace(), Split(Regex("▁"), "isolated")] if apart else [Metaspace()]
    vocabulary = {piece: index for index, piece in enumerate(["<unk>", *pieces])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Sequence(splits)
    tokenizer.decoder = MetaspaceDecoder()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def test_a_token_that_begins_a_word_is_shown_with_its_blank() -> None:
    tiny = tiny_of("llava")
    tokenizer = marked("▁a", "▁cat", "s", "▁")
    parts = {**tiny.parts, "tokenizer": tokenizer}
    adapter = adapter_for(tiny.model, **parts)
    ids = tokenizer.convert_tokens_to_ids(["▁a", "▁cat", "s", "▁"])
    assert [adapter.token_text(token) for token in ids] == [" a", " cat", "s", " "]


def test_a_word_is_told_by_its_first_piece_that_is_no_blank() -> None:
    tokenizer = marked("▁", "a", "cat", "dog", apart=True)
    answer = tokenizer("a dog", add_special_tokens=False)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(answer) == ["▁", "a", "▁", "dog"]
    sample = Sample("s", why_not={3: "cat"})
    rendered = RenderedPrompt((), (), (), ())
    (target,) = asked_targets(tokenizer, sample, rendered, answer, "a dog")
    assert tokenizer.convert_ids_to_tokens(target.token_id) == "cat"


@pytest.mark.parametrize("kept", [True, False])
def test_blanks_at_a_texts_end_shift_no_later_text(kept: bool) -> None:
    """The template's "\n x" ends as the first text does; the second is behind it, not in it."""
    tokenizer = marked("▁", "▁x", "▁hello", "<user>", "<assistant>", "x", apart=False)
    text = "p.text" if kept else "p.text.strip()"
    template = (
        "{% for m in messages %}{% for p in m.content %}{{ " + text + " }}{% endfor %} x "
        "{% endfor %}"
    )
    messages = [
        {"role": "user", "content": "hello   "},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "hello"},
    ]
    rendered = render_chat(tokenizer, messages, pictures=[], image_id=0, chat_template=template)
    words = [
        (tokenizer.convert_ids_to_tokens(token), written)
        for token, written in zip(rendered.ids, rendered.written, strict=True)
        if token != tokenizer.convert_tokens_to_ids("▁")
    ]
    assert words == [
        ("▁hello", True), ("▁x", False), ("▁x", True), ("▁x", False), ("▁hello", True),
        ("▁x", False),
    ]  # fmt: skip
