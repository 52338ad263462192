"""Training examples: a pure function of their index, so that a resumed run sees the same ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from demo import words
from demo.model import CELL_PIXELS, make_image_processor
from demo.scenes import PLAIN, TRAINING_SPLIT, Layout, generator, lay_out, paint

QUESTION_SHARE = 0.25
_OBJECT_SHARE = 0.25
"""A cell belongs to the object that covers most of it, if it covers this share."""


@dataclass(frozen=True)
class Stage:
    """One stretch of the curriculum.

    Attributes:
        name: For the log.
        steps: How many batches.
        sides: Image sides in pixels to draw from.
        counts: Numbers of objects to draw from.
        text_scenes: Visual positions carry the embeddings of their cell's words; no vision tower.
        rates: Factor on the learning rates at its first step and after its last, linear between.
        vision_only: The vision tower alone learns to put out its cells' words; no decoder.
        dense_weight: Weight of the loss at visual positions.
        exchanged: Each text stands behind the picture of the batch's next scene.
    """

    name: str
    steps: int
    sides: tuple[int, ...]
    counts: tuple[int, ...]
    rates: tuple[float, float]
    text_scenes: bool = False
    vision_only: bool = False
    dense_weight: float = 0.0
    exchanged: bool = False


def stage_of(stages: tuple[Stage, ...], step: int) -> tuple[Stage, int]:
    """The stage that a batch belongs to and its number there; the last stage goes on for ever."""
    for stage in stages[:-1]:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    return stages[-1], step


class SceneDataset(Dataset[dict[str, Any]]):
    """Examples in order; consecutive ``batch`` of them share one image size.

    Args:
        stages: The curriculum.
        batch: Examples per step.
        tokenizer: The demo's.
        seed: Seed of all scenes.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        *,
        batch: int,
        tokenizer: PreTrainedTokenizerFast,
        seed: int,
    ) -> None:
        self.stages, self.batch, self.seed = stages, batch, seed
        self.steps = sum(stage.steps for stage in stages)
        self._ids = dict(tokenizer.get_vocab())
        self._processor = make_image_processor()

    def __len__(self) -> int:
        return self.steps * self.batch

    def __getitem__(self, index: int) -> dict[str, Any]:
        step = index // self.batch
        stage, _ = stage_of(self.stages, step)
        layout, random = self._scene(index)
        questions = layout.questions()
        prompt, answer = words.CAPTION_PROMPT, layout.caption().text
        if questions and random.random() < QUESTION_SHARE:
            chosen = questions[int(random.integers(len(questions)))]
            prompt, answer = chosen.prompt, chosen.answer.text
        if stage.exchanged:
            layout, random = self._scene(step * self.batch + (index + 1) % self.batch)
        height, width = layout.size
        cells = (height // CELL_PIXELS) * (width // CELL_PIXELS)
        head = [words.TURN_START, "user", words.VISION_START]
        tail = [words.VISION_END, *prompt.split(), words.TURN_END, words.TURN_START, "assistant"]
        said = [*answer.split(), words.TURN_END]
        ids = [self._ids[word] for word in [*head, *[words.IMAGE] * cells, *tail, *said]]
        first, second = self._cell_words(layout.masks, layout.things, layout.texture)
        example: dict[str, Any] = {
            "ids": ids,
            "answer_length": len(said),
            "cell_words": np.stack([first, second], axis=1),
            "visual_start": len(head),
            "grid": (1, height // 8, width // 8),
            "text_scene": stage.text_scenes,
            "dense_weight": stage.dense_weight,
            "vision_only": stage.vision_only,
        }
        if not stage.text_scenes:
            example["pixel_values"] = self._processor(
                images=[paint(layout, random)], do_resize=False, return_tensors="pt"
            )["pixel_values"]
        return example

    def _scene(self, index: int) -> tuple[Layout, np.random.Generator]:
        """A scene, and what its question and its colours are drawn from."""
        step = index // self.batch
        stage, _ = stage_of(self.stages, step)
        size = _size(stage.sides, np.random.default_rng([self.seed, 7, step]))
        random = generator(TRAINING_SPLIT, self.seed, index)
        style = replace(PLAIN, name="training", counts=stage.counts, sides=stage.sides)
        return lay_out(style, random, size), random

    def _cell_words(
        self, masks: NDArray[np.bool_], things: tuple[words.Placed, ...], texture: str
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Two vocabulary ids per cell: colour and shape of its object, or of the background."""
        count, height, width = masks.shape
        covered = masks.reshape(
            count, height // CELL_PIXELS, CELL_PIXELS, width // CELL_PIXELS, CELL_PIXELS
        ).mean(axis=(2, 4))
        flat = covered.reshape(count, -1)
        owner = np.where(flat.max(axis=0) >= _OBJECT_SHARE, flat.argmax(axis=0), count)
        owner[flat.argmax(axis=1)] = np.arange(count)  # however small, each has one
        firsts = [self._ids[t.color] for t in things] + [self._ids[texture]]
        seconds = [self._ids[t.shape] for t in things] + [self._ids[words.BACKGROUND_WORD]]
        return np.asarray(firsts)[owner], np.asarray(seconds)[owner]


def _size(sides: tuple[int, ...], random: np.random.Generator) -> tuple[int, int]:
    while True:
        height, width = random.choice(sides, 2).tolist()
        if max(height, width) <= 1.6 * min(height, width):
            return int(height), int(width)


def collate(examples: list[dict[str, Any]], *, pad_id: int, image_id: int) -> dict[str, Tensor]:
    """Stacks examples of one image size; answers are padded on the right.

    Returns:
        ``input_ids``, ``attention_mask``, ``mm_token_type_ids``, ``labels`` ``(B, L)``;
        ``cell_words`` ``(B, N, 2)``; ``visual_start``; ``image_grid_thw``; ``dense_weight``;
        ``vision_only``; and ``pixel_values``, unless they are text scenes.
    """
    length = max(len(example["ids"]) for example in examples)
    ids = torch.full((len(examples), length), pad_id)
    labels = torch.full((len(examples), length), -100)
    for row, example in enumerate(examples):
        size, answer = len(example["ids"]), example["answer_length"]
        ids[row, :size] = torch.tensor(example["ids"])
        labels[row, size - answer : size] = ids[row, size - answer : size]
    lengths = torch.tensor([len(example["ids"]) for example in examples])
    batch = {
        "input_ids": ids,
        "attention_mask": (torch.arange(length)[None] < lengths[:, None]).long(),
        "mm_token_type_ids": (ids == image_id).int(),
        "labels": labels,
        "cell_words": torch.from_numpy(np.stack([e["cell_words"] for e in examples])),
        "visual_start": torch.tensor([e["visual_start"] for e in examples]),
        "image_grid_thw": torch.tensor([e["grid"] for e in examples]),
        "dense_weight": torch.tensor([e["dense_weight"] for e in examples]),
        "vision_only": torch.tensor([e["vision_only"] for e in examples]),
    }
    if not examples[0]["text_scene"]:
        batch["pixel_values"] = torch.cat([e["pixel_values"] for e in examples])
    return batch
