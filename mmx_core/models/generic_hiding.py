"""Models of a class without an adapter, explained by hiding parts of one plain picture."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from mmx_core.models.generic import GenericAdapter
from mmx_core.models.layout import Layout, placeless


class GenericHidingAdapter(GenericAdapter):
    """Adapter of a model of which it is not asked where its visual tokens lie.

    How many a picture has is counted by running the model. As in :class:`GenericAdapter`, images
    are resized to one picture, and what stands around them is the chat template's.
    """

    placeless = "nothing was measured of the places of this class's visual tokens"

    def layout(self, image: Image.Image, factor: float) -> Layout:
        if factor != 1.0:
            raise ValueError(f"scale {factor:g}: expected 1, occlusion has no other here")
        pixels = self._processed(image)
        size = (int(pixels.shape[-2]), int(pixels.shape[-1]))
        if size not in self._counts:
            self._counts[size] = len(self._tokens(pixels))
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self.model).__name__} has no adapter of its own. Counted: "
                f"{self._counts[size]} visual tokens for a picture of {size[1]}x{size[0]} pixels. "
                "Assumed: the model's processor puts nothing between them and nothing else in the "
                "placeholder's place",
                stacklevel=3,
            )
        return Layout((self.placeholder_id,) * self._counts[size], (placeless(image.size),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        return {"pixel_values": torch.cat([self._processed(image) for image in images])}
