"""inspect_ai's samples as samples to explain; the last test runs where it is installed."""

from __future__ import annotations

import base64
import importlib.util
import io
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import mmx_core as mmx
from mmx_core.integrations.inspect_ai import _figures, _messages, explaining
from mmx_core.integrations.probing import ExplainWarning

needs_inspect_ai = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None,
    reason="inspect_ai is not installed here; its tests run where it is",
)


def message(role: str, content: Any) -> SimpleNamespace:
    text = content if isinstance(content, str) else ""
    return SimpleNamespace(role=role, content=content, text=text)


def picture(address: str) -> SimpleNamespace:
    return SimpleNamespace(type="image", image=address)


def test_a_conversation_ends_with_its_last_answer_and_carries_its_pictures() -> None:
    file = io.BytesIO()
    Image.new("RGB", (5, 3), "red").save(file, "PNG")
    shown = picture("data:image/png;base64," + base64.b64encode(file.getvalue()).decode())
    asked = message("user", [shown, SimpleNamespace(type="text", text="what is it ?")])
    given = [
        message("system", "be short"),
        asked,
        message("assistant", "red"),
        message("user", "?"),
    ]
    system, user, said = _messages(given)
    assert (system["content"], said["content"]) == ("be short", "red")
    image, text = user["content"]
    assert image["image"].size == (5, 3) and text == {"type": "text", "text": "what is it ?"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([message("user", "hello")], "expected an answer in words, got none"),
        ([message("assistant", "")], "expected an answer in words, got none"),
        (
            [message("user", [picture("https://x/y.png")]), message("assistant", "a")],
            "a picture from the web is not fetched",
        ),
        (
            [message("user", [SimpleNamespace(type="audio")]), message("assistant", "a")],
            "expected text and pictures, got audio",
        ),
    ],
)
def test_what_cannot_be_explained_is_said(given: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _messages(given)


def test_scores_are_numbers_and_the_letters_that_stand_for_some() -> None:
    values = {"right": "C", "half": "P", "wrong": "I", "f1": 0.25, "label": "cat", "both": [1, 2]}
    scores = {name: SimpleNamespace(value=value) for name, value in values.items()}
    assert _figures(scores) == {"right": 1.0, "half": 0.5, "wrong": 0.0, "f1": 0.25}


@needs_inspect_ai
def test_chosen_samples_are_explained_with_their_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["inspect_task", "--out", str(tmp_path)])
    runpy.run_module("examples.inspect_task", run_name="__main__")
    found = sorted(mmx.read_explanations(tmp_path), key=lambda one: one.tag)
    assert [(one.tag, one.step) for one in found] == [("mmx/scenes/1", 0), ("mmx/scenes/3", 0)]
    for one in found:
        assert 0.3 < one.metrics["f1"] <= 1.0
        assert one.answer.split()[0] in ("a", "an")


@needs_inspect_ai
def test_chosen_samples_that_never_come_are_named_at_the_end(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    with (
        pytest.warns(ExplainWarning, match="7: chosen, and not explained"),
        explaining(mmx.Explainer(*parts), logdir=tmp_path, samples=[7]),
    ):
        pass
    with pytest.raises(TypeError, match="samples: expected ids"):
        explaining(mmx.Explainer(*parts), logdir=tmp_path, samples=[]).__enter__()
