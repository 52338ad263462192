"""The model's input with parts of its pictures hidden: what occlusion and faithfulness both ask.

Cells are those of a view at scale 1.0. What is hidden shows the picture's blur, its mean colour, or
another picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture, frames_of
from mmx_core.models.base import ModelAdapter
from mmx_core.models.batching import blurred, mixed
from mmx_core.models.layout import VisualSpan
from mmx_core.models.running import to_host, undisturbed
from mmx_core.stages.passes import (
    forward_positions,
    log_probabilities,
    positions_of,
    predictions,
)
from mmx_core.stages.prepare import Prepared
from mmx_core.text.tokens import neutral_token

Fill = Literal["blur", "mean", "other"]
FILLS: tuple[str, ...] = get_args(Fill)


class Perturber:
    """One sample's pictures with parts of them hidden, through the model.

    Args:
        adapter: The model's.
        prepared: The sample.
        fill: What is seen where a picture is hidden: its ``blur`` (the radius is an eighth of the
            shorter side), its ``mean`` colour, or an ``other`` picture.
        other: That picture, brought to the size of the one that it hides.

    Raises:
        ValueError: Unknown fill; no other picture where one is asked for, or one that is not.
    """

    def __init__(
        self,
        adapter: ModelAdapter,
        prepared: Prepared,
        *,
        fill: Fill = "blur",
        other: Image.Image | None = None,
    ) -> None:
        if fill not in FILLS:
            raise ValueError(f"fill: expected one of {', '.join(FILLS)}, got {fill!r}")
        if (fill == "other") != (other is not None):
            told = "none" if other is None else "one"
            raise ValueError(
                f"other: expected a picture if fill is 'other', got {told} and {fill!r}"
            )
        self._adapter = adapter
        self._prepared = prepared
        self._filled = {"blur": blurred, "mean": _mean_colour}.get(
            fill, partial(_in_place_of, other)
        )
        # To the model's own input size first, where it has one, so that whole pixels are exchanged.
        self._pictures = tuple(
            picture if isinstance(picture, Clip) else adapter.input_image(picture)
            for picture in prepared.pictures
        )
        self.encoded = adapter.encode(
            self._pictures, prepared.rendered, prepared.answer_ids, factor=1.0
        )

    @property
    def grid(self) -> tuple[int, int]:
        """``(h, w)`` cells of the first view."""
        return self.encoded.visual[0].grid

    def states(
        self, span: VisualSpan, keep: Tensor, positions: Tensor, words: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Hidden states, as many ways of hiding at once as a forward takes.

        Args:
            span: The view in which cells are hidden.
            keep: ``(B, H, W)`` bool, the cells that are shown.
            positions: ``(B, R)`` int64, where states are read.
            words: ``(B, C)`` bool, the context tokens that are left; a neutral one is in the place
                of the others. None: all are left.

        Yields:
            ``(b, R, d)``, in order.
        """
        size = max(1, forward_positions(self._adapter) // positions_of(self.encoded))
        for first in range(0, len(keep), size):
            some, at = keep[first : first + size], positions[first : first + size]
            inputs = self._inputs(span, some)
            if words is not None:
                inputs = self._left(inputs, words[first : first + size])
            hidden = self._adapter.forward(inputs)
            rows = torch.arange(len(at), device=hidden.device)[:, None]
            # Indexing copies, so that the batch's other states are freed before the next.
            kept = hidden[rows, at]
            del hidden
            yield kept

    def predict(
        self,
        keep: NDArray[np.bool_],
        tokens: NDArray[np.integer],
        words: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The prediction of one token for each way of hiding cells of the first view.

        Args:
            keep: ``(B, h, w)``, the cells that are shown.
            tokens: ``(B,)`` indices into the answer.
            words: ``(B, C)``, the context tokens that are left, as in :meth:`states`.

        Returns:
            ``(B,)`` probability of that token, and ``(B,)`` the model's first choice there.
        """
        parts = undisturbed(self._adapter.model, self._predict, keep, tokens, words)
        values, top = map(torch.cat, zip(*parts, strict=True))
        found = to_host({"probability": values.exp(), "top": top})
        return found["probability"].astype(np.float64), found["top"]

    def log_probabilities(self, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of every token of the answer, for each way of hiding cells of the first view.

        Args:
            keep: ``(B, h, w)``, the cells that are shown.

        Returns:
            ``(B, T)`` nats.
        """
        parts = undisturbed(self._adapter.model, self._log_probabilities, keep)
        return to_host({"found": torch.cat(parts)})["found"].astype(np.float64)

    def _log_probabilities(self, keep: NDArray[np.bool_]) -> list[Tensor]:
        positions = self.encoded.predicting_positions
        answer = torch.tensor(self._prepared.answer_ids, device=positions.device)
        at = positions.expand(len(keep), -1)
        states = self.states(self.encoded.visual[0], torch.from_numpy(keep), at)
        return [log_probabilities(self._adapter, some, answer) for some in states]

    def _predict(
        self,
        keep: NDArray[np.bool_],
        tokens: NDArray[np.integer],
        words: NDArray[np.bool_] | None,
    ) -> list[tuple[Tensor, Tensor]]:
        positions = self.encoded.predicting_positions
        chosen = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).to(positions.device)[:, None]
        answer = torch.tensor(self._prepared.answer_ids, device=positions.device)
        span = self.encoded.visual[0]
        left = None if words is None else torch.from_numpy(words)
        found, done = [], 0
        for states in self.states(span, torch.from_numpy(keep), positions[chosen], left):
            ids = answer[chosen[done : done + len(states), 0]]
            found.append(predictions(self._adapter, states[:, 0], ids))
            done += len(states)
        return found

    def _left(self, inputs: Mapping[str, Tensor], words: Tensor) -> Mapping[str, Tensor]:
        """The inputs with a neutral token in the place of words that are not left."""
        ids = inputs["input_ids"].clone()
        at = self.encoded.context_positions.to(ids.device)
        neutral = ids.new_tensor(neutral_token(self._adapter.tokenizer))
        ids[:, at] = torch.where(words.to(ids.device), ids[:, at], neutral)
        return {**inputs, "input_ids": ids}

    def _inputs(self, span: VisualSpan, keep: Tensor) -> Mapping[str, Tensor]:
        """What the model's forward takes, ``keep`` ``(b, H, W)`` as above."""
        adapter, prepared = self._adapter, self._prepared
        picture = self._pictures[span.picture]
        if len(self._pictures) == 1 and not isinstance(picture, Clip):
            return adapter.perturbed(
                picture, self._filled(picture), keep, prepared.rendered, prepared.answer_ids
            )
        changed = span.view.frames or (0,)
        # Per frame as many pictures as there are ways to hide a part of it.
        columns = [
            mixed(frame, self._filled(frame), keep) if index in changed else [frame] * len(keep)
            for index, frame in enumerate(frames_of(picture))
        ]
        return adapter.collate(
            [
                adapter.encode(
                    _replaced(self._pictures, span.picture, row),
                    prepared.rendered,
                    prepared.answer_ids,
                    factor=1.0,
                )
                for row in zip(*columns, strict=True)
            ]
        )


def _replaced(
    pictures: Sequence[Picture], index: int, frames: Sequence[Image.Image]
) -> list[Picture]:
    found = list(pictures)
    old = found[index]
    found[index] = replace(old, frames=tuple(frames)) if isinstance(old, Clip) else frames[0]
    return found


def _mean_colour(image: Image.Image) -> Image.Image:
    color = np.asarray(image, dtype=np.float64).mean(axis=(0, 1)).round().astype(int).tolist()
    return Image.new("RGB", image.size, tuple(color))


def _in_place_of(other: Image.Image | None, image: Image.Image) -> Image.Image:
    """Another picture, as large as one."""
    if other is None:
        raise ValueError("other: expected a picture, got none")
    return other.convert("RGB").resize(image.size, Image.Resampling.BICUBIC)
