"""What a word is, when two are the same, and where a text has one."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmx_core import Sample
from mmx_core.text import CategoryMasks, split_words
from mmx_core.text.lexicon import noun_words
from mmx_core.text.words import find_name, find_names, normalised

MASK = np.zeros((4, 4), dtype=bool)
MASK[0, 0] = True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a "red" horse, riding. . it\'s', ["a", "red", "horse", "riding", ".", "it's"]),
        ("(dog) “dog” dog’s dog… **dog** _dog_", ["dog", "dog", "dog’s", "dog", "dog", "dog"]),
        ("left-hand dog—cat cat/dog a:b", ["left-hand", "dog", "cat", "cat", "dog", "a", "b"]),
        ("on the mat.The dog, e.g. this", ["on", "the", "mat", "The", "dog", "e.g", "this"]),
        ("3.5 1,000 12:30 2024-05-01 50%", ["3.5", "1,000", "12:30", "2024-05-01", "50"]),
        ("一只猫。", ["一", "只", "猫"]),
        ("ネコーがABC手机", ["ネコー", "が", "ABC", "手", "机"]),
        ("ｄｏｇ、ﾈｺ", ["ｄｏｇ", "ﾈｺ"]),
        # Without a dictionary, letters with what stands on them.
        ("แมวสีดำ", ["แ", "ม", "ว", "สี", "ด", "ำ"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया"]),
        ("الكَلْبُ، صה״ל", ["الكَلْبُ", "صה״ל"]),
        ("고양이가 있다", ["고양이가", "있다"]),
        ("cafe\u0301 l’éléphant", ["cafe\u0301", "l’éléphant"]),
        ("dog🐕👨‍👩‍👧🇩🇪1️⃣ ❤️ok ©2024", ["dog", "🐕", "👨‍👩‍👧", "🇩🇪", "1️⃣", "❤️", "ok", "2024"]),
        ("a\u3000b\u200bc", ["a", "b", "c"]),
        ("", []),
    ],
)
def test_words_are_those_of_their_script(text: str, words: list[str]) -> None:
    assert [word.text for word in split_words(text)] == words
    for word in split_words(text):
        assert text[word.start : word.end] == word.text


@given(st.text(max_size=40))
def test_words_are_in_order_and_leave_nothing_readable_between_them(text: str) -> None:
    words = split_words(text)
    ends = [0, *(word.end for word in words)]
    starts = [*(word.start for word in words), len(text)]
    assert all(end <= start for end, start in zip(ends, starts, strict=True))
    between = "".join(text[a:b] for a, b in zip(ends, starts, strict=True))
    assert not any(unicodedata.category(letter)[0] in "LN" for letter in between)
    # Nothing that stands between blanks is without a word.
    assert len(words) >= len(text.split())


@given(st.lists(st.sampled_from(["a", "dog", "dog's", "Dog,", "(cat)", "left-hand", "."])))
def test_words_between_blanks_are_those_of_split(words: list[str]) -> None:
    text = " ".join(words)
    assert [word.text.strip(",()") for word in split_words(text)] == [
        word.strip(",()") for word in text.split()
    ]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        ("the (dog) “dog” dog's dog’s dog… DOG", "dog", ["dog"] * 5 + ["DOG"]),
        ("dogs can't hotdog", "dog", []),
        ("you can't", "can", []),
        ("a hot  dog, a hot, dog", "Hot Dog", ["hot  dog", "hot, dog"]),
        ("left-hand", "hand", []),
        ("a T‑shirt", "t-shirt", ["T‑shirt"]),
        ("一只猫。", "猫", ["猫"]),
        ("一只猫。", "一只猫", ["一只猫"]),
        ("ネコがいる", "ネコ", ["ネコ"]),
        ("ﾈｺがいる", "ネコ", ["ﾈｺ"]),
        ("ｄｏｇ", "dog", ["ｄｏｇ"]),
        ("แมวสีดำ", "แมว", ["แมว"]),
        ("a CAFÉ", "cafe\u0301", ["CAFÉ"]),
        ("the cafe\u0301's", "café", ["cafe\u0301"]),
        ("a café", "cafe", []),
        ("STRASSE", "Straße", ["STRASSE"]),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", ["ΣΊΣΥΦΟΣ"]),
        ("IŞIK İstanbul'da", "ışık", ["IŞIK"]),
        ("IŞIK İstanbul'da", "istanbul", ["İstanbul"]),
        ("sınır", "sinir", []),
        ("l’éléphant", "éléphant", ["éléphant"]),
        ("dell'acqua", "acqua", ["acqua"]),
        ("o'clock", "clock", []),
        ("الكَلْبُ والكلب للكلب", "كلب", ["كَلْبُ", "كلب", "كلب"]),
        ("הכלב", "כלב", ["כלב"]),
        ("כלב", "לב", []),
        ("고양이가 개는", "고양이", ["고양이"]),
        ("사과", "사", []),
        ("a 🐕 ❤️", "🐕", ["🐕"]),
        ("a 🐕 ❤️", "❤", ["❤️"]),
        ("می‌خواهم", "میخواهم", ["می‌خواهم"]),
        ("a dog", "", []),
    ],
)
def test_a_name_is_found_whatever_is_written_around_it(
    text: str, name: str, found: list[str]
) -> None:
    places = find_name(split_words(text), name)
    assert [text[place.start : place.end] for place in places] == found


@given(st.text(min_size=1, max_size=12))
def test_every_word_is_found_by_itself_composed_or_not(text: str) -> None:
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, text)
        for word in split_words(other):
            if normalised(word.text):
                assert find_name(split_words(text), word.text), (text, word)


def test_the_longer_of_two_names_has_the_words() -> None:
    found = find_names("a hot dog and a dog", ["dog", "hot dog"])
    assert found == {"dog": [range(5, 6)], "hot dog": [range(1, 3)]}
    assert find_names("熊猫和猫", ["猫", "熊猫"]) == {"猫": [range(3, 4)], "熊猫": [range(2)]}
    assert find_names("a dog", ["dog", "Dog"]) == {"dog": [range(1, 2)], "Dog": [range(1, 2)]}


@pytest.mark.parametrize("text", ["a (dog)", "a “dog”", "a dog's", "a dog…", "a *Dog*."])
def test_masks_and_categories_find_what_is_in_marks(text: str) -> None:
    sample = Sample("s", "x.png", "p", text, masks={"dog": MASK})
    assert [entry.words for entry in sample.word_masks(text)] == [(1,)]
    masks = CategoryMasks(MASK.astype(np.uint8), {"dog": 1})
    assert [entry.words for entry in masks.word_masks(text)] == [(1,)]
    assert noun_words(text) == [1]


def test_masks_find_words_of_scripts_without_blanks() -> None:
    sample = Sample("s", "x.png", "p", masks={"猫": MASK, "一只狗": MASK})
    found = sample.word_masks("一只猫和一只狗。")
    assert [(entry.name, entry.words) for entry in found] == [("猫", (2,)), ("一只狗", (4, 5, 6))]
    categories = CategoryMasks(MASK.astype(np.uint8), {"猫": 1, "熊猫": 2})
    named = [(entry.name, entry.words) for entry in categories.word_masks("熊猫，猫。")]
    assert named == [("熊猫", (0, 1)), ("猫", (2,))]
    alone = CategoryMasks(MASK.astype(np.uint8), {"熊猫": 2})
    assert alone.word_masks("一只猫") == []


def test_a_mask_whose_word_is_not_in_the_answer_is_named() -> None:
    sample = Sample("val/7", "x.png", "p", masks={"dog": MASK, "zebra": MASK})
    with pytest.warns(UserWarning, match=r"'val/7': the answer does not have 'zebra'") as told:
        (entry,) = sample.word_masks("a dog")
    assert entry.name == "dog" and len(told) == 1


def test_a_pause_is_one_in_every_script() -> None:
    masks = CategoryMasks(MASK.astype(np.uint8), {"hot dog": 1, "熊猫": 2})
    for text in ("hot, dog", "hot — dog", "hot… dog", "熊。猫", "熊、猫"):
        assert masks.word_masks(text) == [], text
    assert len(masks.word_masks("a hot (dog)")) == 1
