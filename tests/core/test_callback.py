"""ExplainCallback in a real Trainer: logs at evaluation, resumes, and never kills the training."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

import mmx_core as mmx
from mmx_core.events import guard
from mmx_core.events.guard import LoggingWarning
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
    log = EventAccumulator(str(tmp_path / "explanations"), size_guidance={"tensors": 0})
    tags = log.Reload().Tags()
    scalars = {tag.removeprefix("mmx/val/") for tag in (*tags["tensors"], *tags["scalars"])}
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
    steps = sorted(e.step for e in mmx.read_explanations(tmp_path / "explanations"))
    assert steps == [1, 1, 2, 2, 3, 3]


def test_a_failing_explanation_warns_and_training_goes_on(
    tmp_path: Path, device: torch.device
) -> None:
    tiny = make_tiny(device=str(device))
    callback = build_callback(tiny, samples=probe(answer="a zebra ."), strict=False)
    with pytest.warns(LoggingWarning, match="0000"):
        result = make_trainer(tiny, tmp_path, callback).train()
    assert result.global_step == 2


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
        callback.samples = samples
        with contextlib.suppress(ValueError):
            callback.on_evaluate(*place, model=tiny.model, processing_class=tiny.tokenizer)
        assert not any(thread.name == "mmx-logging" for thread in threading.enumerate())
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
def test_a_log_that_cannot_be_written_warns_and_training_goes_on(
    tmp_path: Path, device: torch.device, background: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_warned", set())
    (tmp_path / "log").write_text("in the way")
    tiny = make_tiny(device=str(device))
    settings = {"logdir": tmp_path / "log", "background": background}
    callback = build_callback(tiny, strict=False, **settings)
    with pytest.warns(LoggingWarning, match="logging an explanation failed"):
        assert make_trainer(tiny, tmp_path, callback).train().global_step == 2
    with pytest.raises(OSError, match="log"):
        make_trainer(tiny, tmp_path, build_callback(tiny, strict=True, **settings)).train()


def test_samples_must_be_there_and_be_told_apart(device: torch.device) -> None:
    tiny = make_tiny(device=str(device))
    with pytest.raises(ValueError, match="at least one"):
        build_callback(tiny, samples=[])
    with pytest.raises(ValueError, match="distinct ids"):
        build_callback(tiny, samples=[*probe(1), *probe(1)])


def test_sharded_weights_are_refused_before_a_forward_that_would_hang(tmp_path: Path) -> None:
    from torch import distributed
    from torch.distributed.fsdp import fully_shard

    tiny = make_tiny()
    callback = build_callback(tiny, strict=False)
    trainer = make_trainer(tiny, tmp_path, callback)
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rank", rank=0, world_size=1
    )
    try:
        mesh = distributed.device_mesh.init_device_mesh("cpu", (1,))
        sharded = fully_shard(make_tiny().model, mesh=mesh)
        with pytest.warns(LoggingWarning, match="sharded over processes"):
            callback.on_evaluate(trainer.args, trainer.state, trainer.control, model=sharded)
    finally:
        distributed.destroy_process_group()
    assert not list(tmp_path.rglob("events.*"))
