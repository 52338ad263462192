"""LLaVA-1.5 and what is built like it: one picture of fixed size through CLIP or SigLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from PIL import Image
from torch import Tensor

from mmx_core.models.base import ModelAdapter
from mmx_core.models.layout import Box, Layout, Raster, View
from mmx_core.models.registry import register


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
        sizes = {} if factor == 1.0 else _processor_sizes(self.image_processor, side)
        pixels = self.image_processor(images=list(images), return_tensors="pt", **sizes)
        values: Tensor = pixels["pixel_values"]
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


def forward_with_features(model: Any, inputs: Mapping[str, Tensor], features: Any) -> Tensor:
    """Last hidden states for image features that are made already.

    Args:
        model: The whole model.
        inputs: Of its forward, without pixels.
        features: What its ``get_image_features`` returns: ``pooler_output`` lists each image's.

    Raises:
        ValueError: This version of transformers takes none.
    """
    # An older forward would swallow the argument and answer as if there were no image.
    if "mm_encoder_outputs" not in signature(model.model.forward).parameters:
        import transformers

        raise ValueError(
            f"scales other than 1: expected a {type(model).__name__} that takes mm_encoder_outputs,"
            f" transformers {transformers.__version__} has none; upgrade it or use scales=(1.0,)"
        )
    output = model.model(
        **inputs, mm_encoder_outputs={"image": features}, use_cache=False, return_dict=True
    )
    hidden: Tensor = output.last_hidden_state
    return hidden


def _own_side(processor: Any) -> int:
    """Pixels of the square that an image processor makes unless asked otherwise."""
    # A crop size is there by default, whether or not anything is cropped.
    size = dict(processor.crop_size if processor.do_center_crop else processor.size)
    return int(size["height"] if "height" in size else size["shortest_edge"])


def _processor_sizes(processor: Any, side: int) -> dict[str, Any]:
    """What to ask of an image processor so that it makes squares of another side."""
    own = _own_side(processor)
    if not processor.do_resize and side != own:
        raise ValueError(
            f"image processor: expected do_resize for {side}x{side} pixels instead of {own}x{own}; "
            "set it or use scales=(1.0,)"
        )
    # What is resized may be more than what is cropped of it.
    asked = {"size": {n: round(pixels * side / own) for n, pixels in dict(processor.size).items()}}
    if processor.do_center_crop:
        asked["crop_size"] = {"height": side, "width": side}
    return asked


def seen_box(processor: Any, size: tuple[int, int], side: int, covered: int) -> Box:
    """Which part of an image the tower's patches cover.

    Args:
        processor: Resizes, crops or pads to a square.
        size: ``(width, height)`` of the image.
        side: Pixels of the square.
        covered: Pixels of it, from the top left, that make whole patches.

    Raises:
        ValueError: It makes no square.
    """
    whole: Box = (0.0, 0.0, 1.0, 1.0)
    # Others carry the setting, too, and pad nothing, or only what is smaller than the batch.
    if getattr(processor, "do_pad", False) and hasattr(processor, "pad_to_square"):
        whole, size = square_box(size, 1.0), (max(size), max(size))
    wide, tall = _resized(processor, size, side)
    if not processor.do_center_crop and (wide, tall) != (side, side):
        raise ValueError(
            f"image processor: expected {side}x{side} pixels for the tower, but it makes "
            f"{wide}x{tall} of {size[0]}x{size[1]} and crops nothing; set do_center_crop or do_pad"
        )
    top, left = (tall - side) // 2, (wide - side) // 2
    rows, columns = whole[2] - whole[0], whole[3] - whole[1]
    return (
        whole[0] + rows * top / tall,
        whole[1] + columns * left / wide,
        whole[0] + rows * (top + covered) / tall,
        whole[1] + columns * (left + covered) / wide,
    )


def _resized(processor: Any, size: tuple[int, int], side: int) -> tuple[int, int]:
    """``(width, height)`` before cropping."""
    asked = _processor_sizes(processor, side)["size"]
    if not processor.do_resize:
        return size
    if set(asked) == {"height", "width"}:
        return asked["width"], asked["height"]
    if set(asked) != {"shortest_edge"}:
        raise ValueError(
            f"image processor: expected a size of height and width, or of shortest_edge, got "
            f"{dict(processor.size)}"
        )
    width, height = size
    shorter = asked["shortest_edge"]
    longer = int(shorter * max(size) / min(size))
    return (shorter, longer) if height >= width else (longer, shorter)


def square_box(size: tuple[int, int], covered: float) -> Box:
    """The square that an image is padded to, around its centre, in the image's own units.

    Args:
        size: ``(width, height)``.
        covered: Share of the square, from its top left, that is seen.
    """
    width, height = size
    side = max(size)
    top, left = (side - height) // 2, (side - width) // 2
    end = covered * side
    return (-top / height, -left / width, (end - top) / height, (end - left) / width)
