"""What a heatmap's cells must look like, worked out in Python, and what the canvas shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from playwright.sync_api import Frame

TABLES = Path(__file__).parents[2] / "frontend" / "src" / "pixels" / "color_tables.ts"
_READ_CELLS = """([rows, cols, aspect]) => {
  const find = (root, name) => root.querySelector(name)?.shadowRoot;
  const panel = document.querySelector('mmx-panel').shadowRoot;
  const canvas = find(panel, 'mmx-stage').querySelector('canvas.heatmap');
  const fit = Math.min(canvas.width / aspect, canvas.height);
  const [width, height] = [fit * aspect, fit];
  const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
  const context = canvas.getContext('2d');
  const cells = [];
  for (let row = 0; row < rows; row++)
    for (let col = 0; col < cols; col++) {
      const x = Math.floor(left + ((col + 0.5) * width) / cols);
      const y = Math.floor(top + ((row + 0.5) * height) / rows);
      cells.push([...context.getImageData(x, y, 1, 1).data]);
    }
  return cells;
}"""


def color_table(name: str) -> np.ndarray:
    """The panel's own 256 colours."""
    steps = re.search(rf'{name}:\s*("[^"]+")', TABLES.read_text())
    if steps is None:
        raise LookupError(f"no colour table {name} in {TABLES}")
    values = np.array([ord(letter) - ord("N") for letter in json.loads(steps[1])])
    return values.reshape(3, 256).cumsum(axis=1).T.astype(np.uint8)


def drawn_cells(frame: Frame, rows: int, cols: int, aspect: float) -> np.ndarray:
    """RGBA in the middle of every cell of the whole image, ``(rows, cols, 4)``."""
    cells = frame.evaluate(_READ_CELLS, [rows, cols, aspect])
    return np.array(cells).reshape(rows, cols, 4)


def assert_drawn(
    drawn: np.ndarray, values: np.ndarray, high: float, *, opacity: float, colors: str = "inferno"
) -> None:
    """Checks cells against raw values through the colour table; NaN cells are not compared."""
    position = np.clip(values / high, 0, 1)
    known = np.isfinite(values)
    alpha = 255 * opacity * np.minimum(1, 2 * position)
    assert np.abs(drawn[..., 3] - alpha)[known].max() <= 2, "alpha"
    # Canvases keep colours multiplied by alpha: faint ones come back coarse.
    strong = known & (alpha > 60)
    assert strong.any()
    expected = color_table(colors)[np.rint(255 * np.nan_to_num(position)).astype(int)]
    assert np.abs(drawn[..., :3] - expected)[strong].max() <= 5, "colour"
