"""InternVL: square tiles in raster order, then a thumbnail of the whole image."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import cast

import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Clip, Picture
from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import WHOLE, Box, Layout, Raster, View
from mmx_core.models.markers import required_id
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling, covered, marked_layout, shuffled_grid


class TiledAdapter(ModelAdapter):
    """Adapter for images cut into tiles.

    At scale 1.0 the image processor cuts as the family's processor has it cut. At another scale
    the rows and columns of tiles are those of scale 1.0 times the factor, rounded, at least one by
    one; a tile keeps its size, and with more than one there is a thumbnail. So a single tile
    becomes two by two at 1.5 and at 2 alike. Where less than one tile would be left, it is one,
    smaller: the vision tower interpolates its positions.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        tiling = self._tiling(image, factor)
        grid, seen = shuffled_grid(tiling.side, self._patch, self._shuffle)
        boxes = [covered(box, seen) for box in self._boxes(tiling)]
        grids = [(grid, grid)] * len(boxes)
        return marked_layout(self._marked_ids(tiling), self.placeholder_id, boxes, grids)

    def _boxes(self, tiling: Tiling) -> list[Box]:
        """What the tiles show, in the order of the text."""
        return tiling.boxes

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        """What stands for an image, with one placeholder per tile."""
        start, end = self._ends()
        return [start, *[self.placeholder_id] * len(tiling.boxes), end]

    def _ends(self) -> tuple[int, int]:
        """Ids before and after an image's visual tokens."""
        start = required_id(self.tokenizer, getattr(self.tokenizer, "start_image_token", "<img>"))
        return start, required_id(
            self.tokenizer, getattr(self.tokenizer, "end_image_token", "</img>")
        )

    def layouts(self, pictures: Sequence[Picture], factor: float) -> list[Layout]:
        sides = sorted({self._side_of(picture, factor) for picture in pictures})
        if len(sides) > 1:
            raise ValueError(
                f"scale {factor:g}: pictures of one sample need tiles of one size, got tiles of "
                f"{' and '.join(map(str, sides))} pixels; leave the scale out"
            )
        return super().layouts(pictures, factor)

    def _side_of(self, picture: Picture, factor: float) -> int:
        """Pixels of the tiles that show a picture."""
        if isinstance(picture, Clip):
            return self._tile_side
        return self._tiling(picture, factor).side

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        tilings = [self._tiling(image, factor) for image in images]
        if factor != 1.0:
            parts = [self._cut(*pair) for pair in zip(images, tilings, strict=True)]
            return {"pixel_values": torch.cat(parts)}
        encoded = self.image_processor(
            images=list(images), crop_to_patches=True, return_tensors="pt"
        )
        expected = [len(tiling.boxes) for tiling in tilings]
        found = [int(count) for count in encoded["num_patches"]]
        if found != expected:
            raise ValueError(f"image processor: expected {expected} tiles per image, got {found}")
        return {"pixel_values": encoded["pixel_values"]}

    def _tiling(self, image: Image.Image, factor: float) -> Tiling:
        side = self._tile_side
        rows, columns = self._own_tiles(image, side)
        tiling = Tiling(rows, columns, side)
        if factor == 1.0:
            return tiling
        longest = max(rows, columns)
        if longest * factor >= 1:
            return Tiling(_rounded(rows * factor) or 1, _rounded(columns * factor) or 1, side)
        cell = self._patch * self._shuffle
        smaller = _rounded(longest * factor * side / cell) * cell
        if smaller == 0:
            raise ValueError(
                f"scale {factor:g}: a tile of {side} pixels leaves less than one visual token of "
                f"{cell}; the smallest usable scale is {cell / (2 * longest * side):g}"
            )
        return Tiling(1, 1, smaller)

    @property
    def _tile_side(self) -> int:
        """Pixels of a whole tile's side."""
        size = self.image_processor.size
        side, width = int(size["height"]), int(size["width"])
        if side != width:
            raise ValueError(f"image processor: expected square tiles, got {side} x {width} pixels")
        return side

    def _own_tiles(self, image: Image.Image, side: int) -> tuple[int, int]:
        """Rows and columns that the image processor cuts."""
        processor = self.image_processor
        rows = columns = 1
        if processor.max_patches > 1:
            columns, rows = self._canvas(
                (image.height, image.width),
                (side, side),
                processor.min_patches,
                processor.max_patches,
            )
        expected = len(Tiling(rows, columns, side).boxes)
        found = processor.get_number_of_image_patches(
            image.height, image.width, {"crop_to_patches": True}
        )
        if found != expected:
            raise ValueError(
                f"image processor: expected {expected} tiles for {image.width}x"
                f"{image.height}, {type(processor).__name__} makes {found}; its way of cutting is "
                "unknown here"
            )
        return rows, columns

    @property
    def _canvas(self) -> Callable[..., tuple[int, int]]:
        return self._beside_processor("get_optimal_tiled_canvas")

    def _beside_processor(self, name: str) -> Callable[..., tuple[int, int]]:
        """A function beside the image processor: families choose their grids differently."""
        for kind in type(self.image_processor).__mro__:
            found = getattr(sys.modules[kind.__module__], name, None)
            if found is not None:
                return cast("Callable[..., tuple[int, int]]", found)
        raise ValueError(
            f"image processor: expected one that cuts an image into tiles, got "
            f"{type(self.image_processor).__name__}"
        )

    def _cut(self, image: Image.Image, tiling: Tiling) -> Tensor:
        side = tiling.side
        resized = self._resized(image, tiling.rows * side, tiling.columns * side)
        tiles = resized.unfold(1, side, side).unfold(2, side, side).permute(1, 2, 0, 3, 4)
        tiles = tiles.flatten(0, 1)
        if len(tiles) == 1:
            return tiles.contiguous()
        return torch.cat([tiles, self._resized(image, side, side)[None]])

    def _resized(self, image: Image.Image, height: int, width: int) -> Tensor:
        """``(3, height, width)`` by the processor's own interpolation and normalisation."""
        encoded = self.image_processor(
            images=[image],
            crop_to_patches=False,
            do_resize=True,
            size={"height": height, "width": width},
            return_tensors="pt",
        )
        return encoded["pixel_values"][0]

    @property
    def _patch(self) -> int:
        patch = self.model.config.vision_config.patch_size
        return int(patch if isinstance(patch, int) else patch[0])

    @property
    def _shuffle(self) -> int:
        """Patches along the side of a visual token."""
        return int(1 / self.model.config.downsample_ratio)


