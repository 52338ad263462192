"""The second stage: connector and low-rank update learn to answer, the rest stays as it is.

Each scene is asked for its description or for how two of its objects stand to each other. A second
loss has some visual positions predict a token of their own object's name, as the demo's recipe
does: without it nothing trains the last layer there. It is switched off for the last fifth.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.pretrained import lora
from tests.benchmarks.pretrained.model import CELLS, TILE
from tests.benchmarks.pretrained.nouns import NAMES
from tests.benchmarks.pretrained.scenes import DESCRIBE, TRAINING, generator, make_scene
from tests.benchmarks.pretrained.targets import Embedded, cell_shares
from tests.benchmarks.pretrained.tower import pixels
from tests.support.tiny_models import TinyModel

BATCH, WARM_UP, RATE = 8, 4, 3e-3
QUESTIONS = 0.25
"""Share of scenes with a question."""
DENSE_WEIGHT, DENSE_UNTIL, DENSE_CELLS = 0.2, 0.8, 6
_SEED = 7
"""Beside the tower's scenes."""


@dataclass(frozen=True)
class Batch:
    """What one step is given.

    Attributes:
        ids: ``(B, L)``, padded on the right.
        labels: ``(B, L)``, -100 but for the answers.
        start: Of the visual tokens.
        given: ``(B, 3, TILE, TILE)`` pixels.
        cells: ``(B, DENSE_CELLS)`` visual tokens that an object covers, or -1.
        said: ``(B, DENSE_CELLS)`` a token of that object's name.
    """

    ids: Tensor
    labels: Tensor
    start: int
    given: Tensor
    cells: Tensor
    said: Tensor


def prompt_ids(tokenizer: Any, question: str) -> list[int]:
    """A question's ids, the visual tokens among them, as the adapter has them."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    around, image = tokenizer.fake_image_token, tokenizer.image_token
    shown = f"{around}{tokenizer.global_image_token}{image * CELLS**2}{around}"
    ids: list[int] = tokenizer(text.replace(image, shown), add_special_tokens=False)["input_ids"]
    return ids


def make_batch(tokenizer: Any, embedded: Embedded, *, seed: int, step: int) -> Batch:
    """A step's scenes, questions and answers."""
    rows, labels, images = [], [], []
    cells = torch.full((BATCH, DENSE_CELLS), -1)
    said = torch.zeros_like(cells)
    for row in range(BATCH):
        random = generator(TRAINING, seed + _SEED, step * BATCH + row)
        scene = make_scene(random, split=TRAINING, side=TILE)
        asked, answer = DESCRIBE, scene.description
        if len(scene.things) > 1 and random.random() < QUESTIONS:
            asked, answer = scene.question(random)
        head = prompt_ids(tokenizer, asked)
        tail = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        rows.append([*head, *tail])
        labels.append([-100] * len(head) + tail)
        images.append(scene.image)
        share = cell_shares(scene)[:, : len(NAMES)]
        covered = random.permutation(np.flatnonzero(share.max(axis=1) > 0.5))[:DENSE_CELLS]
        for place, cell in enumerate(covered):
            cells[row, place] = int(cell)
            tokens = embedded.tokens[int(share[cell].argmax())]
            said[row, place] = tokens[int(random.integers(len(tokens)))]
    length = max(map(len, rows))
    pad = tokenizer.pad_token_id
    return Batch(
        torch.tensor([row + [pad] * (length - len(row)) for row in rows]),
        torch.tensor([row + [-100] * (length - len(row)) for row in labels]),
        rows[0].index(tokenizer.convert_tokens_to_ids(tokenizer.image_token)),
        pixels(images),
        cells,
        said,
    )


def losses(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Of the answers' tokens, and of the visual positions' own names."""
    table = model.get_input_embeddings().weight
    with torch.no_grad():
        embeds = table[batch.ids]
        states = model.model.vision_model(pixel_values=batch.given).last_hidden_state
    features = model.model.connector(states).to(embeds.dtype)
    end = batch.start + CELLS**2
    joined = torch.cat([embeds[:, : batch.start], features, embeds[:, end:]], dim=1)
    # Padding lies behind all that is read.
    hidden = model.model.text_model(inputs_embeds=joined, use_cache=False).last_hidden_state
    asked = batch.labels[:, 1:] != -100
    answers = hidden[:, :-1][asked] @ table.T
    spoken = torch.nn.functional.cross_entropy(answers.float(), batch.labels[:, 1:][asked])
    row, place = (batch.cells >= 0).nonzero(as_tuple=True)
    seen = hidden[row, batch.start + batch.cells[row, place]] @ table.T
    named = torch.nn.functional.cross_entropy(seen.float(), batch.said[row, place])
    return spoken, named


def train_joint(
    made: TinyModel,
    embedded: Embedded,
    *,
    steps: int,
    seed: int,
    work: Path,
    save_every: int = 10,
) -> None:
    """Trains connector and low-rank update, resuming from ``work``.

    Args:
        made: Its tower trained, :func:`lora.add` called on its decoder; changed in place.
        embedded: The nouns' tokens.
        steps: Of the whole stage.
        seed: Of the scenes.
        work: Where states are kept.
        save_every: Steps between them.
    """
    model = made.model
    connector, update = model.model.connector, lora.learnt(model.model.text_model)
    optimizer = torch.optim.AdamW(
        [
            {"params": list(update.values()), "lr": RATE},
            {"params": list(connector.parameters()), "lr": RATE / 10},
        ],
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    base = [group["lr"] for group in optimizer.param_groups]
    state, start = work / "joint.pt", 0
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        connector.load_state_dict(kept["connector"])
        with torch.no_grad():
            for name, value in update.items():
                value.copy_(kept["update"][name])
        optimizer.load_state_dict(kept["optimizer"])
        start = kept["step"]
    began = time.process_time()
    for step in range(start, steps):
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * min(1.0, (step + 1) / WARM_UP) * (1 - 0.9 * step / steps)
        with torch.autocast("cpu", torch.bfloat16):
            spoken, named = losses(
                model, make_batch(made.tokenizer, embedded, seed=seed, step=step)
            )
        optimizer.zero_grad()
        weight = DENSE_WEIGHT if step < DENSE_UNTIL * steps else 0.0
        (spoken + weight * named).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*update.values(), *connector.parameters()], 1.0)
        optimizer.step()
        spent = time.process_time() - began
        print(
            f"joint {step + 1}: answers {spoken.item():.3f}, cells {named.item():.3f}, "
            f"{spent:.0f} s",
            flush=True,
        )
        if (step + 1) % save_every == 0 or step + 1 == steps:
            kept = {"connector": connector.state_dict(), "step": step + 1}
            kept |= {"update": lora.learnt(model.model.text_model)}
            torch.save({**kept, "optimizer": optimizer.state_dict()}, state.with_suffix(".new"))
            state.with_suffix(".new").replace(state)
