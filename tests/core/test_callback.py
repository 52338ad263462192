"""ExplainCallback in a real Trainer: logs at evaluation, resumes, and never kills the training."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import threading
import warnings
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import IntervalStrategy

import mmx_core as mmx
from mmx_core.events import guard
from mmx_core.events.guard import LoggingWarning
from mmx_core.integrations.transformers import ExplainWarning
from tests.support.tiny_models import TinyModel, make_tiny

PROMPT = "describe the image ."


def probe(count: int = 2, answer: str = "a red circle .") -> list[mmx.Sample]:
    generator = np.random.default_rng(0)
    return [
        mmx.Sample(
            f"{index:04d}", generator.integers(0, 256, (32, 48, 3), dtype=np.uint8), PROMPT, answer
        )
        for index in range(count)
    ]


class Repeated(Dataset[dict[str, torch.Tensor]]):
    """One teacher-forced example, again and again."""

    def __init__(self, tiny: TinyModel) -> None:
        adapter = mmx.Explainer(tiny.model, **tiny.parts).adapter
        from mmx_core.images import load_rgb

        image = load_rgb(probe(1)[0].images)  # type: ignore[arg-type]
        rendered = adapter.render(PROMPT, pictures=[image])
        encoded = adapter.encode([image], rendered, [9, 10], factor=1.0)
        self.example = {name: value.cpu() for name, value in encoded.inputs.items()}
        self.example["labels"] = self.example["input_ids"].clone()

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.example


def make_trainer(
    tiny: TinyModel, folder: Path, callback: Any, steps: int = 2, **settings: Any
) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        eval_strategy="steps",
        eval_steps=1,
        save_steps=1,
        report_to=[],
        use_cpu=tiny.model.device.type == "cpu",
        disable_tqdm=True,
        remove_unused_columns=False,
        learning_rate=1e-3,
        **settings,
    )
    return Trainer(
        model=tiny.model,
        args=arguments,
        train_dataset=Repeated(tiny),
        eval_dataset=Repeated(tiny),
        data_collator=lambda examples: examples[0],
        processing_class=tiny.tokenizer,
        callbacks=[callback],
    )


def build_callback(tiny: TinyModel, **settings: Any) -> Any:
    from mmx_core.integrations.transformers import ExplainCallback

    settings = {"scales": (1.0, 2.0), "image_processor": tiny.image_processor, **settings}
    return ExplainCallback(settings.pop("samples", probe()), **settings)


@pytest.mark.parametrize("background", [True, False])
def test_each_evaluation_logs_every_probe_sample_as_one_step(
    tmp_path: Path, device: torch.device, background: bool
) -> None:
    tiny = make_tiny(device=str(device))
    make_trainer(tiny, tmp_path, build_callback(tiny, background=background)).train()
    found = list(mmx.read_explanations(tmp_path / "explanations"))
    logged = sorted((e.tag, e.step) for e in found)
    assert logged == [(f"mmx/val/{i:04d}", step) for i in (0, 1) for step in (1, 2)]
    first, second = (e for e in found if e.tag == "mmx/val/0000")
    assert not np.allclose(first.base.probability, second.base.probability)  # it learned


def test_a_callback_logs_to_a_url_as_it_is(tmp_path: Path, device: torch.device) -> None:
    tiny = make_tiny(device=str(device))
    callback = build_callback(tiny, logdir="memory://callback/run")
    make_trainer(tiny, tmp_path, callback, steps=1).train()
    found = [(e.tag, e.step) for e in mmx.read_explanations("memory://callback")]
    assert found == [("mmx/val/0000", 1), ("mmx/val/0001", 1)]
    fsspec.filesystem("memory").rm("/callback", recursive=True)


@pytest.mark.parametrize("settings", [{}, {"image_gain": False}])
def test_the_images_gain_is_measured_against_the_other_samples_unless_it_is_switched_off(
    tmp_path: Path, device: torch.device, settings: dict[str, Any]
) -> None:
    tiny = make_tiny(device=str(device))
    callback = build_callback(tiny, samples=probe(3), influence=bool(settings), **settings)
    make_trainer(tiny, tmp_path, callback, steps=1).train()
    found = list(mmx.read_explanations(tmp_path / "explanations"))
    assert len(found) == 3
    assert all((e.influence is None) != bool(settings) for e in found)
    assert all((e.image_gain is None) == bool(settings) for e in found)
    if not settings:
        assert [e.provenance["image_gain"] for e in found] == [{"references": 2}] * 3
    (start,) = (tmp_path / "explanations").iterdir()
    tags = EventAccumulator(str(start), size_guidance={"tensors": 0}).Reload().Tags()
    scalars = {*tags["tensors"], *tags["scalars"]}
    assert ("mmx_metrics/val/image_gain" in scalars) is not bool(settings)


def test_a_sample_that_fails_leaves_the_others_references_as_they_were(
    tmp_path: Path, device: torch.device
) -> None:
    gains = []
    for name in ("whole", "broken"):
        samples = probe(4)
        if name == "broken":
            samples[1] = dataclasses.replace(samples[1], why_not={99: "star"})
        tiny = make_tiny(device=str(device))
        callback = build_callback(tiny, samples=samples, strict=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make_trainer(tiny, tmp_path / name, callback, steps=1, eval_on_start=True).train()
        found = mmx.read_explanations(tmp_path / name / "explanations", step=0)
        gains.append({e.id: e.image_gain for e in found})
    whole, broken = gains
    assert len(broken) == 3
    for name, gain in broken.items():
        np.testing.assert_allclose(gain, whole[name], atol=1e-5)


def test_figures_of_masked_samples_are_logged_as_scalars(
    tmp_path: Path, device: torch.device
) -> None:
    tiny = make_tiny(device=str(device))
    mask = np.zeros((32, 48), dtype=bool)
    mask[:16, :24] = True
    masked = [
        dataclasses.replace(sample, masks=[mmx.WordMask((2,), mask, "circle")], absent=(1,))
        for sample in probe()
    ]
    callback = build_callback(tiny, samples=masked, faithfulness=True)
    make_trainer(tiny, tmp_path, callback, steps=1).train()
    (start,) = (tmp_path / "explanations").iterdir()
    log = EventAccumulator(str(start), size_guidance={"tensors": 0})
    tags = log.Reload().Tags()
    scalars = {tag.removeprefix("mmx_metrics/val/") for tag in (*tags["tensors"], *tags["scalars"])}
    assert scalars >= {
        *("obj_iou", "func_iou", "f1_iou", "precision", "recall"),
        *("pixel_auc", "pixel_ap", "best_iou", "pointing", "nss"),
        *("insertion", "deletion", "flip_rate"),
        *("grounding", "same_word_share", "hallucination_auroc"),
    }


def test_the_callback_does_not_change_what_is_learned(tmp_path: Path, device: torch.device) -> None:
    weights = []
    for index, samples in enumerate((1, 2)):
        tiny = make_tiny(device=str(device))
        callback = build_callback(tiny, samples=probe(samples))
        make_trainer(tiny, tmp_path / str(index), callback).train()
        weights.append(tiny.model.lm_head.weight.detach().clone())
    assert torch.equal(*weights)


def test_a_resumed_run_drops_what_it_repeats(tmp_path: Path, device: torch.device) -> None:
    tiny = make_tiny(device=str(device))
    make_trainer(tiny, tmp_path, build_callback(tiny), steps=3).train()
    again = make_tiny(device=str(device))
    trainer = make_trainer(again, tmp_path, build_callback(again), steps=3)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    found = [(e.run, e.step) for e in mmx.read_explanations(tmp_path / "explanations")]
    assert sorted(found) == [(".", step) for step in (1, 1, 2, 2, 3, 3)]


def test_a_failing_explanation_warns_and_training_goes_on(
    tmp_path: Path, device: torch.device
) -> None:
    tiny = make_tiny(device=str(device))
    samples = [*probe(), dataclasses.replace(probe(1, answer="a zebra .")[0], id="bad")]
    callback = build_callback(tiny, samples=[samples[2], *samples[:2]], strict=False)
    with pytest.warns() as told:
        result = make_trainer(tiny, tmp_path, callback).train()
    assert result.global_step == 2
    told = [(w.category, str(w.message)) for w in told if "bad" in str(w.message)]
    assert [kind for kind, _ in told] == [ExplainWarning, LoggingWarning, ExplainWarning]
    assert told[0][1].startswith("1 of 3 probe samples cannot be explained")
    assert told[2][1].startswith("some explanations of this training were not logged")
    logged = {e.tag for e in mmx.read_explanations(tmp_path / "explanations")}
    assert logged == {"mmx/val/0000", "mmx/val/0001"}, "a bad sample costs itself alone"


def test_strict_mode_raises(tmp_path: Path, device: torch.device) -> None:
    tiny = make_tiny(device=str(device))
    callback = build_callback(tiny, samples=probe(answer="a zebra ."), strict=True)
    with pytest.raises(ValueError, match="special tokens"):
        make_trainer(tiny, tmp_path, callback).train()


def test_an_evaluation_ends_once_its_events_are_on_the_disk(
    tmp_path: Path, device: torch.device
) -> None:
    tiny = make_tiny(device=str(device))
    callback = build_callback(tiny)
    trainer = make_trainer(tiny, tmp_path, callback)
    trainer.state.global_step = 5
    place = trainer.args, trainer.state, trainer.control
    for samples in (probe(), [*probe(), *probe(1, answer="a zebra .")]):
        callback.probe.samples = samples
        callback.probe.forget()
        with contextlib.suppress(ValueError):
            callback.on_evaluate(*place, model=tiny.model, processing_class=tiny.tokenizer)
        for thread in threading.enumerate():
            if thread.name == "mmx-logging":
                thread.join(1)  # it has nothing left to do but to end
                assert not thread.is_alive()
    assert len(list(mmx.read_explanations(tmp_path / "explanations"))) == 2


def test_data_loaders_that_fork_do_not_mind_the_callback(
    tmp_path: Path, device: torch.device
) -> None:
    tiny = make_tiny(device=str(device))
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny), dataloader_num_workers=1)
    assert trainer.train().global_step == 2
    assert len(list(mmx.read_explanations(tmp_path / "explanations"))) == 4
    assert len(list((tmp_path / "explanations").iterdir())) == 1


@pytest.mark.parametrize("background", [True, False])
def test_a_log_that_goes_while_training_warns_and_training_goes_on(
    tmp_path: Path, device: torch.device, background: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_warned", set())
    tiny = make_tiny(device=str(device))

    def trained(strict: bool) -> int:
        log = tmp_path / f"log-{strict}"
        callback = build_callback(tiny, logdir=log, background=background, strict=strict)
        begin = callback.on_train_begin

        def begin_and_lose(*place: Any, **parts: Any) -> None:
            begin(*place, **parts)
            shutil.rmtree(log)
            log.write_text("in the way")

        callback.on_train_begin = begin_and_lose
        return make_trainer(tiny, tmp_path, callback).train().global_step

    with pytest.warns(LoggingWarning, match="logging an explanation failed"):
        assert trained(strict=False) == 2
    with pytest.raises(OSError, match="log"):
        trained(strict=True)


def test_a_log_that_cannot_be_written_is_refused_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, logdir=tmp_path / "log"))
    with pytest.raises(OSError, match="expected a directory that can be written"):
        trainer.train()
    assert trainer.state.global_step == 0


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        ({"scale": 2}, TypeError, "did you mean scales"),
        ({"scales": (0,)}, ValueError, "above 0"),
        ({"set_name": "mmx"}, ValueError, "could not be told"),
        ({"samples": [{"id": "1", "picture": 0}]}, TypeError, "'picture'"),
        ({"samples": [3]}, TypeError, "expected a Sample or a mapping"),
    ],
)
def test_what_needs_no_model_is_refused_where_it_is_written(settings, error, told) -> None:
    with pytest.raises(error, match=told):
        build_callback(make_tiny(), **settings)


def test_a_trainer_without_a_processor_is_told_so_before_the_first_step(tmp_path: Path) -> None:
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, image_processor=None))
    with pytest.raises(ValueError, match="expected a processor, or both"):
        trainer.train()
    assert trainer.state.global_step == 0
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, tokenizer=tiny.tokenizer), steps=1)
    trainer.processing_class = None
    trainer.callback_handler.processing_class = None
    assert trainer.train().global_step == 1
    assert len(list(mmx.read_explanations(tmp_path / "explanations"))) == 2


def test_a_callback_that_will_never_be_called_says_so(tmp_path: Path) -> None:
    tiny = make_tiny()
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny), steps=1)
    trainer.args.eval_strategy = IntervalStrategy.NO
    with pytest.warns(ExplainWarning, match="evaluation is switched off"):
        trainer.train()


def test_rows_of_a_data_set_are_samples(tmp_path: Path) -> None:
    tiny = make_tiny()
    rows = [
        {"id": index, "image": sample.images, "prompt": PROMPT, "answer": sample.answer}
        for index, sample in enumerate(probe())
    ]
    callback = build_callback(tiny, samples=iter(rows), scalars=False)
    make_trainer(tiny, tmp_path, callback, steps=1).train()
    found = sorted(e.tag for e in mmx.read_explanations(tmp_path / "explanations"))
    assert found == ["mmx/val/0", "mmx/val/1"]


@pytest.mark.parametrize(
    "how",
    [
        {"eval_on_start": True},
        {"gradient_checkpointing": True},
        {"bf16": True},
        {"load_best_model_at_end": True, "save_strategy": "steps"},
    ],
    ids=lambda how: next(iter(how)),
)
def test_a_training_set_up_like_that_is_explained_at_each_step(tmp_path: Path, how: Any) -> None:
    tiny = make_tiny()
    samples = [dataclasses.replace(sample, answer=None) for sample in probe(1)]
    trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=samples), **how)
    trainer.train()
    trainer.evaluate()  # of the weights at its end, or of the best: explained already
    steps = sorted(e.step for e in mmx.read_explanations(tmp_path / "explanations"))
    assert steps == ([0, 1, 2] if "eval_on_start" in how else [1, 2])


def test_the_best_weights_are_not_logged_as_the_last_steps(tmp_path: Path) -> None:
    tiny = make_tiny()
    how = {"load_best_model_at_end": True, "metric_for_best_model": "loss"}
    callback = build_callback(tiny, samples=probe(1))
    trainer = make_trainer(tiny, tmp_path, callback, 3, greater_is_better=True, **how)
    trainer.train()
    assert (trainer.state.global_step, trainer.state.best_global_step) == (3, 1)
    callback.probe.forget()  # as where the last step was not evaluated
    trainer.evaluate()
    steps = [e.step for e in mmx.read_explanations(tmp_path / "explanations")]
    assert steps == [1, 2, 3]


def test_several_evaluation_sets_are_explained_once(tmp_path: Path) -> None:
    tiny = make_tiny()
    callback = build_callback(tiny)
    trainer = make_trainer(tiny, tmp_path, callback, steps=1)
    trainer.eval_dataset = {"a": Repeated(tiny), "b": Repeated(tiny)}
    calls = []
    explain = mmx.Explainer.explain_batch
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            mmx.Explainer, "explain_batch", lambda *a, **k: calls.append(1) or explain(*a, **k)
        )
        trainer.train()
    assert len(calls) == 1
    assert len(list(mmx.read_explanations(tmp_path / "explanations"))) == 2


def test_a_training_from_scratch_in_the_same_directory_stands_apart_and_is_told(
    tmp_path: Path,
) -> None:
    for steps, every in ((3, 1), (4, 2)):
        tiny = make_tiny()
        trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)), steps)
        trainer.args.eval_steps = trainer.state.eval_steps = every
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            trainer.train()
        told = [w for w in told if "an earlier training already" in str(w.message)]
        assert len(told) == (steps == 4)
    by_run: dict[str, list[int]] = {}
    for explanation in mmx.read_explanations(tmp_path / "explanations"):
        by_run.setdefault(explanation.run, []).append(explanation.step)
    assert by_run.pop(".") == [2, 4]
    assert list(by_run.values()) == [[1, 2, 3]]


def test_a_resumed_training_that_lost_its_weights_is_told_so_and_a_sound_one_is_not(
    tmp_path: Path,
) -> None:
    """transformers 5.23 stores a Qwen2-VL under names that its Trainer does not find again."""

    def resumed(model: Any) -> list[str]:
        tiny = make_tiny()
        tiny = dataclasses.replace(tiny, model=model or tiny.model)
        trainer = make_trainer(tiny, tmp_path, build_callback(tiny, samples=probe(1)), 3)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
        return [str(w.message) for w in told if "tensors of" in str(w.message)]

    first = make_tiny()
    make_trainer(first, tmp_path, build_callback(first, samples=probe(1))).train()
    other = make_tiny().model
    with torch.no_grad():
        for parameter in other.model.visual.parameters():
            parameter.add_(1.0)  # built anew: not the weights that were trained
    (told,) = resumed(other)
    assert "differ from the model" in told and "from_pretrained" in told
    sound = type(other).from_pretrained(tmp_path / "checkpoint-2")
    assert resumed(sound) == []


@pytest.mark.parametrize(
    ("logdir", "uploaded", "place"),
    [
        (None, False, "_explanations"),
        ("{out}/logs", True, "logs"),
        ("{out}/_logs", False, "_logs"),
        ("{out}-beside", False, "-beside"),
        ("memory://run", False, "memory://run"),
    ],
)
def test_what_the_trainer_uploads_holds_no_paths_and_the_default_is_not_uploaded(
    tmp_path: Path, logdir: str | None, uploaded: bool, place: str
) -> None:
    out = tmp_path / "out"
    args = TrainingArguments(output_dir=str(out), push_to_hub=True, report_to=[], use_cpu=True)
    given = None if logdir is None else logdir.format(out=out)
    callback = build_callback(make_tiny(), logdir=given)
    assert callback._directory(args).endswith(place)
    assert callback._open(args).private == uploaded


def test_samples_must_be_there_and_be_told_apart(device: torch.device) -> None:
    tiny = make_tiny(device=str(device))
    with pytest.raises(ValueError, match="at least one"):
        build_callback(tiny, samples=[])
    with pytest.raises(ValueError, match="distinct ids"):
        build_callback(tiny, samples=[*probe(1), *probe(1)])


def test_what_a_callback_was_given_can_be_read_from_it(tmp_path):
    sample = mmx.Sample("one", np.zeros((64, 96, 3), np.uint8), "What is it?")
    callback = mmx.integrations.transformers.ExplainCallback(
        [sample], logdir=tmp_path, set_name="probe"
    )
    assert [given.id for given in callback.samples] == ["one"]
    assert callback.set_name == "probe"
