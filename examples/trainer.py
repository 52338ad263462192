"""Hugging Face Trainer, from scratch to the Explanations tab: ``python -m examples.trainer``."""

from __future__ import annotations

import argparse
from functools import partial

from transformers import Trainer, TrainingArguments

import mmx_core as mmx
from examples.scenes import batches, conversations, load, probe


def main() -> None:
    """Trains a few steps, with an explanation of each probe sample after every evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/trainer")
    parser.add_argument("--steps", type=int, default=4)
    arguments = parser.parse_args()
    model, processor = load()
    trainer = Trainer(
        model,
        TrainingArguments(
            arguments.out,
            max_steps=arguments.steps,
            eval_strategy="steps",
            eval_steps=2,
            report_to="none",
            remove_unused_columns=False,
            disable_tqdm=True,
        ),
        train_dataset=conversations(8),
        eval_dataset=conversations(2),
        data_collator=partial(batches, processor),
        processing_class=processor,
        callbacks=[mmx.integrations.transformers.ExplainCallback(samples=probe())],
    )
    trainer.train()
    print(f"mmx show {arguments.out}/explanations")


if __name__ == "__main__":
    main()
