"""What a model is shown: images, and videos as upright frames with their times."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Clip:
    """Frames of a video, already sampled.

    Attributes:
        frames: RGB images of one size, in order.
        seconds: When each is shown.
    """

    frames: tuple[Image.Image, ...]
    seconds: tuple[float, ...]


Picture = Image.Image | Clip
