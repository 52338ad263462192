"""Explains with the transformers on the path, logs, reads back and trains; prints the figures.

    python tests/packaging/explain_check.py FOLDER

leaves with an error where a step fails. The figures are JSON, to be compared between versions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import mmx_core as mmx
from demo.probe import probe_samples
from tests.core.test_callback import build_callback, make_trainer, probe
from tests.support.explanations import assert_close
from tests.support.tiny_models import FAMILIES, make_tiny

CHECKPOINT = Path(__file__).resolve().parents[2] / "demo/checkpoints/grounded/step-003800"
PROMPT = "describe the image ."


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    (sample,) = probe_samples(1)
    explainer = mmx.Explainer.from_pretrained(CHECKPOINT, device="cpu")
    made = {
        "demo/given": explainer.explain(sample.images, sample.prompt, answer=sample.answer),
        "demo/generated": explainer.explain(sample.images, sample.prompt),
    }
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    for family in FAMILIES:
        tiny = make_tiny(family)
        made[f"tiny/{family}"] = mmx.Explainer(tiny.model, **tiny.parts).explain(
            picture, PROMPT, answer="a red circle ."
        )
    for tag, explanation in made.items():
        mmx.add_explanation(folder / "run", tag, explanation, 1)
    for tag, explanation in made.items():
        (read,) = mmx.read_explanations(folder, run="run", tag=tag)
        assert_close(read, explanation)
    tiny = make_tiny()
    make_trainer(tiny, folder / "trained", build_callback(tiny, samples=probe(1))).train()
    steps = [one.step for one in mmx.read_explanations(folder / "trained" / "explanations")]
    assert steps == [1, 2], steps
    print(json.dumps({"version": transformers.__version__, "figures": figures(made)}))


def figures(made: dict[str, mmx.Explanation]) -> dict[str, Any]:
    """The words, and as one list every number that a version might change."""
    return {
        tag: {
            "words": [token.text for token in explanation.tokens],
            "numbers": np.concatenate(
                [explanation.base.probability, *map(np.ravel, explanation.heatmaps)]
            ).tolist(),
        }
        for tag, explanation in made.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
