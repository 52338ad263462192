"""ExplainCallback in Trainers as people have them: trained twice, wrapped, adapted, moved."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.trainer_utils import IntervalStrategy

import mmx_core as mmx
from mmx_core.events import guard
from mmx_core.integrations.transformers import ExplainWarning
from tests.core.test_callback import Repeated, build_callback, make_trainer, probe
from tests.support.tiny_models import make_tiny


def logged(folder: Path) -> list[tuple[str, int]]:
    """Which run and step, of the probe's only sample."""
    return sorted((e.run, e.step) for e in mmx.read_explanations(folder / "explanations"))


def told_by(train: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train()
    return [str(warning.message) for warning in told if warning.category is ExplainWarning]


def test_a_trainer_that_trains_twice_logs_two_trainings(tmp_path: Path) -> None:
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)), steps=1)
    assert told_by(trainer.train) == []
    (told,) = told_by(trainer.train)
    assert "an earlier training already" in told
    (earlier, _), (last, _) = sorted(logged(tmp_path), reverse=True)
    assert last == "." and earlier.startswith(". (20")


def test_an_evaluation_after_a_training_is_logged_once_and_a_prediction_is_none(
    tmp_path: Path,
) -> None:
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)))
    trainer.args.eval_strategy = IntervalStrategy.NO
    first, last = told_by(trainer.train)
    assert "evaluation is switched off" in first
    assert last.startswith("no explanation of this training was logged: no evaluation took place")
    trainer.predict(Repeated(tiny))
    assert logged(tmp_path) == []
    trainer.evaluate()
    trainer.evaluate()
    assert logged(tmp_path) == [(".", 2)]


def test_an_evaluation_without_any_training_is_explained(tmp_path: Path) -> None:
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)))
    trainer.evaluate()
    assert logged(tmp_path) == [(".", 0)]


def test_an_evaluation_before_a_training_is_its_step_0(tmp_path: Path) -> None:
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)), steps=1)
    assert told_by(trainer.evaluate) + told_by(trainer.train) == []
    assert logged(tmp_path) == [(".", 0), (".", 1)]


def test_an_evaluation_alone_is_no_step_of_the_training_that_has_logged_there(
    tmp_path: Path,
) -> None:
    for steps in (1, 0):
        tiny = make_tiny("qwen3_vl", seed=steps)
        trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)), steps=2)
        if steps:
            trainer.args.max_steps = steps
            trainer.train()
        else:
            trainer.evaluate()
    assert logged(tmp_path) == [(".", 1), ("evaluation", 0)]
    # Nor does a resumption go on from it.
    trainer.train(resume_from_checkpoint=True)
    assert logged(tmp_path) == [(".", 1), (".", 2), ("evaluation", 0)]


def test_a_checkpoint_of_another_directory_is_the_one_compared(tmp_path: Path) -> None:
    """Its namesake in the output directory is another training's."""

    def resumed(seed: int, checkpoint: Path) -> list[str]:
        tiny = make_tiny("qwen3_vl", seed=seed)  # stored as it is named: resumes are sound
        callback = build_callback(tiny, samples=probe(1), logdir=tmp_path / f"log{seed}")
        trainer = make_trainer(tiny, tmp_path / "new", callback, steps=2)
        return told_by(lambda: trainer.train(resume_from_checkpoint=str(checkpoint)))

    for seed, place in ((0, "old"), (1, "new")):
        tiny = make_tiny("qwen3_vl", seed=seed)
        make_trainer(tiny, tmp_path / place, build_callback(tiny, samples=probe(1)), 1).train()
    assert resumed(2, tmp_path / "old" / "checkpoint-1") == []


def test_a_lost_checkpoint_of_another_directory_is_told(tmp_path: Path) -> None:
    tiny = make_tiny()
    make_trainer(tiny, tmp_path / "old", build_callback(tiny, samples=probe(1)), 1).train()
    again = make_tiny(seed=1)
    trainer = make_trainer(again, tmp_path / "new", build_callback(again, samples=probe(1)), 2)
    checkpoint = tmp_path / "old" / "checkpoint-1"
    told = told_by(lambda: trainer.train(resume_from_checkpoint=str(checkpoint)))
    assert [f"tensors of {checkpoint}" in text for text in told] == [True]


