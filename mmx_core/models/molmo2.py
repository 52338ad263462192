"""Molmo 2: the whole image, then overlapping crops of it stitched together; frames whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from mmx_core.images import Clip, Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.image_settings import ReadsSettings
from mmx_core.models.layout import Box, Layout, Raster, View
from mmx_core.models.like_torchvision import (
    flat_patches,
    mode_of,
    normalised,
    pixels_of,
    resized,
)
from mmx_core.models.markers import known_id, required_id
from mmx_core.models.registry import register
from mmx_core.models.tiles import closest_tiles

_PATCH, _COLUMN = "<im_patch>", "<im_col>"
_STARTS = ("<low_res_im_start>", "<im_start>")
_END = "<im_end>"
_FRAME = ("<frame_start>", "<frame_end>")
_OTHERS = (*_FRAME, "<im_low>")


@register("molmo2")
class Molmo2Adapter(ReadsSettings, ModelAdapter):
    """Adapter of Molmo 2.

    An image is shown twice: as one square, and as a canvas of crops whose overlap the model leaves
    out, so that its tokens lie in one grid. At another scale the canvas has ``factor`` times as
    many crops along each side, rounded, at least one, beside the same square.

    Around the image's rows stand tokens as the released processors write them: columns are marked
    on the canvas alone. All tokens of images see each other.

    A frame of a video is shown as the square alone, at one size, pooled more than an image is, and
    stands behind its time. A sample has one video and no images beside it, or images.
    """

    frame_pooling: ClassVar[tuple[int, int]] = (3, 3)
    """Patches that become a frame's visual token, where no processor says otherwise."""

    defaults: ClassVar[Mapping[str, Any]] = {
        "size": {"height": 378, "width": 378},
        "resample": 2,
        "max_crops": 8,
        "overlap_margins": [4, 4],
        "patch_size": 14,
        "pooling_size": [2, 2],
    }

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
        return required_id(
            self.tokenizer, getattr(self.tokenizer, "image_token", None) or "<|image|>"
        )

    def layout(self, image: Image.Image, factor: float) -> Layout:
        side, patch = self._side, int(self.image_processor.patch_size)
        ids: list[int] = []
        rasters = []
        sizes = ((side, side), self._canvas(image, factor))
        for start, size, column in zip(_STARTS, sizes, ([], [_COLUMN]), strict=True):
            patches = (size[0] // patch, size[1] // patch)
            (rows, columns), box = self._pooled(patches, self.image_processor.pooling_size)
            row = [*[_PATCH] * columns, *column]
            first = len(ids) + 1
            ids += [required_id(self.tokenizer, token) for token in (start, *row * rows, _END)]
            offsets = [first + i * len(row) + j for i in range(rows) for j in range(columns)]
            rasters.append(Raster(offsets, (rows, columns), box))
        return Layout(tuple(ids), (View(tuple(rasters)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        return _joined([self._shown(image, factor) for image in images])

    @property
    def video_placeholder_id(self) -> int | None:
        return known_id(self.tokenizer, getattr(self.tokenizer, "video_token", None) or "<|video|>")

    def exchanged(self, videos: Sequence[Clip]) -> tuple[str, list[str]] | None:
        if not videos:
            return None
        mark = str(self.tokenizer.convert_ids_to_tokens(self.video_placeholder_id))
        return mark, [f"{video.seconds[0]:.1f} {mark}" for video in videos]

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        if len(pictures) > 1 and any(isinstance(picture, Clip) for picture in pictures):
            raise ValueError(
                f"pictures: expected one video or images, Molmo 2 takes no more; got "
                f"{len(pictures)}"
            )
        return super().layouts(pictures, factor)

    def video_layout(self, video: Clip, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(
                f"scale {factor:g}: expected 1, Molmo 2 sees frames at one size only; use "
                "scales=(1.0,)"
            )
        along = self._side // int(self.image_processor.patch_size)
        (rows, columns), box = self._pooled((along, along), self._frame_pooling)
        start, end = (required_id(self.tokenizer, token) for token in _FRAME)
        ids: list[int] = []
        views = []
        for index, second in enumerate(video.seconds):
            if index:
                text = f"{_FRAME[1]} {second:.1f} {_FRAME[0]}"
                ids += self.tokenizer(text, add_special_tokens=False)["input_ids"][1:-1]
            offsets = range(len(ids) + 1, len(ids) + 1 + rows * columns)
            ids += [start, *[required_id(self.tokenizer, _PATCH)] * (rows * columns), end]
            views.append(View((Raster(offsets, (rows, columns), box),), (index,)))
        return Layout(tuple(ids), tuple(views))

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        own, side, (video,) = self.image_processor, self._side, videos
        squares = [
            normalised(
                resized(pixels_of(frame), (side, side), mode=mode_of(own), smooth=False), own
            )
            for frame in video.frames
        ]
        patches = flat_patches(torch.cat(squares), int(own.patch_size))
        along = side // int(own.patch_size)
        places = torch.arange(patches.shape[1]).view(along, along)
        windows = self._windows(places, self._frame_pooling)
        pooling = [
            torch.where(windows >= 0, windows + n * patches.shape[1], windows)
            for n in range(len(patches))
        ]
        grid, _ = self._pooled((along, along), self._frame_pooling)
        return {
            "pixel_values_videos": patches,
            "video_token_pooling": torch.cat(pooling),
            "video_grids": torch.tensor([[len(patches), *grid]]),
        }

    @property
    def _frame_pooling(self) -> tuple[int, int]:
        own = getattr(self.processor, "video_processor", None)
        down, across = getattr(own, "pooling_size", self.frame_pooling)
        return int(down), int(across)

    def token_inputs(self, sequence: Tensor, prompt_length: int) -> dict[str, Tensor]:
        marks = [required_id(self.tokenizer, t) for t in (_PATCH, _COLUMN, *_STARTS, _END)]
        others = (known_id(self.tokenizer, token) for token in _OTHERS)
        marks += [token for token in others if token is not None]
        kinds = torch.isin(sequence, torch.tensor(marks)).long()
        kinds[:, prompt_length:] = 0
        return {"mm_token_type_ids": kinds}

    def collate(self, batch: Sequence[EncodedInput]) -> dict[str, Tensor]:
        joined = super().collate(batch)
        for names in (_NAMES, _VIDEO_NAMES):
            shown = [e.pixel_inputs for e in batch if names[0] in e.pixel_inputs]
            joined |= _joined(shown, names) if shown else {}
        return joined

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

    @property
    def _margin(self) -> int:
        """Pixels at both edges of a crop that its neighbours show."""
        return int(sum(self.image_processor.overlap_margins) * self.image_processor.patch_size)

    def _crops(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """Rows and columns of crops."""
        most, margin = int(self.image_processor.max_crops), self._margin
        grids = [(rows, columns) for rows in range(1, most + 1) for columns in range(1, most + 1)]
        size = (image.height - margin, image.width - margin)
        found = closest_tiles(grids, most, self._side - margin, size, dtype=torch.float32)
        if factor == 1.0:
            return found
        rows, columns = (max(1, int(count * factor + 0.5)) for count in found)
        return rows, columns

    def _canvas(self, image: Image.Image, factor: float) -> tuple[int, int]:
        """Height and width of the canvas, in pixels."""
        window = self._side - self._margin
        rows, columns = self._crops(image, factor)
        return rows * window + self._margin, columns * window + self._margin

    def _shown(self, image: Image.Image, factor: float) -> dict[str, Tensor]:
        """The model's input of one image: the square, then the crops."""
        own, side, window = self.image_processor, self._side, self._side - self._margin
        pixels, mode = pixels_of(image), mode_of(own)
        square, canvas = (
            normalised(resized(pixels, size, mode=mode, smooth=False), own)
            for size in ((side, side), self._canvas(image, factor))
        )
        crops = canvas[0].unfold(1, side, window).unfold(2, side, window).permute(1, 2, 0, 3, 4)
        patches = flat_patches(torch.cat([square, crops.flatten(0, 1)]), int(own.patch_size))
        count = patches.shape[1]
        along = side // int(own.patch_size)
        indices = [
            torch.arange(count).view(along, along),
            self._places(self._crops(image, factor)) + count,
        ]
        pool = own.pooling_size
        grids = [
            n for places in indices for n in self._pooled((len(places), len(places[0])), pool)[0]
        ]
        return {
            "pixel_values": patches,
            "image_token_pooling": torch.cat([self._windows(places, pool) for places in indices]),
            "image_grids": torch.tensor([grids]),
            "image_num_crops": torch.tensor([len(patches)]),
        }

    def _places(self, crops: tuple[int, int]) -> Tensor:
        """``(rows, columns)`` of the canvas: the number of each of its patches in the crops."""
        own = self.image_processor
        along, (before, after) = self._side // int(own.patch_size), own.overlap_margins
        window = along - before - after
        axes = []
        for count in crops:
            patches = torch.arange(count * window + before + after)
            # The first and the last crop keep the margins at the canvas's own edges.
            crop = ((patches - before) // window).clamp(0, count - 1)
            axes.append((crop, patches - crop * window))
        (row, down), (column, across) = axes
        crop = row[:, None] * crops[1] + column
        return crop * along**2 + down[:, None] * along + across

    def _windows(self, places: Tensor, pooling: Sequence[int]) -> Tensor:
        """``(tokens, patches)`` int32: which patches a token pools, -1 beyond the edge."""
        beyond: list[int] = []
        for count, pool in zip(places.shape, pooling, strict=True):
            missing = -count % pool
            beyond = [missing // 2, missing - missing // 2, *beyond]
        down, across = pooling
        filled = pad(places, beyond, value=-1).unfold(0, down, down).unfold(1, across, across)
        return filled.reshape(-1, down * across).int()

    def _pooled(
        self, patches: tuple[int, int], pooling: Sequence[int]
    ) -> tuple[tuple[int, int], Box]:
        """Rows and columns of visual tokens, and what they cover: beyond the edge, in part."""
        grid, starts, ends = [], [], []
        for count, pool in zip(patches, pooling, strict=True):
            tokens = -(-count // pool)
            before = (tokens * pool - count) // 2
            grid.append(tokens)
            starts.append(-before / count)
            ends.append((tokens * pool - before) / count)
        return (grid[0], grid[1]), (starts[0], starts[1], ends[0], ends[1])


_NAMES = ("pixel_values", "image_token_pooling", "image_grids", "image_num_crops")
_VIDEO_NAMES = ("pixel_values_videos", "video_token_pooling", "video_grids")


def _joined(parts: Sequence[Any], names: Sequence[str] = _NAMES) -> dict[str, Tensor]:
    """Several pictures' inputs as one: patches are counted through all of them."""
    pixels, windows = names[:2]
    pooling, before = [], 0
    for part in parts:
        own = part[windows]
        pooling.append(torch.where(own >= 0, own + before, own))
        before += part[pixels].shape[0] * part[pixels].shape[1]
    joined = {name: torch.cat([part[name] for part in parts]) for name in names}
    return {**joined, windows: torch.cat(pooling)}
