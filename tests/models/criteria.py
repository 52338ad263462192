"""What must hold for every family; each function states one claim and checks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from mmx_core.images import Clip
from mmx_core.models import EncodedInput, ModelAdapter, adapter_for
from tests.support.tiny_models import TinyModel

PROMPT = "describe the image ."
_TOGETHER = 4
"""Pictures that are encoded in one forward."""


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    """Coarse coloured noise: no two blocks alike."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST)


def build(tiny: TinyModel) -> ModelAdapter:
    return adapter_for(tiny.model, **tiny.parts)


def encode(
    adapter: ModelAdapter,
    images: Sequence[Image.Image],
    answer: Sequence[int] = (),
    factor: float = 1.0,
) -> EncodedInput:
    rendered = adapter.render(PROMPT, pictures=list(images))
    return adapter.encode(list(images), rendered, list(answer), factor=factor)


class _Stop(Exception):
    pass


def input_embeddings(adapter: ModelAdapter, encoded: EncodedInput) -> torch.Tensor:
    """``(L, d)``: what the decoder is given, visual tokens in their places."""
    return _decoder_inputs(adapter, encoded.inputs)[0]


def _decoder_inputs(adapter: ModelAdapter, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """``(B, L, d)`` of a batch."""
    kept: list[torch.Tensor] = []

    def keep(module, args, kwargs):
        kept.append(kwargs["inputs_embeds"])
        raise _Stop

    decoder = adapter.model.get_decoder()
    decoder = getattr(decoder, "model", decoder)  # Llama 4 hands out one with its head
    handle = decoder.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        with torch.no_grad():
            adapter.forward(inputs)
    except _Stop:
        pass
    finally:
        handle.remove()
    return kept[0]


@dataclass(frozen=True)
class Mapped:
    """How many changed blocks moved a token that covers them."""

    right: int
    tried: int
    wrong: list[str]


def causal_mapping(
    adapter: ModelAdapter,
    size: tuple[int, int],
    factor: float,
    *,
    blocks: int = 12,
    seed: int = 0,
    within: bool = False,
) -> Mapped:
    """Changing a block of pixels changes most the input embedding of a token that covers it.

    ``within``: of the tokens of the finest cells alone.
    """
    height, width = size
    pixels = np.asarray(noise(height, width, seed))
    plain = Image.fromarray(pixels)
    # All pictures are of one size, and so stand in one prompt in one way.
    rendered = adapter.render(PROMPT, pictures=[plain])
    layouts = adapter.layouts([plain], factor)

    def shown(picture: Image.Image) -> EncodedInput:
        return adapter.encode([picture], rendered, [], factor=factor, layouts=layouts)

    batch = [shown(plain)]
    (span,) = batch[0].visual
    rectangles = span.rectangles.numpy()
    areas = (rectangles[:, 2] - rectangles[:, 0]) * (rectangles[:, 3] - rectangles[:, 1])
    inside = (rectangles[:, :2] > -1e-9).all(1) & (rectangles[:, 2:] < 1 + 1e-9).all(1)
    fine = np.flatnonzero(inside & (areas <= areas.min() * 1.01))
    chosen = np.random.default_rng(seed).permutation(fine)[:blocks]
    for index in chosen:
        top, left, bottom, right_edge = rectangles[index] * [height, width, height, width]
        # Whole pixels, as near the cell as they come: cells may be two or three pixels wide.
        rows, columns = (
            slice(round(first), max(round(last), round(first) + 1))
            for first, last in ((top, bottom), (left, right_edge))
        )
        changed = pixels.copy()
        changed[rows, columns] = 255 - changed[rows, columns]
        batch.append(shown(Image.fromarray(changed)))
    # Not all at once: some towers look at a batch's pictures as one.
    parts = [batch[first : first + _TOGETHER] for first in range(0, len(batch), _TOGETHER)]
    states = torch.cat(
        [_decoder_inputs(adapter, adapter.collate(part))[:, span.positions] for part in parts]
    ).float()
    changes = (states[1:] - states[0]).norm(dim=2).numpy()
    right, wrong = 0, []
    for index, change in zip(chosen, changes, strict=True):
        moved = int(fine[change[fine].argmax()] if within else change.argmax())
        if _covers(rectangles[moved], rectangles[index]):
            right += 1
        else:
            wrong.append(f"block {rectangles[index].round(3)} moved {rectangles[moved].round(3)}")
    return Mapped(right, len(chosen), wrong)


def causal_frames(
    adapter: ModelAdapter, size: tuple[int, int], factor: float, *, frames: int = 3, blocks: int = 8
) -> Mapped:
    """Changing a block of one frame changes most a token of that frame's view that covers it."""
    height, width = size
    pixels = [np.asarray(noise(height, width, seed)) for seed in range(frames)]
    seconds = tuple(0.5 * frame for frame in range(frames))

    def clip(shown: Sequence[np.ndarray]) -> Clip:
        return Clip(tuple(Image.fromarray(frame) for frame in shown), seconds)

    rendered = adapter.render(PROMPT, pictures=[clip(pixels)])

    def states(shown: Sequence[np.ndarray]) -> tuple[EncodedInput, torch.Tensor]:
        encoded = adapter.encode([clip(shown)], rendered, [], factor=factor)
        return encoded, input_embeddings(adapter, encoded).float()

    encoded, before = states(pixels)
    spans = encoded.visual
    assert sorted({frame for span in spans for frame in span.view.frames}) == [*range(frames)]
    positions = torch.cat([span.positions for span in spans])
    rectangles = torch.cat([span.rectangles for span in spans]).numpy()
    view = np.repeat(range(len(spans)), [len(span.positions) for span in spans])
    inside = (rectangles[:, :2] > -1e-9).all(1) & (rectangles[:, 2:] < 1 + 1e-9).all(1)
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(inside))[:blocks]
    wrong = []
    for step, index in enumerate(chosen):
        held = spans[view[index]].view.frames
        frame = held[step % len(held)]
        top, left, bottom, right = rectangles[index] * [height, width, height, width]
        changed = [each.copy() for each in pixels]
        block = changed[frame][round(top) : round(bottom), round(left) : round(right)]
        block[:] = 255 - block
        change = (states(changed)[1] - before)[positions].norm(dim=1).numpy()
        moved = int(change.argmax())
        if view[moved] != view[index] or not _covers(rectangles[moved], rectangles[index]):
            wrong.append(f"block {rectangles[index].round(3)} of frame {frame} moved {moved}")
    return Mapped(len(chosen) - len(wrong), len(chosen), wrong)


