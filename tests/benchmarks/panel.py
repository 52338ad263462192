"""How quick the panel is, in the real browser over a real TensorBoard.

    python -m tests.benchmarks.panel [--runs 4 --steps 50 --samples 200] [--json]

- first paint: from the tab's address to a drawn heatmap, TensorBoard already serving.
- scrub: from a key press (through the scales, then the steps, then the tokens) to drawn pixels.
- matrix: time between frames while a 1,000 x 3,000 matrix is zoomed and panned.
- memory: of the page's scripts after scrubbing through every step of many samples.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from mmx_core.events import add_explanation
from tb_mmx_plugin.static import FOLDER
from tests.benchmarks.make_log import write_log
from tests.browser.browser import chromium, open_panel, panel_of, wait_ready
from tests.browser.test_matrix_at_size import large_explanation
from tests.support.tensorboard_server import serve

# A key goes down; the second frame after the panel has settled has its pixels on the screen.
_SCRUB = """async ([key, times]) => {
  const panel = document.querySelector('mmx-panel');
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const spent = [];
  for (let i = 0; i < times; i++) {
    await frame();
    const start = performance.now();
    window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await panel.updateComplete;
    while (panel.model.busy) await frame();
    const stage = panel.shadowRoot.querySelector('mmx-stage');
    await stage.updateComplete;
    // Reading a pixel waits for the drawing.
    const canvas = stage.shadowRoot.querySelector('canvas.heatmap');
    canvas.getContext('2d').getImageData(0, 0, 1, 1);
    spent.push(performance.now() - start);
  }
  return spent;
}"""
_FRAMES = """async () => {
  const times = [];
  const panel = document.querySelector('mmx-panel').shadowRoot;
  const canvas = panel.querySelector('mmx-relevance-matrix').shadowRoot.querySelector('canvas');
  const box = canvas.getBoundingClientRect();
  const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true };
  for (let i = 0; i < 120; i++) {
    times.push(await new Promise((done) => requestAnimationFrame(done)));
    const deltaY = i % 60 < 30 ? -40 : 40;
    canvas.dispatchEvent(new WheelEvent('wheel', { ...at, deltaY, cancelable: true }));
  }
  return times.slice(1).map((time, i) => time - times[i]);
}"""


def quantiles(values: list[float]) -> dict[str, float]:
    """Median and 95th percentile, milliseconds."""
    ordered = sorted(values)
    return {
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
    }


def measure(page: Page, base: str, matrix_base: str) -> dict[str, Any]:
    """Everything that the browser tells."""
    first = []
    for _ in range(5):
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(f"{base}/#mmx")
        panel_of(page)
        first.append(1000 * (time.perf_counter() - start))
    # Rest as a reader would, so that the neighbours have come.
    frame = open_panel(page, base, "p.mmx.step=2500")
    frame.wait_for_timeout(1500)
    scrubs = {
        "scales": frame.evaluate(_SCRUB, ["ArrowUp", 3]) + frame.evaluate(_SCRUB, ["ArrowDown", 3]),
        "tokens": frame.evaluate(_SCRUB, ["ArrowRight", 15]),
        "steps": frame.evaluate(_SCRUB, ["[", 3]) + frame.evaluate(_SCRUB, ["]", 3]),
    }
    for sample in range(12):
        frame.evaluate("document.querySelector('mmx-panel').model.change({film: true})")
        wait_ready(frame)
        frame.evaluate(_SCRUB, ["]" if sample % 2 else "[", 25])
        page.keyboard.press("j")
        wait_ready(frame)
    heap = frame.evaluate("performance.memory ? performance.memory.usedJSHeapSize : 0")
    held = frame.evaluate("document.querySelector('mmx-panel').model.source.cache.bytes")
    matrix = open_panel(page, matrix_base)
    matrix.wait_for_timeout(500)
    return {
        "first_paint_ms": round(statistics.median(first)),
        **{f"scrub_{name}": quantiles(values) for name, values in scrubs.items()},
        "matrix_frame": quantiles(matrix.evaluate(_FRAMES)),
        "cache_mb_after_scrubbing": round(held / 1e6, 1),
        "script_heap_mb": round(heap / 1e6, 1),
        "bundle_kb": round(
            sum(len(gzip.compress(path.read_bytes(), 9)) for path in FOLDER.glob("*.js")) / 1e3, 1
        ),
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log, large = Path(folder) / "log", Path(folder) / "large"
        counts = {"runs": arguments.runs, "steps": arguments.steps, "samples": arguments.samples}
        size = write_log(log, **counts)
        add_explanation(large, "val/0", large_explanation(), 0)
        with serve(log) as base, serve(large) as matrix_base, chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            figures = {"log": {**counts, "mb": round(size / 1e6)}}
            figures |= measure(page, base, matrix_base)
    if arguments.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:26} {value}\n")


if __name__ == "__main__":
    main()
