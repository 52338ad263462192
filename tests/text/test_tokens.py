"""Which tokens carry which characters, by tokenizers of the shapes that released models have."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from transformers.convert_slow_tokenizer import bytes_to_unicode

from mmx_core.text.tokens import characters_of_tokens, spelled, token_text
from mmx_core.text.words import split_words, tokens_of_words, word_groups
from tests.support.byte_tokenizers import (
    BOX,
    BYTE_TOKENIZERS,
    END,
    DecodingAlone,
    byte_fallback,
    byte_level,
    word_pieces,
)
from tests.support.smollm2 import param, tokenizer_for
from tests.support.tiny_models import make_tokenizer

ANSWER = "a dog 🐕 und 犬 on a mat"
WRITTEN = bytes_to_unicode()
LETTERS = {letter: byte for byte, letter in WRITTEN.items()}
TEXTS = st.text(
    st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("a dog猫只🐕🐈犬é ,.'’ \u0301แมุว🇩🇪\u200d")
    ),
    max_size=25,
)


NAMES = [*BYTE_TOKENIZERS, param("released")]


@cache
def tokenizer_of(name: str):  # type: ignore[no-untyped-def]
    return BYTE_TOKENIZERS[name]() if name in BYTE_TOKENIZERS else tokenizer_for("", [BOX])


def has_tokens_for(tokenizer, text: str) -> bool:  # type: ignore[no-untyped-def]
    """Released vocabularies lack bytes that their training texts did not have."""
    if tokenizer.backend_tokenizer.get_vocab_size() < 10_000:
        return True
    return None not in tokenizer.convert_tokens_to_ids([WRITTEN[byte] for byte in text.encode()])


def ids_of(tokenizer, text: str) -> list[int]:  # type: ignore[no-untyped-def]
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@cache
def with_bytes(tokenizer) -> bool:  # type: ignore[no-untyped-def]
    """Whether the vocabulary has bytes to fall back on."""
    return "<0x00>" in tokenizer.get_vocab()


def bytes_of(tokenizer, token: int) -> bytes:  # type: ignore[no-untyped-def]
    """What the vocabulary says that a token is."""
    piece = tokenizer.convert_ids_to_tokens(token)
    if piece in (END, BOX):
        return piece.encode()
    if re.fullmatch("<0x..>", piece):
        return bytes([int(piece[3:5], 16)])
    if with_bytes(tokenizer):
        return piece.replace("▁", " ").encode()
    return bytes(LETTERS[letter] for letter in piece)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
@example(text="🐕猫 🐈犬")
@example(text="\u1ebf ê\u0323")
def test_each_token_has_the_characters_whose_bytes_it_carries(name: str, text: str) -> None:
    tokenizer = tokenizer_of(name)
    assume(has_tokens_for(tokenizer, text))
    ids = ids_of(tokenizer, text)
    said, spans = spelled(tokenizer, ids)
    assert said == tokenizer.decode(ids)
    pieces = [bytes_of(tokenizer, token) for token in ids]
    # The blank that a vocabulary writes before the text is not in it.
    lead = len(b"".join(pieces)) - len(said.encode())
    owners = [index for index, piece in enumerate(pieces) for _ in piece][lead:]
    expected: list[list[int]] = [[] for _ in ids]
    at = 0
    for place, letter in enumerate(said):
        for owner in dict.fromkeys(owners[at : at + len(letter.encode())]):
            expected[owner].append(place)
        at += len(letter.encode())
    assert [list(range(*span)) for span in spans] == expected


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_no_word_is_lost_and_no_token_is_a_words_that_carries_none_of_it(
    name: str, text: str
) -> None:
    tokenizer = tokenizer_of(name)
    assume(has_tokens_for(tokenizer, text))
    ids = ids_of(tokenizer, text)
    spans = characters_of_tokens(tokenizer, text, ids)
    words, found = split_words(text), tokens_of_words(tokenizer, text, ids)
    assert len(found) == len(words) and all(found)
    for word, tokens in zip(words, found, strict=True):
        assert tokens == list(range(tokens[0], tokens[-1] + 1))
        for token, (start, end) in enumerate(spans):
            assert (token in tokens) == (start < end and start < word.end and end > word.start)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
def test_groups_of_tokens_cover_the_answer_in_order(name: str, text: str) -> None:
    tokenizer = tokenizer_of(name)
    ids = ids_of(tokenizer, text)
    groups = word_groups(tokenizer, ids)
    assert [first for first, _ in groups[:1]] == [0][: len(ids)]
    assert all(a < b for (a, _), (b, _) in pairwise([*groups, (len(ids), "")]))
    said = tokenizer.decode(ids)
    if "\ufffd" not in said:
        assert "".join(part for _, part in groups).lstrip(" ") == said.lstrip(" ")
    # No group ends within a word.
    of_token = [sum(first <= index for first, _ in groups) for index in range(len(ids))]
    for tokens in tokens_of_words(tokenizer, said, ids):
        assert len({of_token[token] for token in tokens}) == 1


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(ids=st.lists(st.integers(3, 429), min_size=1, max_size=12))
@example(ids=[3 + 0xF0, 3 + 0x9F, 3 + 0x90, 3 + 0x95, 3 + 0xFF, 3 + 0x61])
@example(ids=[3, 3 + 0x20, 3 + 0x80])
def test_tokens_that_make_no_text_are_counted_too(name: str, ids: list[int]) -> None:
    """A model may say anything: bytes that are no character, blanks, marks alone."""
    tokenizer = tokenizer_of(name)
    ids = [token % len(tokenizer) for token in ids]
    said, spans = spelled(tokenizer, ids)
    assert said == tokenizer.decode(ids)
    assert all(a <= c and b <= d for (a, b), (c, d) in pairwise(spans))
    assert {at for span in spans for at in range(*span)} == set(range(len(said)))
    assert all(tokens_of_words(tokenizer, said.strip(), ids))
    assert "\ufffd" not in "".join(text for _, text in word_groups(tokenizer, ids))


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_a_character_is_shown_as_its_bytes(name: str) -> None:
    tokenizer = tokenizer_of(name)
    ids = ids_of(tokenizer, ANSWER)
    texts = [token_text(tokenizer, token) for token in ids]
    assert "\ufffd" not in "".join(texts)
    assert len(set(texts)) == len(set(ids))
    held = re.sub("<0x(..)>", lambda byte: chr(int(byte[1], 16)), "".join(texts))
    plain = "".join(chr(byte) for byte in ANSWER.encode())
    assert held.strip().encode("latin-1", "ignore") in (
        plain.encode("latin-1"),
        plain.replace("\xf0\x9f\x90\x95", "").encode("latin-1"),  # one token, shown as it is
    )
    words = [text.strip() for _, text in word_groups(tokenizer, ids) if text.strip()]
    assert words == ANSWER.split()


def test_a_token_of_several_bytes_keeps_what_it_has_whole() -> None:
    tokenizer = byte_level()
    texts = [token_text(tokenizer, token) for token in ids_of(tokenizer, "一只猫 犬")]
    assert texts == ["一只<0xE7>", "<0x8C><0xAB>", " <0xE7><0x8A>", "<0xAC>"]
    assert token_text(byte_fallback(), ids_of(byte_fallback(), "a\ufffd")[1]) == "<0xEF>"


@pytest.mark.parametrize("name", NAMES)
def test_a_tokenizer_that_only_decodes_tells_the_same(name: str) -> None:
    tokenizer = tokenizer_of(name)
    ids = ids_of(tokenizer, ANSWER)
    found = tokens_of_words(tokenizer, ANSWER, ids)
    assert tokens_of_words(DecodingAlone(tokenizer), ANSWER, ids) == found
    assert tokens_of_words(tokenizer, f"\n {ANSWER} ", ids) == found


def test_an_answer_may_be_written_otherwise_than_its_tokens_spell_it() -> None:
    tokenizer = byte_level(composing=True)
    answer = unicodedata.normalize("NFD", "un café, ếê")
    ids = ids_of(tokenizer, answer)
    assert tokenizer.decode(ids) != answer
    texts = [token_text(tokenizer, token) for token in ids]
    first, second, _ = tokens_of_words(tokenizer, answer, ids)
    assert "".join(texts[token] for token in (*first, *second)) == "un café"
    # Letters that the vocabulary lacks are told by where they stood.
    pieces = word_pieces()
    ids = ids_of(pieces, "a Dog Ω, cat")
    assert [len(tokens) for tokens in tokens_of_words(pieces, "a Dog Ω, cat", ids)] == [1, 1, 1, 1]
    assert tokens_of_words(pieces, "a Dog", ids_of(pieces, "a Dog")) == [[0], [1]]


def test_a_marker_that_the_text_leaves_out_is_no_part_of_a_word() -> None:
    tokenizer = byte_level()
    box = tokenizer.convert_tokens_to_ids(BOX)
    ids = [box, *ids_of(tokenizer, "a dog"), box, *ids_of(tokenizer, " on")]
    assert tokens_of_words(tokenizer, "a dog on", ids) == [[1], [2], [4]]
    whole = f"{BOX}a dog{BOX} on"
    assert [word.text for word in split_words(whole)] == ["box", "a", "dog", "box", "on"]
    assert tokens_of_words(tokenizer, whole, ids) == [[0], [1], [2], [3], [4]]
    with pytest.raises(ValueError, match="they spell"):
        tokens_of_words(tokenizer, "a dog in", ids)


def test_words_that_one_token_carries_are_one_group() -> None:
    tokenizer = byte_level()
    ids = ids_of(tokenizer, "一只猫。")
    assert tokens_of_words(tokenizer, "一只猫。", ids) == [[0], [0], [0, 1]]
    assert word_groups(tokenizer, ids) == [(0, "一只猫"), (2, "。")]


def test_a_long_answer_is_spelled_in_time_that_grows_with_its_length() -> None:
    """By calls, not by the clock: each token is decoded with a few before it."""

    class Counting(DecodingAlone):
        def __init__(self) -> None:
            self.decoded = 0

        def decode(self, ids: list[int], **named: object) -> str:
            self.decoded += len(ids)
            return byte_fallback().decode(ids, **named)

    counting = Counting()
    ids = ids_of(byte_fallback(), f"{ANSWER} " * 100)
    assert spelled(counting, ids)[0] == f"{ANSWER} " * 100
    assert counting.decoded < 12 * len(ids)


def test_tokens_are_assigned_to_words_given_or_generated() -> None:
    tokenizer = make_tokenizer()
    answer = "a red circle ."
    ids = ids_of(tokenizer, answer)
    assert tokens_of_words(tokenizer, answer, ids) == [[0], [1], [2], [3]]
    assert tokens_of_words(tokenizer, "a red", ids[:2]) == [[0], [1]]
    with pytest.raises(ValueError, match="they spell"):
        tokens_of_words(tokenizer, "a blue circle .", ids)