def _covers(token: np.ndarray, block: np.ndarray) -> bool:
    """Whether a token's rectangle holds the block's centre.

    One of a coarser grid (the whole image's beside a tile's) may meet its neighbour just there: it
    has to hold two fifths of the block.
    """
    centre = (block[:2] + block[2:]) / 2
    if (token[:2] <= centre).all() and (centre <= token[2:]).all():
        return True
    sides, own = token[2:] - token[:2], block[2:] - block[:2]
    both = np.minimum(token[2:], block[2:]) - np.maximum(token[:2], block[:2])
    coarser = (sides > 1.05 * own).any()
    return bool(coarser and (both > 0).all() and both.prod() >= 0.4 * own.prod())


def naive_plane(rectangles: np.ndarray, values: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """``(T, N)`` values on ``(T, H, W)``, token by token and cell by cell."""
    rows, columns = grid
    total = np.zeros((len(values), rows, columns))
    area = np.zeros((rows, columns))
    for token, (top, left, bottom, right) in enumerate(rectangles):
        for i in range(rows):
            high = min(bottom, (i + 1) / rows) - max(top, i / rows)
            if high <= 0:
                continue
            for j in range(columns):
                wide = min(right, (j + 1) / columns) - max(left, j / columns)
                if wide > 0:
                    total[:, i, j] += high * wide * values[:, token]
                    area[i, j] += high * wide
    seen = area >= 0.01 / (rows * columns)
    return np.where(seen, total / np.where(seen, area, 1), np.nan)
