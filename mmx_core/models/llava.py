"""LLaVA-1.5 and what is built like it: one picture of fixed size through CLIP or SigLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Layout, Raster, View
from mmx_core.models.registry import register
from mmx_core.models.square import forward_with_features, processor_sizes, seen_box


@register("llava")
class LlavaAdapter(ModelAdapter):
    """Fixed-resolution adapter.

    The image processor resizes the shorter side and crops the centre, so that the ends of a long
    image are not seen: their cells are NaN. One that pads to a square shows the whole image.

    At another scale the same part of the image is taken at a resolution ``factor`` times the own,
    in whole patches, and the tower interpolates its position embeddings.
    """

    @property
    def _patch(self) -> int:
        return int(self.model.config.vision_config.patch_size)

    def _side(self, factor: float) -> int:
        """Pixels of the square that the tower sees."""
        native = int(self.model.config.vision_config.image_size)
        if factor == 1.0:
            return native
        side = round(native * factor / self._patch) * self._patch
        if side == 0:
            raise ValueError(
                f"scale {factor:g}: {native}x{native} input pixels leave less than one patch of "
                f"{self._patch}x{self._patch}; the smallest usable scale is "
                f"{self._patch / native:g}"
            )
        return side

    def _class_tokens(self) -> int:
        """Tokens before the patches that show no part of the image."""
        config = self.model.config
        own = 1 if "clip" in config.vision_config.model_type else 0
        if config.vision_feature_select_strategy == "default":
            if not own:
                raise ValueError(
                    "model: vision_feature_select_strategy 'default' drops the first patch of a "
                    f"{config.vision_config.model_type}, which has no class token; expected 'full'"
                )
            return 0
        return own

    def layout(self, image: Image.Image, factor: float) -> Layout:
        side = self._side(factor)
        count, before = side // self._patch, self._class_tokens()
        box = seen_box(self.image_processor, image.size, side, count * self._patch)
        offsets = range(before, before + count * count)
        raster = Raster(offsets, (count, count), box)
        return Layout((self.placeholder_id,) * (before + count * count), (View((raster,)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        side = self._side(factor)
        sizes = {} if factor == 1.0 else processor_sizes(self.image_processor, side)
        pixels = self.image_processor(images=list(images), return_tensors="pt", **sizes)
        # Video-LLaVA's image processor has an older name for it.
        values: Tensor = pixels[next(name for name in _PIXELS if name in pixels)]
        if tuple(values.shape[-2:]) != (side, side):
            raise ValueError(
                f"image processor: expected {side}x{side} pixels at scale {factor:g}, got "
                f"{values.shape[-1]}x{values.shape[-2]}"
            )
        return {"pixel_values": values}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = inputs.get("pixel_values")
        if pixels is None or pixels.shape[-1] == self._side(1.0):
            return super().last_hidden_states(inputs)
        features = self.model.model.get_image_features(
            pixels, interpolate_pos_encoding=True, return_dict=True
        )
        rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
        return forward_with_features(self.model, rest, features)


_PIXELS = ("pixel_values", "pixel_values_images")
