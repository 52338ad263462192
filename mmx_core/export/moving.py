"""A picture that moves: an answer token by token, or one token growing over a training's steps."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmx_core.explanation import Explanation, FloatArray, ObjectMask
from mmx_core.export.contact_sheet import default_tokens, encoded_image, shortened
from mmx_core.export.heat import grey_picture, lay_over, outlined
from mmx_core.export.printable import token_name

# Pixels.
_SIDE = 480
_MARGIN = 16
_HEAD, _CURVE, _LEGEND = 62, 94, 30
_BAR = (160, 10)
_GROUND, _INK, _MUTED, _LINE, _MARK = "#ffffff", "#1f2328", "#5c636b", "#dfe1e5", "#1a66d6"

_FRAME_MS, _QUICK_MS, _LAST_MS = 800, 300, 2500
_MANY = 20
MOST_FRAMES = 600


@dataclass(frozen=True)
class _Frame:
    """One moment: ``values`` is None without the token, ``objects`` are what it names."""

    head: str
    place: str
    values: FloatArray | None
    probability: float
    objects: tuple[ObjectMask, ...] = ()


def moving_picture(
    explanations: Sequence[Explanation], tokens: Sequence[int] | None = None, kind: str = "GIF"
) -> bytes:
    """Draws the maps one after the other in one range, above the curve of the probability.

    What a token names is outlined, where masks were logged.

    Args:
        explanations: One: its tokens follow each other. Several steps of a sample, in order: one
            token does, found by its text in each step's answer.
        tokens: Indices into the (last step's) answer; of several steps only one. By default all
            that are not special; of several steps the one with the strongest map.
        kind: ``GIF`` or ``WEBP``.

    Returns:
        The file; it plays without end.

    Raises:
        IndexError: There is no such token.
        ValueError: Several tokens of several steps, or more moments than a file should hold.
    """
    last = explanations[-1]
    chosen = default_tokens(last) if tokens is None else list(tokens)
    wrong = [index for index in chosen if not 0 <= index < len(last.tokens)]
    if wrong or not chosen:
        raise IndexError(f"tokens: expected indices from 0 to {len(last.tokens) - 1}, got {chosen}")
    many = len(explanations) > 1
    if many and tokens is None:
        chosen = [max(chosen, key=lambda token: max(_peak(maps[token]) for maps in last.heatmaps))]
    if many and len(chosen) > 1:
        raise ValueError(f"tokens: expected one, to show over the steps, got {len(chosen)}")
    count = len(explanations) if many else len(chosen)
    if count > MOST_FRAMES:
        raise ValueError(f"tokens: expected at most {MOST_FRAMES} moments, got {count}")
    image = int(np.argmax([max(_peak(maps[token]) for token in chosen) for maps in last.heatmaps]))
    if many:
        frames = [_at_step(each, last, chosen[0], image) for each in explanations]
    else:
        frames = [_of_token(last, token, image) for token in chosen]
    high = max((_peak(frame.values) for frame in frames if frame.values is not None), default=0.0)
    drawn = [_draw(frames, now, high, last, image) for now in range(count)]
    each_ms = _QUICK_MS if count > _MANY else _FRAME_MS
    file = io.BytesIO()
    drawn[0].save(
        file, kind, save_all=True, append_images=drawn[1:], loop=0,
        duration=[*[each_ms] * (count - 1), _LAST_MS],
        quality=90,
    )  # fmt: skip
    return file.getvalue()


def _of_token(explanation: Explanation, token: int, image: int) -> _Frame:
    place = f"token {token + 1} of {len(explanation.tokens)}"
    return _frame(explanation, token, image, place)


def _at_step(explanation: Explanation, last: Explanation, token: int, image: int) -> _Frame:
    """The same token, else the nearest of the same text."""
    text = last.tokens[token].text
    places = [t for t, other in enumerate(explanation.tokens) if other.text == text]
    place = f"step {explanation.step:,}" if explanation.step is not None else ""
    if not places or image >= len(explanation.heatmaps):
        return _Frame(token_name(text), f"{place} · not in this answer", None, math.nan)
    return _frame(explanation, min(places, key=lambda t: abs(t - token)), image, place)


def _frame(explanation: Explanation, token: int, image: int, place: str) -> _Frame:
    base = next(scale for scale in explanation.scales if scale.factor == 1)
    probability = float(base.probability[token])
    known = "" if math.isnan(probability) else f" · p {probability:.2f}"
    name = token_name(explanation.tokens[token].text)
    named = tuple(entry for entry in explanation.objects if token in entry.tokens)
    return _Frame(name, place + known, explanation.heatmaps[image][token], probability, named)


def _draw(
    frames: Sequence[_Frame], now: int, high: float, explanation: Explanation, image: int
) -> Image.Image:
    frame = frames[now]
    rows, columns = explanation.heatmaps[image].shape[1:]
    pixels = encoded_image(explanation, image)
    width, height = (pixels.width, pixels.height) if pixels else (columns, rows)
    factor = _SIDE / max(width, height)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    wide = max(size[0], _SIDE)
    sheet = Image.new("RGB", (wide + 2 * _MARGIN, _HEAD + size[1] + _CURVE + _LEGEND), _GROUND)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(24), ImageFont.load_default(14)
    draw.text((_MARGIN, 8), shortened(frame.head, large, wide), fill=_INK, font=large)
    draw.text((_MARGIN, 38), shortened(frame.place, small, wide), fill=_MUTED, font=small)
    ground = grey_picture(pixels, size)
    shown = ground if frame.values is None else lay_over(ground, frame.values, high)
    for entry in frame.objects:
        shown = outlined(shown, entry.mask)
    sheet.paste(Image.fromarray(shown), (_MARGIN + (wide - size[0]) // 2, _HEAD))
    _draw_curve(draw, small, frames, now, (_MARGIN, _HEAD + size[1] + 8, wide))
    top = sheet.height - _LEGEND
    bar = np.full((_BAR[1], _BAR[0], 3), 128, np.uint8)
    ramp = np.linspace(0, high, _BAR[0])[None, :]
    sheet.paste(Image.fromarray(lay_over(bar, ramp, high)), (_MARGIN + 14, top + 4))
    draw.text((_MARGIN, top), "0", fill=_MUTED, font=small)
    method = explanation.provenance.get("settings", {}).get("method")
    unit = "nats lost" if method == "occlusion" else "logit"
    draw.text((_MARGIN + 20 + _BAR[0], top), f"{high:.3g} {unit}", fill=_MUTED, font=small)
    return sheet


def _draw_curve(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    frames: Sequence[_Frame],
    now: int,
    place: tuple[int, int, int],
) -> None:
    """The probability of each moment, up to now in colour."""
    left, top, width = place
    start, bottom = left + 22, top + _CURVE - 36
    for value, name in ((0, "0"), (1, "1")):
        y = bottom - value * (bottom - top - 4)
        draw.line([(start, y), (left + width, y)], fill=_LINE)
        draw.text((left, y - 8), name, fill=_MUTED, font=font)
    across = (left + width - 6 - start) / max(1, len(frames) - 1)
    points = [
        (start + 3 + i * across, bottom - frame.probability * (bottom - top - 4))
        for i, frame in enumerate(frames)
    ]
    for i, (one, other) in enumerate(pairwise(points)):
        if not (math.isnan(one[1]) or math.isnan(other[1])):
            draw.line([one, other], fill=_MARK if i < now else _LINE, width=2)
    at, high = points[now]
    if not math.isnan(high):
        draw.ellipse([at - 4, high - 4, at + 4, high + 4], fill=_MARK)
    draw.text((left, bottom + 4), "probability", fill=_MUTED, font=font)


def _peak(values: FloatArray) -> float:
    """The largest finite value, at least 0."""
    return float(values[np.isfinite(values)].max(initial=0))
