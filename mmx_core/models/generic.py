"""Models of a class without an adapter, whose image processor makes one plain picture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mmx_core.images import Picture
from mmx_core.models.base import ModelAdapter
from mmx_core.models.chat import RenderedPrompt
from mmx_core.models.layout import Box, Layout, Raster, View
from mmx_core.models.markers import picture_markers
from mmx_core.models.measuring import ENOUGH, mapping, moving
from mmx_core.models.messages import Message
from mmx_core.models.running import undisturbed

_Size = tuple[int, int]
_TOLERANCE = 0.02
"""By how much of its side a picture may be shifted or cropped, on average, and count as whole."""
_TOLD = 5
"""Painted cells that a refusal names."""


class GenericAdapter(ModelAdapter):
    """Adapter of a model of which nothing is known but what it shows when it is run.

    It serves models that replace each image's placeholder by visual tokens in rows from the top
    left, over an image that is resized to one picture. How many they are, which of
    them no picture changes (they are separators and belong to no cell), that the image processor
    neither crops nor fills up, and that paint on a cell changes most the token that should show it
    (of 48 cells 95 %) is measured on the first image of a size; what disagrees is refused. So are
    models that know tokens around or within a picture which the chat template does not write. One
    warning says what was found and what is assumed.

    Below scale 1.0 the image is shrunk by whole cells and centred on a canvas of its mean colour;
    scales above need a tower that interpolates its position embeddings.
    """

    def __init__(self, model: Any, **parts: Any) -> None:
        super().__init__(model, **parts)
        self._natives: dict[_Size, tuple[_Size, Box]] = {}
        self._grids: dict[_Size, _Size] = {}
        self._offsets: dict[_Size, tuple[list[int], int]] = {}
        self._shares: dict[_Size, float] = {}
        self._larger: set[_Size] = set()
        self._counts: dict[_Size, int] = {}
        self._warned = False

    @property
    def placeholder_id(self) -> int:
        config = self.model.config
        for name in ("image_token_id", "image_token_index"):
            if isinstance(getattr(config, name, None), int):
                return int(getattr(config, name))
        raise ValueError(
            f"model: expected image_token_id or image_token_index in the configuration of "
            f"{type(self.model).__name__}, got neither"
        )

    def render(
        self,
        prompt: str | Sequence[Message],
        *,
        pictures: Sequence[Picture] = (),
        variables: Mapping[str, Any] | None = None,
    ) -> RenderedPrompt:
        rendered = super().render(prompt, pictures=pictures, variables=variables)
        markers = picture_markers(self.model.config, self.tokenizer)
        markers.pop(self.placeholder_id, None)
        around = set()
        for at in rendered.placeholders:
            for step in (-1, 1):
                beside = at + step
                while 0 <= beside < len(rendered.ids) and rendered.ids[beside] in markers:
                    around.add(rendered.ids[beside])
                    beside += step
        missing = [name for token, name in markers.items() if token not in around]
        if rendered.placeholders and missing:
            raise self._refusal(
                f"tokenizer: it knows {', '.join(missing[:_TOLD])} as tokens around or within a "
                "picture, and the chat template writes none beside the picture's placeholder, so "
                "the model's own processor may; expected a chat_template that writes what stands "
                "around a picture, and nothing within"
            )
        return rendered

    def layout(self, image: Image.Image, factor: float) -> Layout:
        size = self._native(image)
        grid = self._grid(size)
        self._warn(size)
        if factor > 1.0:
            size = self._pixel_size(image, factor)
            grid = self._grid(size, larger=True)
        (top, left), shown = self._place(grid, min(factor, 1.0))
        rows, columns = (range(shown[0]), range(shown[1]))
        tokens, total = self._offsets[size]
        offsets = [tokens[(top + i) * grid[1] + left + j] for i in rows for j in columns]
        box = self._natives[image.size][1]
        return Layout((self.placeholder_id,) * total, (View((Raster(offsets, shown, box),)),))

    def pixel_inputs(self, images: Sequence[Image.Image], factor: float) -> dict[str, Tensor]:
        parts = []
        for image in images:
            height, width = self._pixel_size(image, factor)
            if factor > 1.0:
                shown = self._seen(image).resize((width, height), Image.Resampling.BICUBIC)
                parts.append(self._processed(shown, do_resize=False, **self._uncropped))
            else:
                parts.append(self._processed(self._on_canvas(image, factor)))
            if parts[-1].shape != (1, 3, height, width):
                raise ValueError(
                    f"image processor: expected pixel values of {(1, 3, height, width)} at scale "
                    f"{factor:g}, got {tuple(parts[-1].shape)}"
                )
        return {"pixel_values": torch.cat(parts)}

    def last_hidden_states(self, inputs: Mapping[str, Tensor]) -> Tensor:
        pixels = inputs.get("pixel_values")
        if pixels is None or tuple(pixels.shape[-2:]) not in self._larger:
            return super().last_hidden_states(inputs)
        rest = {name: value for name, value in inputs.items() if name != "pixel_values"}
        features = self._features(pixels, interpolate_pos_encoding=True)
        output = self.model.model(
            **rest, mm_encoder_outputs={"image": features}, use_cache=False, return_dict=True
        )
        return output.last_hidden_state

    def _processed(self, image: Image.Image, **options: Any) -> Tensor:
        made = self.image_processor(images=[image], return_tensors="pt", **options)
        pixels = made["pixel_values"]
        if pixels.ndim != 4 or pixels.shape[:2] != (1, 3):
            raise self._refusal(
                "image processor: expected one picture (1, 3, height, width), got pixel values of "
                f"{tuple(pixels.shape)}"
            )
        return pixels

    def _features(self, pixels: Tensor, **options: Any) -> Any:
        owner = self.model if hasattr(self.model, "get_image_features") else self.model.model
        return owner.get_image_features(self._placed(pixels), **options)

    def _tokens(self, pixels: Tensor, **options: Any) -> Tensor:
        """``(N, d)`` the visual tokens of one picture."""
        found = undisturbed(self.model, self._features, pixels, **options)
        found = getattr(found, "pooler_output", found)
        found = torch.cat(list(found)) if isinstance(found, (list, tuple)) else found
        return found.flatten(0, -2)

    def _native(self, image: Image.Image) -> _Size:
        """``(height, width)`` of the model's input at scale 1.0."""
        if image.size not in self._natives:
            if getattr(self.image_processor, "do_pad", False):
                raise self._refusal(
                    "image processor: expected do_pad False, got True: what of the image the "
                    "visual tokens cover is unknown"
                )
            self._natives[image.size] = self._shown(image.size)
        return self._natives[image.size][0]

    @property
    def _uncropped(self) -> dict[str, Any]:
        """What keeps the image processor from cropping, where it does."""
        crops = getattr(self.image_processor, "do_center_crop", False)
        return {"do_center_crop": False} if crops else {}

    def _seen(self, image: Image.Image) -> Image.Image:
        """The part of an image that the image processor keeps."""
        self._native(image)
        top, left, bottom, right = self._natives[image.size][1]
        width, height = image.size
        corner = (round(left * width), round(top * height))
        return image.crop((*corner, round(right * width), round(bottom * height)))

    def _shown(self, size: _Size) -> tuple[_Size, Box]:
        """What the image processor makes, and the part of an image that it keeps.

        An image is sent through that tells by its colours where in it a pixel comes from.
        """
        across, down = np.meshgrid(*((np.arange(n) + 0.5) / n * 255 for n in size))
        ramps = Image.fromarray(np.stack([across, down, across], -1).round().astype(np.uint8))
        dark, light = (self._processed(Image.new("RGB", size, c)) for c in ("black", "white"))
        found = ((self._processed(ramps) - dark) / (light - dark))[0].double().nan_to_num(2.0)
        height, width = int(found.shape[-2]), int(found.shape[-1])
        left, right = _ends(found[0].mean(0)) if self._uncropped else (0.0, 1.0)
        top, bottom = _ends(found[1].mean(1)) if self._uncropped else (0.0, 1.0)
        x, y = (
            first + (torch.arange(n) + 0.5) / n * (last - first)
            for first, last, n in ((left, right, width), (top, bottom, height))
        )
        expected = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
        off = (found[:2] - expected).abs().mean((1, 2))
        if not bool((off <= _TOLERANCE).all()) or not (left < right and top < bottom):
            raise self._refusal(
                f"image processor: expected the whole image resized to {width}x{height}, but what "
                f"it makes of {size[0]}x{size[1]} is off by {off[0]:.2f} of the width and "
                f"{off[1]:.2f} of the height on average"
            )
        return (height, width), (top, left, bottom, right)

    def _grid(self, size: _Size, *, larger: bool = False) -> _Size:
        """``(h, w)`` visual tokens of a picture of ``(height, width)`` pixels, measured once."""
        if size not in self._grids:
            options = {"interpolate_pos_encoding": True} if larger else {}

            def tokens(pixels: Tensor) -> Tensor:
                return self._tokens(pixels, **options)

            total = len(tokens(torch.zeros(1, 3, *size)))
            shown = moving(tokens, size)
            count = len(shown)
            rows = round((count * size[0] / size[1]) ** 0.5)
            columns = count // max(rows, 1)
            if not count or rows * columns != count or rows * size[1] != columns * size[0]:
                raise self._refusal(
                    f"model: expected visual tokens in rows and columns over {size[1]}x{size[0]} "
                    f"pixels, got {count} (and {total - count} that no picture changes), of which "
                    f"{rows}x{columns} make no such grid",
                    placed=True,
                )
            found = mapping(lambda pixels: tokens(pixels)[shown], size, (rows, columns))
            if found.share < ENOUGH:
                raise self._refusal(
                    "model: expected visual tokens in rows from the top left, but only "
                    f"{found.tried - len(found.wrong)} of {found.tried} painted cells "
                    f"({found.share:.0%}, not {ENOUGH:.0%}) changed their own token most: "
                    f"{', '.join(found.wrong[:_TOLD])}",
                    placed=True,
                )
            self._grids[size] = (rows, columns)
            self._offsets[size] = (shown, total)
            self._shares[size] = found.share
            if larger:
                self._larger.add(size)
        return self._grids[size]

    def _pixel_size(self, image: Image.Image, factor: float) -> _Size:
        height, width = self._native(image)
        if factor <= 1.0:
            return height, width
        rows, columns = self._grid((height, width))
        size = (round(rows * factor) * height // rows, round(columns * factor) * width // columns)
        if size not in self._larger:
            self._check_interpolation((height, width), factor)
        return size

    def _check_interpolation(self, native: _Size, factor: float) -> None:
        problem = "the model's forward takes no mm_encoder_outputs"
        if "mm_encoder_outputs" in signature(self.model.model.forward).parameters:
            blank = torch.zeros(1, 3, *native)
            try:
                tokens = self._tokens(blank, interpolate_pos_encoding=True)
            except (TypeError, ValueError, RuntimeError) as error:
                problem = f"get_image_features takes no interpolate_pos_encoding ({error})"
            else:
                off = (tokens - self._tokens(blank)).abs().max()
                if off <= 1e-3 * tokens.abs().max():
                    return
                problem = f"interpolate_pos_encoding alters tokens by {off:.2g} at scale 1"
        raise ValueError(
            f"scale {factor:g}: {type(self.model).__name__} takes no pictures larger than "
            f"{native[1]}x{native[0]} pixels here: {problem}; use scales up to 1"
        )

    def _place(self, grid: _Size, factor: float) -> tuple[_Size, _Size]:
        """Which cells show the image: the first, and how many in each direction."""
        shown = (round(grid[0] * factor), round(grid[1] * factor))
        if 0 in shown:
            raise ValueError(
                f"scale {factor:g}: {grid[0]}x{grid[1]} visual tokens leave less than one in a row "
                f"or column; the smallest usable scale is {1 / min(grid):g}"
            )
        return ((grid[0] - shown[0]) // 2, (grid[1] - shown[1]) // 2), shown

    def _on_canvas(self, image: Image.Image, factor: float) -> Image.Image:
        (height, width), grid = self._native(image), self._grid(self._native(image))
        first, shown = self._place(grid, factor)
        if shown == grid:
            return image
        image = self._seen(image)
        y, x = (round(a * n / m) for a, n, m in zip(first, (height, width), grid, strict=True))
        size = [round(a * n / m) for a, n, m in zip(shown, (height, width), grid, strict=True)]
        canvas = Image.new("RGB", (width, height), image.resize((1, 1)).getpixel((0, 0)))
        canvas.paste(image.resize((size[1], size[0]), Image.Resampling.BICUBIC), (x, y))
        return canvas

    def _refusal(self, found: str, *, placed: bool = False) -> ValueError:
        """Of what was found; whether it is about places, which occlusion does not ask about."""
        told = f"{found}; {type(self.model).__name__} needs an adapter of its own"
        instead = ", or Explainer(..., method='occlusion'), which asks for no places"
        return ValueError(told + (instead if placed else ""))

    def _warn(self, size: _Size) -> None:
        if self._warned:
            return
        self._warned = True
        rows, columns = self._grids[size]
        still = self._offsets[size][1] - rows * columns
        typed = [n for n in signature(self.model.model.forward).parameters if "token_type" in n]
        warnings.warn(
            f"{type(self.model).__name__} has no adapter of its own. Measured: {rows}x{columns} "
            "visual tokens per image, in rows from the top left, over the whole image "
            f"({self._shares[size]:.0%} of painted cells changed their own token most"
            f"{f'; {still} more that no picture changes' if still else ''}). Assumed: "
            "the model's processor puts nothing between them and nothing else in the "
            f"placeholder's place{'; ' + ' and '.join(typed) + ' left out' if typed else ''}",
            stacklevel=3,
        )


def _ends(ramp: Tensor) -> tuple[float, float]:
    """Where a ramp, cut out of one from 0 to 1, begins and ends: by the least squares."""
    places = (torch.arange(len(ramp)) + 0.5) / len(ramp)
    slope = ((places - 0.5) * ramp).sum() / (places - 0.5).square().sum()
    middle = float(ramp.mean())
    first, last = middle - float(slope) / 2, middle + float(slope) / 2
    # What is within the ramp's own steps of an edge is the edge.
    near = _TOLERANCE / 2
    return (0.0 if abs(first) < near else first), (1.0 if abs(last - 1) < near else last)
