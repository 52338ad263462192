"""Tiles of a tower that takes one size: what would be less than a tile stands on a canvas."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from mmx_core.models.internvl import TiledAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.tiles import Tiling

_SHOWN = "shown"


class OneSizeTiled(TiledAdapter):
    """Tiles as in InternVL, of one size whatever the scale.

    Where less than one tile would be left, the image is shrunk by whole cells and centred on a grey
    canvas, whose other tokens show nothing and count nowhere.
    """

    def layout(self, image: Image.Image, factor: float) -> Layout:
        layout = super().layout(image, factor)
        shown = self._tiling(image, factor).settings.get(_SHOWN)
        if shown is None:
            return layout
        (raster,) = layout.views[0].rasters
        count = raster.grid[0]
        places = range((count - shown) // 2, (count - shown) // 2 + shown)
        offsets = [raster.offsets[i * count + j] for i in places for j in places]
        return Layout(layout.ids, (View((Raster(offsets, (shown, shown)),)),))

    def _tiling(self, image: Image.Image, factor: float) -> Tiling:
        tiling = super()._tiling(image, factor)
        side = self._tile_side
        if tiling.side == side:
            return tiling
        return Tiling(1, 1, side, {_SHOWN: tiling.side // (self._patch * self._shuffle)})

    def _cut(self, image: Image.Image, tiling: Tiling) -> Tensor:
        shown, side = tiling.settings.get(_SHOWN), tiling.side
        if shown is None:
            return super()._cut(image, tiling)
        cell = self._patch * self._shuffle
        count = side // cell
        grey = tuple(round(255 * mean) for mean in self.image_processor.image_mean)
        canvas = Image.new("RGB", (side, side), grey)
        start = (count - shown) // 2 * cell
        shrunk = image.resize((shown * cell, shown * cell), Image.Resampling.BICUBIC)
        canvas.paste(shrunk, (start, start))
        return self._resized(canvas, side, side)[None]
