"""The model's input with parts of its pictures hidden: what occlusion and faithfulness both ask.

Cells are those of a view at scale 1.0. What is hidden shows the picture's blur, or its mean colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
from mmx_core.stages.passes import forward_positions, positions_of, predictions
from mmx_core.stages.prepare import Prepared

Fill = Literal["blur", "mean"]
FILLS: tuple[str, ...] = get_args(Fill)


class Perturber:
    """One sample's pictures with parts of them hidden, through the model.

    Args:
        adapter: The model's.
        prepared: The sample.
        fill: What is seen where a picture is hidden: its ``blur`` (the radius is an eighth of the
            shorter side) or its ``mean`` colour.

    Raises:
        ValueError: Unknown fill.
    """

    def __init__(self, adapter: ModelAdapter, prepared: Prepared, *, fill: Fill = "blur") -> None:
        if fill not in FILLS:
            raise ValueError(f"fill: expected one of {', '.join(FILLS)}, got {fill!r}")
        self._adapter = adapter
        self._prepared = prepared
        self._filled = blurred if fill == "blur" else _mean_colour
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

    def states(self, span: VisualSpan, keep: Tensor, positions: Tensor) -> Iterator[Tensor]:
        """Hidden states, as many ways of hiding at once as a forward takes.

        Args:
            span: The view in which cells are hidden.
            keep: ``(B, H, W)`` bool, the cells that are shown.
            positions: ``(B, R)`` int64, where states are read.

        Yields:
            ``(b, R, d)``, in order.
        """
        size = max(1, forward_positions(self._adapter) // positions_of(self.encoded))
        for some, at in zip(torch.split(keep, size), torch.split(positions, size), strict=True):
            hidden = self._adapter.forward(self._inputs(span, some))
            rows = torch.arange(len(at), device=hidden.device)[:, None]
            # Indexing copies, so that the batch's other states are freed before the next.
            kept = hidden[rows, at]
            del hidden
            yield kept

    def predict(
        self, keep: NDArray[np.bool_], tokens: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The prediction of one token for each way of hiding cells of the first view.

        Args:
            keep: ``(B, h, w)``, the cells that are shown.
            tokens: ``(B,)`` indices into the answer.

        Returns:
            ``(B,)`` probability of that token, and ``(B,)`` the model's first choice there.
        """
        parts = undisturbed(self._adapter.model, self._predict, keep, tokens)
        values, top = map(torch.cat, zip(*parts, strict=True))
        found = to_host({"probability": values.exp(), "top": top})
        return found["probability"].astype(np.float64), found["top"]

    def _predict(
        self, keep: NDArray[np.bool_], tokens: NDArray[np.integer]
    ) -> list[tuple[Tensor, Tensor]]:
        positions = self.encoded.predicting_positions
        chosen = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).to(positions.device)[:, None]
        answer = torch.tensor(self._prepared.answer_ids, device=positions.device)
        span = self.encoded.visual[0]
        found, done = [], 0
        for states in self.states(span, torch.from_numpy(keep), positions[chosen]):
            ids = answer[chosen[done : done + len(states), 0]]
            found.append(predictions(self._adapter, states[:, 0], ids))
            done += len(states)
        return found

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
