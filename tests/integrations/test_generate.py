"""``mmx.explaining`` explains what generate was given and answered, and touches nothing."""

from __future__ import annotations

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mmx_core as mmx
from examples.scenes import conversations
from mmx_core.events import LoggingWarning
from tests.models.criteria import PROMPT, noise
from tests.models.test_placeless import tiny_of as placeless

SCALES = (1.0, 2.0)
ROWS = conversations(3)


def asked(processor: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    processor.tokenizer.padding_side = "left"
    texts = [processor.apply_chat_template(r["prompt"], add_generation_prompt=True) for r in rows]
    images = [image for row in rows for image in row["images"]]
    return dict(processor(images=images, text=texts, padding=True, return_tensors="pt"))


def test_what_is_explained_is_what_the_explainer_says_of_that_picture_prompt_and_answer(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    with mmx.explaining(model, processor, logdir=tmp_path, scales=SCALES) as watch:
        inputs = asked(processor, ROWS[:2])
        watch.step = 7
        model.generate(**inputs, max_new_tokens=24, do_sample=False)
    explainer = mmx.Explainer(model, processor, scales=SCALES)
    found = list(mmx.read_explanations(tmp_path))
    assert [(e.tag, e.step) for e in found] == [(f"mmx/generate/00000{i}", 7) for i in (0, 1)]
    for explanation, row in zip(found, ROWS, strict=False):
        expected = explainer.explain(
            row["images"][0], row["prompt"][0]["content"][1]["text"], answer=explanation.answer
        )
        assert [t.id for t in explanation.context] == [t.id for t in expected.context]
        np.testing.assert_allclose(explanation.heatmap, expected.heatmap, atol=0.05)
        np.testing.assert_allclose(
            explanation.base.probability, expected.base.probability, atol=1e-3
        )


def test_what_generate_returns_is_what_it_returns_without(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    inputs = asked(processor, ROWS[:1])
    settings = {"max_new_tokens": 8, "do_sample": True, "num_return_sequences": 2}
    drawn = []
    for watched in (False, True):
        torch.manual_seed(0)
        if not watched:
            drawn += [model.generate(**inputs, **settings) for _ in range(2)]
            continue
        with mmx.explaining(model, processor, logdir=tmp_path, scales=(1.0,)) as watch:
            inputs = asked(processor, ROWS[:1])
            drawn += [model.generate(**inputs, **settings) for _ in range(2)]
    assert torch.equal(drawn[0], drawn[2]) and torch.equal(drawn[1], drawn[3])
    assert (watch.answers, watch.explained) == (4, 4)
    assert "generate" not in vars(model) and type(model).generate is type(parts[0]).generate


def test_a_model_that_training_tools_have_wrapped_is_watched_inside(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    wrapped = torch.nn.DataParallel(model)
    with mmx.explaining(wrapped, processor, logdir=tmp_path, scales=(1.0,)) as watch:
        model.generate(**asked(processor, ROWS[:1]), max_new_tokens=2)
    assert (watch.answers, watch.explained) == (1, 1)


def test_what_generate_was_not_given_in_words_is_told_and_left_out(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    with mmx.explaining(model, processor, logdir=tmp_path, scales=(1.0,)) as watch:
        inputs = asked(processor, ROWS[:1])
        embedded = model.get_input_embeddings()(inputs["input_ids"])
        with pytest.warns(LoggingWarning, match="expected generate to be given input_ids"):
            model.generate(inputs_embeds=embedded, max_new_tokens=2)
    assert watch.explained == 0


def test_an_answer_behind_another_prompt_than_was_given_is_told_and_left_out(
    tmp_path: Path,
) -> None:
    tiny = placeless("blip")  # its generate leaves out the prompt's last token
    settings = {"scales": (1.0,), "method": "occlusion", **tiny.parts}
    with mmx.explaining(tiny.model, None, logdir=tmp_path, **settings) as watch:
        pixels = tiny.parts["image_processor"](images=[noise(64, 64)], return_tensors="pt")
        ids = tiny.parts["tokenizer"](PROMPT, return_tensors="pt")["input_ids"]
        with pytest.warns(LoggingWarning, match="answered behind another"):
            tiny.model.generate(**pixels, input_ids=ids, max_new_tokens=3)
    assert (watch.answers, watch.explained) == (1, 0)


def test_no_more_is_explained_than_samples_and_seconds_allow(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    for name, budget, explained in (("a", {"samples": 1}, 1), ("b", {"seconds": 0.0}, 0)):
        with mmx.explaining(
            model, processor, logdir=tmp_path / name, scales=(1.0,), every=2, **budget
        ) as watch:
            for _ in range(2):
                model.generate(**asked(processor, ROWS), max_new_tokens=2)
        assert (watch.answers, watch.explained) == (6, explained)


def test_pictures_that_are_not_known_are_told_once_and_nothing_is_explained_in_their_place(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    inputs = asked(processor, ROWS[:1])  # before it is watched, as a worker would
    with mmx.explaining(model, processor, logdir=tmp_path, scales=(1.0,)) as watch:
        asked(processor, ROWS[1:2])  # another picture
        with pytest.warns(LoggingWarning, match="pictures that generate was given are not known"):
            model.generate(**inputs, max_new_tokens=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.generate(**inputs, max_new_tokens=2)
    assert (watch.answers, watch.explained) == (2, 0)


def test_a_watched_model_and_processor_are_saved_and_copied_as_themselves(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    model, processor = parts
    with mmx.explaining(model, processor, logdir=tmp_path / "log", scales=(1.0,)) as watch:
        processor.image_processor.save_pretrained(tmp_path)
        other, pickled = copy.deepcopy(model), pickle.loads(pickle.dumps(processor.image_processor))
        other.generate(**asked(processor, ROWS[:1]), max_new_tokens=2)
    assert watch.answers == 0, "a copy is not watched"
    assert type(other) is type(model) and type(pickled) is type(processor.image_processor)
    watched = (tmp_path / "preprocessor_config.json").read_text()
    processor.image_processor.save_pretrained(tmp_path)
    assert (tmp_path / "preprocessor_config.json").read_text() == watched
