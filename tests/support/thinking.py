"""The demo's model with the markers of a thought, which its chat template opens."""

from __future__ import annotations

from typing import Any

import torch

from demo.model import CHAT_TEMPLATE
from demo.scenes import Scene, validation_scenes
from mmx_core import Explainer, Sample
from mmx_core.models.loading import load_parts
from tests.support.tensorboard_server import ROOT

CHECKPOINT = ROOT / "demo" / "checkpoints" / "grounded" / "step-003800"


def thinking_explainer(**settings: Any) -> Explainer:
    """An explainer of it; the markers' embeddings are those of a full stop."""
    model, image_processor, tokenizer, _ = load_parts(CHECKPOINT, device="cpu", dtype=torch.float32)
    stop = tokenizer.convert_tokens_to_ids(".")
    tokenizer.add_tokens(["<think>", "</think>"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        weights = model.get_input_embeddings().weight
        weights[-2:] = weights[stop]
    return Explainer(
        model,
        image_processor=image_processor,
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE.replace(
            "assistant {% endif %}", "assistant <think> {% endif %}"
        ),
        **settings,
    )


def thinking_scene() -> Scene:
    """A white square, a purple cross and a red triangle."""
    return validation_scenes(4, seed=0)[3]


def thinking_sample(*, sentences: int = 3, id: str = "thought") -> Sample:
    """A scene whose caption comes behind a thought of so many sentences."""
    scene = thinking_scene()
    thoughts = thoughts_of(scene)
    thought = " ".join(thoughts[k % len(thoughts)] for k in range(sentences))
    return Sample(id, scene.image, scene.prompt, f"{thought} </think> {scene.caption}")


def thoughts_of(scene: Scene) -> list[str]:
    """What it shows, a sentence each."""
    return [f"there is a {' '.join(thing.words)} ." for thing in scene.objects]