def test_mixed_precision_changes_no_explanation_of_the_same_weights(tmp_path: Path) -> None:
    probabilities = []
    for bf16 in (False, True):
        tiny = make_tiny()
        callback = build_callback(tiny, samples=probe(1))
        folder = tmp_path / str(bf16)
        make_trainer(tiny, folder, callback, 1, bf16=bf16, eval_on_start=True).train()
        first, _ = sorted(mmx.read_explanations(folder / "explanations"), key=lambda e: e.step)
        probabilities.append(first.base.probability)
    np.testing.assert_array_equal(*probabilities)


@pytest.mark.parametrize("how", ["parallel", "adapted", "compiled"])
def test_a_wrapped_model_is_explained(how: str, tmp_path: Path) -> None:
    tiny = make_tiny()
    callback = build_callback(tiny, samples=probe(1))
    trainer = make_trainer(tiny, tmp_path, callback)
    if how == "adapted":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(tiny.model, LoraConfig(target_modules=["q_proj", "v_proj"], r=2))
    elif how == "parallel":
        model = torch.nn.DataParallel(tiny.model)
    else:
        model = torch.compile(tiny.model)
    place = trainer.args, trainer.state, trainer.control
    parts = {"model": model, "processing_class": tiny.tokenizer}
    callback.on_train_begin(*place, **parts)
    callback.on_evaluate(*place, **parts)
    callback.on_train_end(*place, **parts)
    assert logged(tmp_path) == [(".", 0)]


def test_a_sample_that_the_chat_template_refuses_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_warned", set())
    tiny = make_tiny()
    tiny.tokenizer.chat_template = (
        "{% if 'dog' in messages[-1]['content'] | string %}{{ raise_exception('no dogs') }}"
        "{% endif %}" + tiny.tokenizer.chat_template
    )
    samples = [mmx.Sample("dog", probe(1)[0].images, "a dog", "a cat ."), *probe(1)]
    callback = build_callback(tiny, samples=samples, strict=False)
    trainer = make_trainer(tiny, tmp_path, callback, steps=1)
    first, last = told_by(trainer.train)
    assert first.startswith("1 of 2 probe samples cannot be explained")
    assert "'dog'" in first and "no dogs" in first and "no dogs" in last
    assert logged(tmp_path) == [(".", 1)]


def trained(folder: Path, steps: int, *, before: Any = None, **how: Any) -> list[str]:
    """By a Trainer with a callback for each of two sets of samples; gives what it warns of."""
    tiny = make_tiny("qwen3_vl")  # stored as it is named: resumes are sound
    first = build_callback(tiny, samples=probe(1), set_name="val")
    trainer = make_trainer(tiny, folder, first, steps)
    trainer.add_callback(build_callback(tiny, samples=probe(1), set_name="train"))
    told = [] if before is None else told_by(lambda: before(trainer))
    return [*told, *told_by(lambda: trainer.train(**how))]


def test_callbacks_of_one_trainer_log_one_training_that_is_resumed_as_one(
    tmp_path: Path,
) -> None:
    assert trained(tmp_path, 2, before=lambda trainer: trainer.evaluate()) == []
    assert trained(tmp_path, 3, resume_from_checkpoint=True) == []
    found = sorted((e.run, e.tag, e.step) for e in mmx.read_explanations(tmp_path / "explanations"))
    expected = [(".", f"mmx/{name}/0000", step) for name in ("train", "val") for step in range(4)]
    assert found == expected


def test_a_curve_in_the_logs_directory_is_no_earlier_training(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "explanations")) as curve:
        curve.add_scalar("loss", 1.0, 0)
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)), steps=1)
    assert told_by(trainer.evaluate) + told_by(trainer.train) == []
    assert logged(tmp_path) == [(".", 0), (".", 1)]
    (told,) = told_by(trainer.train)
    assert "an earlier training already" in told
    assert "delete the directory" not in told, "the curve is not ours to have deleted"
