"""What a debugger is answered about a variable of a paused program."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest

from mmx_core.events.wire import decode_explanation
from mmx_core.export.debugger import look
from tests.support.explanations import make_explanation


def looked(value: object, **bounds: Any) -> dict[str, Any]:
    answer = look(value, **bounds)
    assert answer.isascii() and not set(answer) & set("\"'\\ \n")
    return json.loads(b64decode(answer))


def test_an_explanation_comes_whole_as_a_step_of_the_stop_it_was_looked_at() -> None:
    explanation = make_explanation(3)
    [shown] = looked(explanation, step=7)["data"]["explanations"]
    assert (shown["tag"], shown["step"]) == ("mmx/look/value", 7)
    decoded = decode_explanation([b64decode(blob) for blob in shown["blobs"]])
    assert decoded.answer == explanation.answer


@pytest.mark.parametrize("kind", [list, tuple])
def test_those_in_a_container_are_told_apart_by_where_they_stand(kind: type) -> None:
    one, other = make_explanation(3), make_explanation(3, seed=1)
    answer = looked({"val": kind([one, None, other])})
    tags = {entry["tag"] for entry in answer["data"]["explanations"]}
    assert tags == {"mmx/look/['val'][0]", "mmx/look/['val'][2]"}
    assert answer["note"] == ""


def test_a_value_whose_repr_fails_is_named_by_its_class() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("never asked")

    assert "Broken" in looked(Broken())["trouble"]
    assert len(looked({Broken(): make_explanation(3)})["data"]["explanations"]) == 1


def test_a_container_that_holds_itself_is_looked_through_once_more_and_no_further() -> None:
    values: list[object] = [3]
    values.append(values)
    assert looked(values)["trouble"].startswith("Expected an Explanation")


def test_what_is_beyond_the_bounds_is_counted_in_words() -> None:
    values = [make_explanation(3, seed=seed) for seed in range(3)]
    whole = sum(len(b64decode(b)) for b in looked(values[0])["data"]["explanations"][0]["blobs"])
    answer = looked(values, most_bytes=whole * 2)
    assert answer["note"].startswith("1 of 3 explanations are shown: a look takes at most")
    assert "too large" in looked(values[0], most_bytes=10)["trouble"]
    assert looked(values, seconds=0)["note"].startswith("1 of 3 explanations are shown: 0 seconds")


def test_an_explanation_that_cannot_be_packed_is_a_sentence_and_no_error() -> None:
    broken = replace(make_explanation(3))
    object.__setattr__(broken, "scales", None)
    assert looked(broken)["trouble"].startswith("This value cannot be shown: ")
