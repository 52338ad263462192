"""Molmo 2: the whole image, then overlapping crops of it stitched together and pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.layout import Box, Layout, Raster, View
from mmx_core.models.registry import register

_PATCH, _COLUMN = "<im_patch>", "<im_col>"
_STARTS = ("<low_res_im_start>", "<im_start>")
_END = "<im_end>"
_OTHERS = ("<frame_start>", "<frame_end>", "<im_low>")


@register("molmo2")
class Molmo2Adapter(ModelAdapter):
    """Adapter of Molmo 2.

    An image is shown twice: as one square, and as a canvas of crops whose overlap the model leaves
    out, so that its tokens lie in one grid. At another scale the canvas has ``factor`` times as
    many crops along each side, rounded, at least one, beside the same square.

    Around the image's rows stand tokens as the released processors write them: columns are marked
    on the canvas alone. All tokens of images see each other.
    """

    def __init__(self, model: Any, *, chat_template: str | None = None, **parts: Any) -> None:
        super().__init__(model, chat_template=chat_template, **parts)
        tokenizer = self.tokenizer
        if chat_template or getattr(tokenizer, "chat_template", None):
            # The processor begins a prompt so where the template does not.
            opening = tokenizer.bos_token or tokenizer.eos_token
            source = tokenizer.get_chat_template(chat_template).removesuffix("\n")
            self.chat_template = (
                "{% set rendered %}\n" + source + "{% endset %}{{ '' if rendered.startswith('"
                f"{opening}') else '{opening}' }}}}{{{{ rendered }}}}"
            )

    @property
    def placeholder_id(self) -> int:
        return self._id(getattr(self.tokenizer, "image_token", None) or "<|image|>")

    def layout(self, image: Image.Image, factor: float) -> Layout:
        side, patch = self._side, int(self.image_processor.patch_size)
        ids: list[int] = []
        rasters = []
        sizes = ((side, side), self._canvas(image, factor))
        for start, size, column in zip(_STARTS, sizes, ([], [_COLUMN]), strict=True):
            patches = (size[0] // patch, size[1] // patch)
            (rows, columns), box = self._pooled(patches)
            row = [*[_PATCH] * columns, *column]
            first = len(ids) + 1
            ids += map(self._id, [start, *row * rows, _END])
            offsets = [first + i * len(row) + j for i in range(rows) for j in range(columns)]
            rasters.append(Raster(offsets, (rows, columns), box))
        return Layout(tuple(ids), (View(tuple(rasters)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        expected = [
            [n for raster in self.layout(image, factor).views[0].rasters for n in raster.grid]
            for image in images
        ]
        if factor == 1.0:
            made = self.image_processor(images=list(images), return_tensors="pt")
            parts = {name: made[name] for name in _NAMES}
        else:
            parts = _joined([self._on_canvas(image, factor) for image in images])
        if parts["image_grids"].tolist() != expected:
            raise ValueError(
                f"image processor: expected grids {expected} at scale {factor:g}, got "
                f"{parts['image_grids'].tolist()}"
            )
        return parts

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        marks = [self._id(t) for t in (_PATCH, _COLUMN, *_STARTS, _END)]
        marks += [token for token in map(self._known, _OTHERS) if token is not None]
        kinds = torch.isin(sequence, torch.tensor(marks)).long()
        kinds[:, prompt_length:] = 0
        return {"mm_token_type_ids": kinds}

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        shown = [e.pixel_inputs for e in batch if "pixel_values" in e.pixel_inputs]
        return {**super().collate(batch), **(_joined(shown) if shown else {})}

    @property
    def _side(self) -> int:
        """Pixels of a crop."""
        size = self.image_processor.size
        height, width = int(size["height"]), int(size["width"])
        own = self.model.config.vision_config
        if [height, width] != list(own.image_size) or self.image_processor.patch_size != (
            own.patch_size
        ):
            raise ValueError(
                f"image processor: expected crops of {own.image_size} pixels in patches of "
                f"{own.patch_size}, got {[height, width]} and {self.image_processor.patch_size}"
            )
        return height

    def _canvas(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """Height and width of the canvas, in pixels."""
        from transformers.models.molmo2.image_processing_molmo2 import compute_crop_geometry

        own, side = self.image_processor, self._side
        rows, columns, height, width = compute_crop_geometry(
            image.height, image.width, own.max_crops, own.overlap_margins, side, own.patch_size
        )
        if factor == 1.0:
            return height, width
        margin = sum(own.overlap_margins) * own.patch_size
        tall, wide = (max(1, int(n * factor + 0.5)) for n in (rows, columns))
        return tall * (side - margin) + margin, wide * (side - margin) + margin

    def _on_canvas(self, image: Image.Image, factor: float) -> dict[str, Tensor]:
        """Of an image that has the canvas's size already the processor cuts as many crops."""
        own = self.image_processor
        height, width = self._canvas(image, factor)
        margin = sum(own.overlap_margins) * own.patch_size
        window = self._side - margin
        crops = (height - margin) // window * ((width - margin) // window)
        shown = image.resize((width, height), Image.Resampling.BILINEAR)
        made = own(images=[shown], max_crops=crops, return_tensors="pt")
        return {name: made[name] for name in _NAMES}

    def _pooled(self, patches: tuple[int, int]) -> tuple[tuple[int, int], Box]:
        """Rows and columns of visual tokens, and what they cover: beyond the edge, in part."""
        grid, starts, ends = [], [], []
        for count, pool in zip(patches, self.image_processor.pooling_size, strict=True):
            tokens = -(-count // pool)
            before = (tokens * pool - count) // 2
            grid.append(tokens)
            starts.append(-before / count)
            ends.append((tokens * pool - before) / count)
        return (grid[0], grid[1]), (starts[0], starts[1], ends[0], ends[1])

    def _known(self, token: str) -> int | None:
        found = self.tokenizer.convert_tokens_to_ids(token)
        return None if found is None or found == self.tokenizer.unk_token_id else int(found)

    def _id(self, token: str) -> int:
        found = self._known(token)
        if found is None:
            raise ValueError(f"tokenizer: expected {token!r} in its vocabulary")
        return found


_NAMES = ("pixel_values", "image_token_pooling", "image_grids", "image_num_crops")


def _joined(parts: Sequence[Any]) -> dict[str, Tensor]:
    """Several images' inputs as one: patches are counted through all of them."""
    pooling, before = [], 0
    for part in parts:
        own = part["image_token_pooling"]
        pooling.append(torch.where(own >= 0, own + before, own))
        before += part["pixel_values"].shape[0] * part["pixel_values"].shape[1]
    joined = {name: torch.cat([part[name] for part in parts]) for name in _NAMES}
    return {**joined, "image_token_pooling": torch.cat(pooling)}
