"""Explains with the transformers on the path, logs, reads back and trains; prints the figures.

    python tests/packaging/explain_check.py FOLDER

leaves with an error where a step fails. The figures are JSON, to be compared between versions; with
them how many positions the text model was run over: fewer where it goes on from what was kept.
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

MEASURED: dict[str, Any] = {"influence": True, "influence_words": 8, "influence_seconds": 600.0}
CHECKPOINT = Path(__file__).resolve().parents[2] / "demo/checkpoints/grounded/step-003800"
PROMPT, ANSWER = "describe the image .", "a red circle ."


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    samples = probe_samples(3)
    explainer = mmx.Explainer.from_pretrained(CHECKPOINT, device="cpu", **MEASURED)
    made, counts = measured("demo/given", explainer, samples)
    made["demo/generated"] = explainer.explain(samples[0].images, samples[0].prompt)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    for family in FAMILIES:
        tiny = make_tiny(family)
        explained, counted = measured(
            f"tiny/{family}",
            mmx.Explainer(tiny.model, **tiny.parts, **MEASURED),
            [mmx.Sample(str(n), one, PROMPT, ANSWER) for n, one in enumerate(pictures)],
        )
        made |= explained
        counts |= counted
    for tag, explanation in made.items():
        mmx.add_explanation(folder / "run", tag, explanation, 1)
    for tag, explanation in made.items():
        (read,) = mmx.read_explanations(folder, run="run", tag=tag)
        assert_close(read, explanation)
    tiny = make_tiny()
    make_trainer(tiny, folder / "trained", build_callback(tiny, samples=probe(1))).train()
    steps = [one.step for one in mmx.read_explanations(folder / "trained" / "explanations")]
    assert steps == [1, 2], steps
    told = {"figures": figures(made), "positions": counts}
    print(json.dumps({"version": transformers.__version__, **told}))


def measured(
    tag: str, explainer: mmx.Explainer, samples: list[mmx.Sample]
) -> tuple[dict[str, mmx.Explanation], dict[str, int]]:
    """Explanations with their words' influence and gain, and the positions that a layer read."""
    layer, read = explainer.adapter.model.model.language_model.layers[0], []

    def count(module: Any, args: Any, kwargs: Any) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        read.append(states.shape[0] * states.shape[1])

    hook = layer.register_forward_pre_hook(count, with_kwargs=True)
    explained = list(explainer.explain_batch(samples))
    hook.remove()
    return {f"{tag}/{one.id}": one for one in explained}, {tag: sum(read)}


def figures(made: dict[str, mmx.Explanation]) -> dict[str, Any]:
    """The words, and as one list every number that a version might change."""
    return {
        tag: {
            "words": [token.text for token in explanation.tokens],
            "numbers": np.concatenate(
                [
                    explanation.base.probability,
                    *map(np.ravel, explanation.heatmaps),
                    *(
                        np.ravel(given)
                        for given in (explanation.image_gain, explanation.influence)
                        if given is not None
                    ),
                ]
            ).tolist(),
        }
        for tag, explanation in made.items()
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
