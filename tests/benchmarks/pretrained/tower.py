"""The first stage: the tower alone learns to say what its cells show."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demo.optimizer import MuonAdamW
from tests.benchmarks.pretrained.model import CELLS, TILE
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.pretrained.scenes import (
    TRAINING,
    VALIDATION,
    Scene,
    generator,
    make_crowd,
    make_scene,
)
from tests.benchmarks.pretrained.targets import Embedded, cell_shares, read_names, tower_loss

BATCH, WARM_UP = 32, 20
RATE, LAST_RATE, HELD = 2.5, 0.1, 0.7
"""Factor on the optimizer's rates, what it falls to, and the share of the steps before it falls."""
STATE = "tower.pt"


def pixels(images: list[Image.Image]) -> Tensor:
    """``(B, 3, TILE, TILE)``, as the image processor makes them of an image of one tile."""
    stacked = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1


def features_of(model: Any, given: Tensor) -> Tensor:
    """``(B, CELLS**2, d)`` what the language model would be given for images of one tile."""
    states = model.model.vision_model(pixel_values=given).last_hidden_state
    features: Tensor = model.model.connector(states)
    return features


def crowds(seed: int, step: int) -> list[Scene]:
    """A step's scenes: three quarters crowded, as more can be learnt of them."""
    made = []
    for index in range(step * BATCH, (step + 1) * BATCH):
        random = generator(TRAINING, seed, index)
        make = make_scene if index % 4 == 0 else make_crowd
        made.append(make(random, split=TRAINING, side=TILE))
    return made


def train_tower(
    model: Any, embedded: Embedded, *, steps: int, seed: int, work: Path, save_every: int = 50
) -> None:
    """Trains vision model and connector, resuming from ``work``.

    Args:
        model: Changed in place.
        embedded: What cells are to say.
        steps: Of the whole stage.
        seed: Of the scenes.
        work: Where states are kept.
        save_every: Steps between them.
    """
    tower = torch.nn.ModuleList([model.model.vision_model, model.model.connector])
    optimizer = MuonAdamW(tower)
    base = [group["lr"] for group in optimizer.param_groups]
    state, start = work / STATE, 0
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        tower.load_state_dict(kept["tower"])
        optimizer.load_state_dict(kept["optimizer"])
        start = kept["step"]
    began = time.process_time()
    for step in range(start, steps):
        falling = max(0.0, (step / steps - HELD) / (1 - HELD))
        factor = RATE + (LAST_RATE - RATE) * falling
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor * min(1.0, (step + 1) / WARM_UP)
        scenes = crowds(seed, step)
        shares = torch.from_numpy(np.stack([cell_shares(scene) for scene in scenes]))
        with torch.autocast("cpu", torch.bfloat16):
            features = features_of(model, pixels([scene.image for scene in scenes]))
        loss = tower_loss(features, shares, embedded)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % 10 == 0:
            spent = time.process_time() - began
            print(f"tower {step + 1}: loss {loss.item():.3f}, {spent:.0f} s", flush=True)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            kept = {"tower": tower.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**kept, "step": step + 1}, state.with_suffix(".new"))
            state.with_suffix(".new").replace(state)
            right = cells_right(model, embedded, count=32)
            print(f"tower {step + 1}: {right:.3f} of object cells right, unseen", flush=True)


@torch.no_grad()
def cells_right(model: Any, embedded: Embedded, *, count: int) -> float:
    """Share of the cells mostly covered by an object, of unseen scenes, that say its name."""
    scenes = [
        make_scene(generator(VALIDATION, 1, index), split=VALIDATION, side=TILE)
        for index in range(count)
    ]
    truth = torch.from_numpy(np.stack([cell_shares(scene) for scene in scenes]))
    with torch.autocast("cpu", torch.bfloat16):
        features = features_of(model, pixels([scene.image for scene in scenes]))
    read = read_names(features, embedded)
    share, owner = truth[..., : len(NAMES)].max(dim=2)
    covered = share > 0.5
    assert features.shape[1] == CELLS**2
    return float((read == owner)[covered].float().mean())
