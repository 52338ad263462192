"""Bake matplotlib's perceptually uniform tables, and two for differences, for the panel.

Run once, with matplotlib at hand: python scripts/color_tables.py
"""

import json
import pathlib

import matplotlib
import numpy as np
from matplotlib._cm import datad

CENTRE = ord("N")  # a step of zero
NAMES = ("viridis", "inferno", "cividis")
DIFFERENCES = ("RdBu", "PuOr")


def bake(name: str) -> str:
    """Steps from each entry to the next, per channel, as letters: they pack four times smaller."""
    table = matplotlib.colormaps[name](range(256), bytes=True)[:, :3].astype(int)
    steps = np.diff(table, axis=0, prepend=0).T.ravel()
    return "".join(chr(CENTRE + step) for step in steps)


def anchors(name: str) -> list[int]:
    """The eleven colours that matplotlib interpolates between, channel by channel."""
    return np.rint(255 * np.array(datad[name])).astype(int).T.ravel().tolist()


lines = [
    "// Made by scripts/color_tables.py from matplotlib's colour maps (CC0): do not edit.",
    "// Per table the 256 reds, greens, blues, each as the step from the one before: N is 0, O is 1.",
    "export const COLOR_TABLES = {",
    "// Of the two for differences the eleven reds, greens, blues that they are interpolated from.",
    *(f"  {name}:\n    {json.dumps(bake(name))}," for name in NAMES),
    *(f"  {name}:\n    {json.dumps(anchors(name))}," for name in DIFFERENCES),
    "} as const;",
]
target = pathlib.Path(__file__).parents[1] / "src" / "pixels" / "color_tables.ts"
target.write_text("\n".join(lines) + "\n", encoding="utf-8")
