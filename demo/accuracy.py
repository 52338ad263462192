"""How well a checkpoint captions unseen scenes: ``python -m demo.accuracy [CHECKPOINT ...]``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from demo.model import make_image_processor
from demo.scenes import Scene, validation_scenes

_MAPPED_SCENES = 100


def caption_accuracy(model: Any, tokenizer: Any, scenes: Sequence[Scene]) -> float:
    """Share of scenes whose greedy caption is right to the last word.

    A greedy caption is right exactly if, teacher-forced on it, every word is the top prediction; so
    one forward per scene decides.
    """
    from mmx_core.models import adapter_for

    adapter = adapter_for(model, image_processor=make_image_processor(), tokenizer=tokenizer)
    training = model.training
    model.eval()
    right = 0
    with torch.no_grad():
        for scene in scenes:
            ids = tokenizer(scene.caption, add_special_tokens=False)["input_ids"]
            ids = [*ids, tokenizer.eos_token_id]
            rendered = adapter.render(scene.prompt, pictures=[scene.image])
            encoded = adapter.encode([scene.image], rendered, ids, factor=1.0)
            hidden = adapter.hidden_states(encoded)
            start = encoded.prompt_length
            said = adapter.logits(hidden[start - 1 : start - 1 + len(ids)]).argmax(dim=1)
            right += said.tolist() == ids
    model.train(training)
    return right / len(scenes)


def lens_auc(model: Any, tokenizer: Any, scenes: Sequence[Scene]) -> float:
    """Mean pixel AUC of the raw logit lens at scale 1.0 over the captions' nouns; .5 is chance."""
    from demo.probe import as_sample
    from mmx_core import Explainer

    explainer = Explainer(
        model,
        image_processor=make_image_processor(),
        tokenizer=tokenizer,
        scales=(1.0,),
        suppression="none",
        image_gain=False,
    )
    found = [e.metrics for e in explainer.explain_batch(as_sample(scene) for scene in scenes)]
    weights = [metrics.get("masked_words", 0.0) for metrics in found]
    return sum(m.get("pixel_auc", 0.0) * w for m, w in zip(found, weights, strict=True)) / sum(
        weights
    )


def main() -> None:
    """Prints one line per checkpoint."""
    from mmx_core.models.loading import load_parts

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="*", help="all of demo/checkpoints if none")
    parser.add_argument("--scenes", type=int, default=500)
    arguments = parser.parse_args()
    chosen = arguments.checkpoints or sorted((Path(__file__).parent / "checkpoints").glob("*/*"))
    scenes = validation_scenes(arguments.scenes)
    mapped = scenes[:_MAPPED_SCENES]
    print(
        f"{'checkpoint':24} captions right  lens AUC   "
        f"({len(scenes)} unseen scenes; the lens on {len(mapped)} of them)"
    )
    for checkpoint in chosen:
        model, _, tokenizer, _ = load_parts(checkpoint, device="cpu", dtype=torch.float32)
        accuracy = caption_accuracy(model, tokenizer, scenes)
        auc = lens_auc(model, tokenizer, mapped)
        name = f"{checkpoint.parent.name}/{checkpoint.name}"
        print(f"{name:24} {accuracy:14.1%} {auc:9.3f}", flush=True)


if __name__ == "__main__":
    main()
