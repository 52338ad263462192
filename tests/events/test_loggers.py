"""The loggers that training tools bring: Lightning's, and the trackers of accelerate."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import GeneralTracker
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from mmx_core.events import (
    LoggingWarning,
    add_explanation,
    add_metrics,
    guard,
    read_explanations,
)
from tests.support.explanations import make_explanation


@pytest.fixture
def accelerator(tmp_path: Path) -> Iterator[Accelerator]:
    accelerator = Accelerator(cpu=True, log_with="tensorboard", project_dir=tmp_path)
    accelerator.init_trackers("run")
    yield accelerator
    accelerator.end_training()
    AcceleratorState._reset_state(reset_partial_state=True)


def steps_in(logdir: Path) -> list[tuple[str, int]]:
    return [(entry.tag, entry.step) for entry in read_explanations(logdir)]


@pytest.mark.parametrize("unwrap", [False, True])
def test_what_accelerates_tracker_is_given_is_in_its_log(tmp_path, accelerator, unwrap):
    tracker = accelerator.get_tracker("tensorboard", unwrap=unwrap)
    for step in (10, 20):
        add_explanation(tracker, "val/7", make_explanation(), step, strict=True)
    assert steps_in(tmp_path) == [("mmx/val/7", 10), ("mmx/val/7", 20)]


def test_a_tracker_of_a_process_that_logs_nothing_takes_explanations_and_writes_none(tmp_path):
    add_explanation(GeneralTracker(_blank=True), "val/7", make_explanation(), 0, strict=True)
    assert not list(tmp_path.iterdir())


class FullDisk:
    """A logger that opens its file when it is first asked for it, and cannot."""

    @property
    def experiment(self):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_logger_that_cannot_open_its_file_does_not_stop_the_run(monkeypatch):
    monkeypatch.setattr(guard, "_warned", set())
    for log in (
        lambda **how: add_explanation(FullDisk(), "val/7", make_explanation(), 0, **how),
        lambda **how: add_metrics(FullDisk(), "val", [make_explanation()], 0, **how),
    ):
        with pytest.warns(LoggingWarning, match="No space left on device"):
            log(strict=False)
        with pytest.raises(OSError, match="No space left on device"):
            log(strict=True)


class Explained(LightningModule):
    """Learns one number, and logs an explanation after each epoch's validation."""

    def __init__(self, experiment: bool) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.ones(()))
        self.experiment = experiment

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return (self.number * batch.sum()) ** 2

    def validation_step(self, batch: torch.Tensor) -> None:
        self.log("loss", self.training_step(batch))

    def on_validation_epoch_end(self) -> None:
        writer = self.logger.experiment if self.experiment else self.logger
        explanation = make_explanation()
        add_explanation(writer, "val/7", explanation, self.global_step, strict=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(logger: TensorBoardLogger, experiment: bool) -> None:
    data = torch.utils.data.DataLoader(torch.ones(3, 1))
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    trainer.fit(Explained(experiment), data, data)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("experiment", [False, True])
def test_what_is_logged_in_lightnings_loop_is_in_its_log(tmp_path, experiment):
    fit(TensorBoardLogger(tmp_path, name="run"), experiment)
    assert steps_in(tmp_path) == [("mmx/val/7", 3), ("mmx/val/7", 6)]


def test_lightnings_logger_of_another_rank_takes_explanations_and_writes_none(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = TensorBoardLogger(tmp_path, name="run")
    for writer in (logger, logger.experiment):
        add_explanation(writer, "val/7", make_explanation(), 0, strict=True)
    assert not list(tmp_path.iterdir())


def test_a_logger_of_another_kind_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"Lightning logger or .* got CSVLogger"):
        add_explanation(CSVLogger(tmp_path), "val/7", make_explanation(), 0)
