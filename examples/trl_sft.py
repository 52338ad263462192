"""TRL's SFTTrainer with a vision-language model: ``python -m examples.trl_sft``."""

from __future__ import annotations

import argparse

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

import mmx_core as mmx
from examples.scenes import conversations, load


def main() -> None:
    """Trains a few steps on a chat-form data set, and explains rows of its other half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/trl")
    arguments = parser.parse_args()
    model, processor = load()
    data = Dataset.from_list(conversations(8))
    unseen = data.select(range(6, 8))
    trainer = SFTTrainer(
        model,
        SFTConfig(
            arguments.out,
            max_steps=4,
            per_device_train_batch_size=2,
            eval_strategy="steps",
            eval_steps=2,
            report_to="none",
            max_length=None,
            use_cpu=True,
            bf16=False,
            disable_tqdm=True,
        ),
        train_dataset=data.select(range(6)),
        eval_dataset=unseen,
        processing_class=processor,
        callbacks=[
            mmx.integrations.transformers.ExplainCallback(
                samples=mmx.integrations.trl.probe_samples(unseen)
            )
        ],
    )
    trainer.train()
    print(f"mmx show {arguments.out}/explanations")


if __name__ == "__main__":
    main()
