"""Cut-outs and photographs that well-known packages bring along.

Debian's ``fonts-noto-color-emoji`` (SIL Open Font License 1.1) has the objects, as bitmaps 136
pixels wide with their own transparency, so that their masks are exact. The wheels of scikit-image
and scikit-learn have photographs (public domain, CC0 and CC BY, as their own files of licences
say). They are fetched to ``.cache/pretrained`` or to where ``MMX_TEST_PRETRAINED`` says; none of
them is in this repository.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.benchmarks.pretrained.nouns import NOUNS
from tests.support import smollm2

PACKAGES = ("scikit-image==0.26.0", "scikit-learn==1.9.1")
FONT_PACKAGE = "fonts-noto-color-emoji"
FONT = "NotoColorEmoji.ttf"
_INSTALLED = Path("/usr/share/fonts/truetype/noto") / FONT
SEEN = (
    "astronaut.png", "brick.png", "camera.png", "gravel.png", "ihc.png", "moon.png",
    "motorcycle_left.png", "page.png", "text.png",
)  # fmt: skip
"""Photographs behind the scenes that are learnt from."""
UNSEEN = (
    "china.jpg", "coffee.png", "coins.png", "grass.png", "hubble_deep_field.jpg", "retina.jpg",
)  # fmt: skip
"""Photographs behind the scenes that are measured on; no photograph shows what a noun names."""
_SIZE, _BOX = 109, (136, 128)
"""The one size that the font has, and its bitmaps' extent."""
_SHORTER = 400
_LEFT_OUT = "left out: no cut-outs here; `python -m tests.benchmarks.pretrained fetch` fetches them"


def folder() -> Path:
    """Where the assets are, or would be."""
    return Path(os.environ.get("MMX_TEST_PRETRAINED") or smollm2.ROOT / ".cache" / "pretrained")


def require() -> None:
    """Skips the test where the assets are not there."""
    if not all((folder() / name).is_file() for name in (FONT, *SEEN, *UNSEEN)):
        pytest.skip(_LEFT_OUT)


@cache
def cut_out(name: str) -> Image.Image:
    """A noun's drawing, RGBA, cropped to what is not transparent.

    Raises:
        ValueError: The font does not draw it.
    """
    font = ImageFont.truetype(str(folder() / FONT), _SIZE)
    drawn = Image.new("RGBA", _BOX)
    ImageDraw.Draw(drawn).text((0, 0), NOUNS[name], font=font, embedded_color=True)
    box = drawn.getchannel("A").getbbox()
    if box is None:
        raise ValueError(f"{folder() / FONT}: expected a drawing of {name!r}, got nothing")
    return drawn.crop(box)


@cache
def photograph(name: str) -> Image.Image:
    """A photograph, RGB, its shorter side no longer than is ever shown."""
    whole = Image.open(folder() / name).convert("RGB")
    shrink = min(1.0, _SHORTER / min(whole.size))
    return whole.resize((round(whole.width * shrink), round(whole.height * shrink)))


def mask_of(drawn: Image.Image) -> np.ndarray:
    """``(H, W)`` bool: where a drawing covers what is behind it by half or more."""
    return np.asarray(drawn.getchannel("A")) >= 128


def fetch(target: Path) -> None:
    """Downloads, and keeps the pictures and the font alone."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place]
        subprocess.run([*download, *PACKAGES], check=True)
        for wheel in Path(place).glob("*.whl"):
            with ZipFile(wheel) as archive:
                for entry in archive.namelist():
                    if Path(entry).name in (*SEEN, *UNSEEN):
                        (target / Path(entry).name).write_bytes(archive.read(entry))
        font = _INSTALLED
        if not font.is_file():
            subprocess.run(["apt-get", "download", FONT_PACKAGE], cwd=place, check=True)
            (package,) = Path(place).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(package), place], check=True)
            font = Path(place) / _INSTALLED.relative_to("/")
        (target / FONT).write_bytes(font.read_bytes())
    missing = [name for name in (*SEEN, *UNSEEN, FONT) if not (target / name).is_file()]
    if missing:
        raise ValueError(f"expected the packages to hold {missing}; look for what they hold now")
