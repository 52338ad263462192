"""An evaluation loop of anybody's around ``generate``: ``python -m examples.generate_loop``."""

from __future__ import annotations

import argparse

import mmx_core as mmx
from examples.scenes import conversations, load


def main() -> None:
    """Answers questions as before; every second answer is explained on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build/examples/generate")
    arguments = parser.parse_args()
    model, processor = load()
    processor.tokenizer.padding_side = "left"
    right = 0
    rows = conversations(6)
    with mmx.explaining(model, processor, logdir=arguments.out, every=2, seconds=60):
        for first in range(0, len(rows), 2):
            batch = rows[first : first + 2]
            texts = [
                processor.apply_chat_template(row["prompt"], add_generation_prompt=True)
                for row in batch
            ]
            images = [image for row in batch for image in row["images"]]
            inputs = processor(images=images, text=texts, padding=True, return_tensors="pt")
            found = model.generate(**inputs, max_new_tokens=24, do_sample=False)
            answers = processor.tokenizer.batch_decode(
                found[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
            wanted = [row["completion"][0]["content"][0]["text"] for row in batch]
            right += sum(a.split() == w.split() for a, w in zip(answers, wanted, strict=True))
    print(f"{right} of {len(rows)} captions are right\nmmx show {arguments.out}")


if __name__ == "__main__":
    main()
