"""Lightning: a module, a callback, and the tab: ``python -m examples.lightning_loop``."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

import mmx_core as mmx
from examples.scenes import batches, conversations, load, probe


class Captioner(pl.LightningModule):
    """A vision-language model that learns captions."""

    def __init__(self) -> None:
        super().__init__()
        self.vlm, self.processor = load()  # where the callback finds both

    def training_step(self, batch: dict[str, Any]) -> torch.Tensor:
        """The loss of a batch."""
        return self.vlm(**batch).loss

    def validation_step(self, batch: dict[str, Any]) -> None:
        """Logs the same of unseen scenes."""
        self.log("val_loss", self.training_step(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Of all weights."""
        return torch.optim.AdamW(self.parameters(), lr=1e-4)


def main() -> None:
    """Trains two epochs, with an explanation of each probe sample after every validation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/lightning")
    arguments = parser.parse_args()
    module = Captioner()
    collate = partial(batches, module.processor)
    trainer = pl.Trainer(
        default_root_dir=arguments.out,
        accelerator="cpu",
        max_epochs=2,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[mmx.integrations.lightning.ExplainCallback(samples=probe())],
    )
    trainer.fit(
        module,
        DataLoader(conversations(4), batch_size=2, collate_fn=collate),
        DataLoader(conversations(2), batch_size=2, collate_fn=collate),
    )
    print(f"mmx show {trainer.log_dir}")


if __name__ == "__main__":
    main()
