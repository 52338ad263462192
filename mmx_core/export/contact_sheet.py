"""All tokens of an answer on one picture: each token's heatmap over the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmx_core.explanation import EncodedImage, Explanation
from mmx_core.export.heat import grey_picture, lay_over
from mmx_core.export.printable import token_name

# Pixels.
TILE_SIDE = 240
CAPTION_HEIGHT = 24
MARGIN = 12
_LEGEND_HEIGHT = 40
_BAR = (240, 12)
_TEXT_SIZE = 14
_MOST_COLUMNS = 6
MOST_TOKENS = 240
_LONGEST_CAPTION = 60
_GROUND, _INK = "#ffffff", "#1f2328"
_BAR_GROUND = 128


def default_tokens(explanation: Explanation) -> list[int]:
    """Indices of the answer tokens that are not special; all where there are no others."""
    written = [index for index, token in enumerate(explanation.tokens) if not token.special]
    return written or list(range(len(explanation.tokens)))


def contact_sheet(explanation: Explanation, tokens: Sequence[int] | None = None) -> Image.Image:
    """Draws the aggregated heatmaps of some tokens, in one range: that of the whole answer.

    Captions are drawn in Pillow's own font, which knows Latin letters; the token's index stands
    before each, so that others can be told apart, too.

    Args:
        explanation: What to draw.
        tokens: Indices of answer tokens; by default all that are not special.

    Returns:
        An RGB image: a tile per token in reading order (with several images one per token and
        image), below them one legend.

    Raises:
        IndexError: There is no such token.
        ValueError: More tokens than a picture can hold.
    """
    chosen = default_tokens(explanation) if tokens is None else list(tokens)
    wrong = [index for index in chosen if not 0 <= index < len(explanation.tokens)]
    if wrong or not chosen:
        raise IndexError(
            f"tokens: expected indices from 0 to {len(explanation.tokens) - 1}, got {chosen}"
        )
    images = range(len(explanation.heatmaps))
    tiles = [(index, image) for index in chosen for image in images]
    if len(tiles) > MOST_TOKENS:
        per_token = f" on {len(images)} images" if len(images) > 1 else ""
        raise ValueError(
            f"tokens: expected at most {MOST_TOKENS // len(images)}{per_token} on one picture, got "
            f"{len(chosen)}; choose some"
        )
    sizes = [tile_size(explanation, image) for image in images]
    width, height = (max(sides) for sides in zip(*sizes, strict=True))
    across = min(len(tiles), _MOST_COLUMNS)
    down = -(-len(tiles) // across)
    step_x, step_y = width + MARGIN, height + CAPTION_HEIGHT + MARGIN
    least_width = 2 * MARGIN + 2 * _BAR[0]  # the legend with its numbers
    sheet_size = (
        max(MARGIN + across * step_x, least_width),
        MARGIN + down * step_y + _LEGEND_HEIGHT,
    )
    sheet = Image.new("RGB", sheet_size, _GROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_TEXT_SIZE)
    pictures = [grey_picture(encoded_image(explanation, image), sizes[image]) for image in images]
    high = highest(explanation)
    for place, (index, image) in enumerate(tiles):
        left = MARGIN + place % across * step_x
        top = MARGIN + place // across * step_y
        heatmap = explanation.heatmaps[image][index]
        sheet.paste(Image.fromarray(lay_over(pictures[image], heatmap, high)), (left, top))
        caption = f"{index}  {token_name(explanation.tokens[index].text)}"
        caption += f"  image {image + 1}" if len(images) > 1 else ""
        caption = shortened(caption, font, width)
        draw.text((left, top + height + 4), caption, fill=_INK, font=font)
    _draw_legend(sheet, draw, font, sheet_size[1] - _LEGEND_HEIGHT, high)
    return sheet


def tile_size(explanation: Explanation, image: int = 0) -> tuple[int, int]:
    """Width and height of an image's tile: its shape, or the grid's where it is unknown."""
    rows, columns = explanation.heatmaps[image].shape[1:]
    pixels = encoded_image(explanation, image)
    width, height = (pixels.width, pixels.height) if pixels else (columns, rows)
    factor = TILE_SIDE / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def encoded_image(explanation: Explanation, image: int) -> EncodedImage | None:
    """An image's file, where it was logged."""
    return explanation.images[image].image if explanation.images else None


def highest(explanation: Explanation) -> float:
    """The largest finite value over all tokens and images, the upper end of "this sample"."""
    finite = [maps[np.isfinite(maps)] for maps in explanation.heatmaps]
    return float(max(values.max(initial=0) for values in finite))


def _draw_legend(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    top: int,
    high: float,
) -> None:
    left = MARGIN + 4 + int(draw.textlength("0", font=font)) + 4
    width, height = _BAR
    ground = np.full((height, width, 3), _BAR_GROUND, np.uint8)
    ramp = np.linspace(0, high, width)[None, :]
    sheet.paste(Image.fromarray(lay_over(ground, ramp, high)), (left, top + 6))
    draw.text((MARGIN, top + 3), "0", fill=_INK, font=font)
    label = f"{high:.3g} logit · this sample"
    draw.text((left + width + 6, top + 3), label, fill=_INK, font=font)


def shortened(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: float) -> str:
    """As much of a text as fits into so many pixels."""
    # First by characters: a token from a hostile log may be of any length.
    cut = text[:_LONGEST_CAPTION]
    if cut == text and font.getlength(text) <= width:
        return text
    text = cut
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
