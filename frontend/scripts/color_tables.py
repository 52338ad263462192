"""Bake matplotlib's perceptually uniform tables, and two for differences, for the panel.

Run once, with matplotlib at hand: python scripts/color_tables.py
"""

import json
import pathlib

import matplotlib
import numpy as np

CENTRE = ord("N")  # a step of zero
NAMES = ("viridis", "inferno", "cividis", "RdBu", "PuOr")


def bake(name: str) -> str:
    """Steps from each entry to the next, per channel, as letters: they pack four times smaller."""
    table = matplotlib.colormaps[name](range(256), bytes=True)[:, :3].astype(int)
    steps = np.diff(table, axis=0, prepend=0).T.ravel()
    return "".join(chr(CENTRE + step) for step in steps)


lines = [
    "// Made by scripts/color_tables.py from matplotlib's colour maps (CC0): do not edit.",
    "// Per table the 256 reds, greens, blues, each as the step from the one before: N is 0, O is 1.",
    "export const COLOR_TABLES = {",
    *(f"  {name}:\n    {json.dumps(bake(name))}," for name in NAMES),
    "} as const;",
]
target = pathlib.Path(__file__).parents[1] / "src" / "core" / "color_tables.ts"
target.write_text("\n".join(lines) + "\n", encoding="utf-8")
