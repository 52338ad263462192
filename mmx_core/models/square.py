"""Square pictures of fixed size: what towers that take nothing else share."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from torch import Tensor

from mmx_core.models.layout import Box


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


def processor_sizes(processor: Any, side: int) -> dict[str, Any]:
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
    asked = processor_sizes(processor, side)["size"]
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
