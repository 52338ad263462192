"""Where an answer thinks, and the sentences of its thought."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmx_core.text.thoughts import sentences_of, thought_of


def spelled(pieces: list[str]) -> list[str]:
    return ["".join(pieces[found.start : found.stop]) for found in sentences_of(pieces)]


@pytest.mark.parametrize(
    ("pieces", "thought"),
    [
        (["<think>", "\n", "Red", "\n", "</think>", "\n\n", "red"], "\nRed\n"),
        (["Red", ".", "</think>", "red"], "Red."),
        (["<", "think", ">", "Red", "</", "think", ">", "red"], "Red"),
        (["[THINK]", "Red", "[/THINK]", "red"], "Red"),
        (["◁think▷", "Red", "◁/think▷", "red"], "Red"),
        (["<|channel>", "thought", "\n", "Red", "<channel|>", "red"], "\nRed"),
        (["<think>", "Red", " and"], "Red and"),
    ],
)
def test_a_thought_is_what_lies_between_the_markers_of_its_family(pieces, thought):
    found = thought_of(pieces)
    assert "".join(pieces[found.start : found.stop]) == thought


@pytest.mark.parametrize(
    "pieces", [["red"], ["<think>", "\n\n", "</think>", "red"], [], ["a", " <b>", "c", "</b>"]]
)
def test_an_answer_without_markers_or_with_nothing_between_them_has_no_thought(pieces):
    assert thought_of(pieces) is None


@pytest.mark.parametrize(
    ("pieces", "sentences"),
    [
        (["It", " costs", " 3.5", " euros", ".", " Yes", "!"], ["It costs 3.5 euros.", " Yes!"]),
        (["He", " said", ' "', "no", '."', " So", "."], ['He said "no."', " So."]),
        (["A", "\n", "\n", "B"], ["A\n\n", "B"]),
        (["A", "\n\nB"], ["A", "\n\nB"]),
        (["1.", " Red", "\n", "2.", " Blue"], ["1. Red\n", "2. Blue"]),
        (["猫", "在", "。", "狗", "。"], ["猫在。", "狗。"]),
        (["Hm", "...", " \n", "Yes"], ["Hm... \n", "Yes"]),
    ],
)
def test_a_sentence_ends_with_its_mark_or_its_line(pieces, sentences):
    assert spelled(pieces) == sentences


@given(st.lists(st.text(alphabet="ab .!?\n1。\"'", min_size=1, max_size=4), max_size=12))
def test_sentences_hold_every_piece_once_and_in_order(pieces):
    assert [index for found in sentences_of(pieces) for index in found] == list(range(len(pieces)))