@register("internvl", "qianfan_ocr")
class InternVLAdapter(TiledAdapter):
    """InternVL: tiles of an image, and a video's frames, each stretched to one."""

    def picture_inputs(self, pictures: Sequence[Picture], factor: float) -> dict[str, Tensor]:
        if len({isinstance(picture, Clip) for picture in pictures}) < 2:
            return super().picture_inputs(pictures, factor)
        # Tiles and frames go together, in the order of the text.
        parts = [super(InternVLAdapter, self).picture_inputs([p], factor) for p in pictures]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _side_of(self, picture: Picture, factor: float) -> int:
        own = isinstance(picture, Clip)
        return self._frame_side(factor) if own else super()._side_of(picture, factor)

    @property
    def video_placeholder_id(self) -> int:
        return required_id(self.tokenizer, getattr(self.tokenizer, "video_token", "<video>"))

    def video_layout(self, video: Clip, factor: float) -> Layout:
        grid, seen = shuffled_grid(self._frame_side(factor), self._patch, self._shuffle)
        start, end = self._ends()
        ids: list[int] = []
        views = []
        for index in range(len(video.frames)):
            text = f"\nFrame{index + 1}: " if index else "Frame1: "
            ids += self.tokenizer(text, add_special_tokens=False)["input_ids"]
            offsets = range(len(ids) + 1, len(ids) + 1 + grid * grid)
            ids += [start, *[self.placeholder_id] * (grid * grid), end]
            views.append(View((Raster(offsets, (grid, grid), covered(WHOLE, seen)),), (index,)))
        return Layout(tuple(ids), tuple(views))

    def video_inputs(self, videos: Sequence[Clip], factor: float) -> dict[str, Tensor]:
        side = self._frame_side(factor)
        frames = [frame for video in videos for frame in video.frames]
        return {"pixel_values": torch.stack([self._resized(f, side, side) for f in frames])}

    def _frame_side(self, factor: float) -> int:
        """Pixels of the square that a frame is stretched to: a tile's, times the factor."""
        cell = self._patch * self._shuffle
        side = self._tile_side
        made = side if factor == 1.0 else _rounded(side * factor / cell) * cell
        if made == 0:
            raise ValueError(
                f"scale {factor:g}: a frame of {side} pixels leaves less than one visual token of "
                f"{cell}; the smallest usable scale is {cell / (2 * side):g}"
            )
        return made


def _rounded(number: float) -> int:
    """Halves go up: towards the finer grid."""
    return int(number + 0.5)
