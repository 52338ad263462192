"""A loop of your own: ``accelerate launch --num_processes 2 -m examples.accelerate_loop``."""

from __future__ import annotations

import argparse
from functools import partial

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

import mmx_core as mmx
from examples.scenes import batches, conversations, load, probe


def main() -> None:
    """Trains a few steps in all processes; the main one explains the probe samples on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/accelerate")
    parser.add_argument("--every", type=int, default=2)
    arguments = parser.parse_args()
    accelerator = Accelerator(project_dir=arguments.out)
    model, processor = load()
    data = DataLoader(conversations(8), batch_size=1, collate_fn=partial(batches, processor))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    model, optimizer, data = accelerator.prepare(model, optimizer, data)
    explain_probe = mmx.integrations.accelerate.ExplainProbe(
        accelerator, probe(), processor=processor
    )
    with explain_probe as explain:
        for step, batch in enumerate(data, start=1):
            accelerator.backward(model(**batch).loss)
            optimizer.step()
            optimizer.zero_grad()
            if step % arguments.every == 0:
                explain(model, step)
    accelerator.print(f"mmx show {explain.logdir}")


if __name__ == "__main__":
    main()
