"""Idefics3: square tiles named by row and column, then the whole image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout
from mmx_core.models.registry import register
from mmx_core.models.tiles import Tiling, covered, marked_layout, shuffled_grid

NAMES = ("pixel_values", "pixel_attention_mask")


@register("idefics3")
class Idefics3Adapter(ModelAdapter):
    """Adapter for images cut into tiles that are named in the prompt.

    At scale 1.0 the image processor resizes and cuts as it always does. At another scale it is
    told another longest edge: its own times the factor. It fills up to whole tiles, so that a
    factor between two numbers of tiles gives the greater; and it goes no further than 4096 pixels.
    Where less than one tile would be left, the whole image alone is shown, smaller: the vision
    tower spreads its positions over what it is given. A processor that does not cut
    (``do_image_splitting=False``) is made to do so above scale 1.0.

    The vocabularies name six rows and columns. Further ones (beyond scale 1.5 where four tiles are
    the rule) are spelled out in ordinary tokens, as the families' processors have it.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        tiling = self._tiling(image, factor)
        grid, seen = shuffled_grid(tiling.side, self._patch, self._shuffle)
        boxes = [covered(box, seen) for box in tiling.boxes]
        grids = [(grid, grid)] * len(boxes)
        return marked_layout(self._marked_ids(tiling), self.placeholder_id, boxes, grids)

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        tilings = [self._tiling(image, factor) for image in images]
        encoded = self.image_processor(
            images=[list(images)],
            return_row_col_info=True,
            return_tensors="pt",
            # They depend on the processor and the factor, never on the image.
            **tilings[0].settings,
        )
        expected = [(tiling.rows, tiling.columns) for tiling in tilings]
        found = list(zip(encoded["rows"][0], encoded["cols"][0], strict=True))
        if found != expected:
            raise ValueError(
                f"image processor: expected (rows, columns) of tiles {expected}, got {found}"
            )
        tiles, side = sum(len(tiling.boxes) for tiling in tilings), tilings[0].side
        shape = tuple(encoded["pixel_values"].shape)
        if (shape[1], *shape[-2:]) != (tiles, side, side):
            raise ValueError(
                f"image processor: expected {tiles} tiles of {side}x{side} pixels, got {shape}"
            )
        return {name: encoded[name] for name in NAMES if name in encoded}

    def _tiling(self, image: Image.Image, factor: float) -> Tiling:
        from transformers.models.idefics3.image_processing_pil_idefics3 import MAX_IMAGE_SIZE

        processor = self.image_processor
        tile, edge = (self._edge(name) for name in ("max_image_size", "size"))
        cuts = bool(processor.do_image_splitting)
        if factor == 1.0:
            return Tiling(*(_rows_and_columns(image, edge, tile) if cuts else (0, 0)), tile)
        own = max(tile, min(edge, MAX_IMAGE_SIZE)) if cuts else tile
        longest = round(own * factor)
        if longest > MAX_IMAGE_SIZE:
            raise ValueError(
                f"scale {factor:g}: a longest edge of {longest} pixels, more than the processor's "
                f"{MAX_IMAGE_SIZE}; the largest usable scale is {MAX_IMAGE_SIZE / own:g}"
            )
        if longest >= tile:
            settings = {"size": {"longest_edge": longest}, "do_image_splitting": True}
            return Tiling(*_rows_and_columns(image, longest, tile), tile, settings)
        cell = self._patch * self._shuffle
        side = math.floor(longest / cell + 0.5) * cell
        if side == 0:
            raise ValueError(
                f"scale {factor:g}: a side of {longest} pixels leaves less than one visual token "
                f"of {cell}; the smallest usable scale is {cell / (2 * own):g}"
            )
        smaller = {"longest_edge": side}
        settings = {"size": smaller, "max_image_size": smaller, "do_image_splitting": False}
        return Tiling(0, 0, side, settings)

    def _edge(self, name: str) -> int:
        size = dict(getattr(self.image_processor, name))
        if not size.get("longest_edge"):
            raise ValueError(
                f"image processor: expected {name} to be {{'longest_edge': ...}}, got {size}"
            )
        return int(size["longest_edge"])

    def _marked_ids(self, tiling: Tiling) -> list[int]:
        """What the family's processor writes for an image, with one image token per tile."""
        around = self._around
        whole = getattr(self.tokenizer, "global_image_token", "<global-img>")
        image = self._image
        text = ""
        for row in range(tiling.rows):
            for column in range(tiling.columns):
                text += f"{around}<row_{row + 1}_col_{column + 1}>{image}"
            text += "\n"
        text += ("\n" if text else "") + around + whole + image + around
        return self._ids(text)

    def _ids(self, text: str) -> list[int]:
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    @property
    def _around(self) -> str:
        return str(getattr(self.tokenizer, "fake_image_token", "<fake_token_around_image>"))

    @property
    def _image(self) -> str:
        return str(self.tokenizer.convert_ids_to_tokens(self.placeholder_id))

    @property
    def _patch(self) -> int:
        return int(self.model.config.vision_config.patch_size)

    @property
    def _shuffle(self) -> int:
        """Patches along the side of a visual token."""
        return int(self.model.config.scale_factor)


def _rows_and_columns(image: Image.Image, longest: int, tile: int) -> tuple[int, int]:
    """Tiles of an image resized to a longest edge, then stretched to whole tiles.

    The processor's ``get_number_of_image_patches`` counts another number at some sizes.
    """
    from transformers.models.idefics3.image_processing_pil_idefics3 import (
        get_resize_output_image_size,
    )

    empty = np.broadcast_to(np.uint8(0), (3, image.height, image.width))
    height, width = get_resize_output_image_size(empty, longest)
    # The quotient of a quotient, as the processor takes it: a rounding error can cost a pixel.
    ratio = width / height
    if width >= height:
        columns = math.ceil(width / tile)
        rows = math.ceil(int(columns * tile / ratio) / tile)
    else:
        rows = math.ceil(height / tile)
        columns = math.ceil(int(rows * tile * ratio) / tile)
    return (0, 0) if rows == columns == 1 else (rows, columns)
