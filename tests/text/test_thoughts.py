"""Where an answer thinks, and the sentences of its thought."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmx_core.text.thoughts import closes_thought, opened_thought, sentences_of, thought_of

GOLDEN = Path(__file__).resolve().parents[2] / "frontend" / "tests" / "golden" / "thoughts.json"
"""What the panel's tests read, too."""
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))


def spelled(pieces: list[str], found: range | None) -> str | None:
    return None if found is None else "".join(pieces[found.start : found.stop])


@pytest.mark.parametrize(("pieces", "thought"), CASES["thoughts"])
def test_a_thought_is_what_lies_between_the_markers_of_its_family(pieces, thought):
    assert spelled(pieces, thought_of(pieces)) == thought


@pytest.mark.parametrize(("pieces", "sentences"), CASES["sentences"])
def test_a_sentence_ends_with_its_mark_or_its_line(pieces, sentences):
    assert [spelled(pieces, found) for found in sentences_of(pieces)] == sentences


@given(st.lists(st.text(alphabet="ab .!?\n1。\"'", min_size=1, max_size=4), max_size=12))
def test_sentences_hold_every_piece_once_and_in_order(pieces):
    assert [index for found in sentences_of(pieces) for index in found] == list(range(len(pieces)))


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [
        ("<think>\n", True, False),
        ("<think>\n\n</think>\n\n", False, False),
        ("</think><think>", True, True),
        ("a dog</think> a cat <think>", True, True),
        ("<think>a dog", True, False),
        ("a dog[/THINK]", False, True),
        ("<|channel>thought\n", True, False),
        ("a dog", False, False),
    ],
)
def test_a_text_may_end_within_a_thought_or_begin_in_one(
    text: str, opens: bool, closes: bool
) -> None:
    assert (bool(opened_thought(text)), closes_thought(text)) == (opens, closes)
