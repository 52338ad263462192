"""Bake matplotlib's perceptually uniform tables into src/core/color_tables.ts.

Run once, with matplotlib at hand: python scripts/color_tables.py
"""

import base64
import pathlib

import matplotlib

NAMES = ("viridis", "inferno", "cividis")


def bake(name: str) -> str:
    """A table's bytes as base64."""
    table = matplotlib.colormaps[name](range(256), bytes=True)[:, :3]
    return base64.b64encode(table.tobytes()).decode("ascii")


lines = [
    "// Made by scripts/color_tables.py from matplotlib's colour maps (CC0): do not edit.",
    "// 256 RGB triples each, base64.",
    "export const COLOR_TABLES = {",
    *(f'  {name}:\n    "{bake(name)}",' for name in NAMES),
    "} as const;",
]
target = pathlib.Path(__file__).parents[1] / "src" / "core" / "color_tables.ts"
target.write_text("\n".join(lines) + "\n")
