"""ExplainCallback in real Lightning trainers: any of its loggers, and what it refuses."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import DummyLogger
from torch.utils.data import DataLoader

import mmx_core as mmx
from examples.scenes import batches, conversations, probe
from mmx_core.events import sinks
from mmx_core.integrations.lightning import ExplainCallback
from mmx_core.integrations.transformers import ExplainWarning

pytestmark = pytest.mark.filterwarnings("ignore:.*(many workers|eval mode|batch_size|logger)")


class Captioner(pl.LightningModule):
    def __init__(self, parts: tuple[Any, Any]) -> None:
        super().__init__()
        self.vlm, self.processor = parts

    def training_step(self, batch: dict[str, Any]) -> torch.Tensor:
        return self.vlm(**batch).loss

    def validation_step(self, batch: dict[str, Any]) -> None:
        self.training_step(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-4)


def fit(parts: tuple[Any, Any], folder: Path, logger: Any, **settings: Any) -> pl.Trainer:
    module = Captioner(parts)
    data = DataLoader(conversations(1), collate_fn=partial(batches, module.processor))
    callback = ExplainCallback(probe(1), scales=(1.0,), **settings)
    trainer = pl.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_steps=1,
        logger=logger,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data, data)
    trainer.validate(module, data, verbose=False)
    return trainer


def steps(folder: Path) -> list[int | None]:
    return [explanation.step for explanation in mmx.read_explanations(folder)]


def test_without_loggers_the_log_is_in_the_trainers_directory(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    fit(parts, tmp_path, logger=False)
    assert steps(tmp_path / "explanations") == [1], "a validation after it is of the same step"


def test_of_a_list_of_loggers_the_one_that_shows_runs_is_sent_what_is_logged(
    parts: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, int]] = []

    class Sending(DummyLogger):
        def add_explanation(self, tag: str, explanation: Any, step: int, *, scalars: bool) -> None:
            sent.append((tag, step))

        def add_metrics(self, set_name: str, figures: Any, step: int) -> None:
            sent.append((set_name, step))

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sinks, "_LOGGERS", [*sinks._LOGGERS])
    sinks.logger(lambda given: given if isinstance(given, Sending) else None)
    trainer = fit(parts, tmp_path, logger=[CSVLogger(tmp_path, name="csv"), Sending()])
    (sample,) = probe(1)
    assert steps(Path(trainer.log_dir) / "explanations") == [1]
    assert sent == [(f"val/{sample.id}", 1), ("val", 1)]
    sent.clear()
    fit(parts, tmp_path / "alone", logger=[Sending()], also=(), logdir=tmp_path / "here")
    assert (sent, steps(tmp_path / "here")) == ([], [1])


def test_it_is_a_callback_of_the_library_under_both_its_names() -> None:
    callback = ExplainCallback(probe(1))
    assert isinstance(callback, pl.Callback)
    assert isinstance(callback, pytorch_lightning.Callback)


def test_a_module_whose_model_is_not_plain_is_refused_before_the_first_step(
    parts: tuple[Any, Any], tmp_path: Path
) -> None:
    module = Captioner(parts)
    module.teacher = parts[0]  # under another name, as in a distillation
    module.other = torch.nn.Sequential(Captioner(parts))
    trainer = pl.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path)
    with pytest.raises(ValueError, match="expected one Hugging Face model in Captioner, got vlm, "):
        ExplainCallback(probe(1)).on_fit_start(trainer, module)
    for model in ("vlm", "other.0.vlm", lambda module: module.teacher):
        ExplainCallback(probe(1), model=model).on_fit_start(trainer, module)
    unknown = mmx.Sample("bad", probe(1)[0].images, "describe the image .", "a zebra .")
    with pytest.warns(ExplainWarning, match="1 of 1 probe samples cannot be explained"):
        ExplainCallback([unknown], model="vlm").on_fit_start(trainer, module)
