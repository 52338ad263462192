"""How quick the panel is, in the real browser over a real TensorBoard.

    python -m tests.benchmarks.panel [--runs 4 --steps 50 --samples 200] [--minutes 30] [--json]
    python -m tests.benchmarks.panel --grid

- first paint: from the tab's address to a drawn heatmap, TensorBoard already serving.
- scrub: from a key press (through the scales, then the tokens, then the steps) to other pixels on
  the canvas, with the neighbours prefetched.
- matrix: time between frames while a 1,000 x 3,000 matrix is zoomed and panned.
- memory: of the page's scripts, and how many nodes and listeners there are, after scrubbing through
  every step of many samples in every view; and how it goes while the same use is repeated, once
  more or for so many minutes: it has to level off.
- grid: with ``--grid``, of 200 runs of 60 steps instead: until its cells in view are drawn, and the
  time between frames while it is scrolled.
- bundle: what the first view takes, and all parts together, as they are sent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Frame, Page

from mmx_core.events import add_explanation
from tb_mmx_plugin.static import FOLDER
from tests.benchmarks.make_log import write_log
from tests.browser.browser import chromium, open_panel, panel_of, wait_ready
from tests.browser.test_matrix_at_size import large_explanation
from tests.support.tensorboard_server import serve

# From a key press until the canvas holds other pixels, drawn and read back; null if none came.
_SCRUB = """async ([key, times]) => {
  const panel = document.querySelector('mmx-panel');
  const stage = panel.shadowRoot.querySelector('mmx-stage');
  const channel = new MessageChannel();
  const turn = () => new Promise((done) => {
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });
  const pixels = () => {
    const canvas = stage.shadowRoot.querySelector('canvas.heatmap');
    const context = canvas.getContext('2d');
    let sum = 0;
    // A few columns, since reading them all would take longer than what is measured.
    for (let k = 1; k < 5; k++) {
      const x = Math.round((k * canvas.width) / 5);
      const { data } = context.getImageData(x, 0, 1, canvas.height);
      for (const value of data) sum = (31 * sum + value) | 0;
    }
    return sum;
  };
  const spent = [];
  for (let i = 0; i < times; i++) {
    await new Promise((done) => setTimeout(done, 120));
    const before = pixels();
    const start = performance.now();
    window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    let time = 0;
    do {
      // Elements update at the end of the task; what is still on its way comes in a later one.
      if (time) await turn();
      await panel.updateComplete;
      await stage.updateComplete;
      time = performance.now() - start;
    } while (pixels() === before && time < 2000);
    spent.push(time < 2000 ? performance.now() - start : null);
  }
  return spent;
}"""
# Walks on as a held key does.
_WALK = """async ([key, times]) => {
  for (let i = 0; i < times; i++) {
    window.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await new Promise((done) => setTimeout(done, 30));
  }
}"""
_MODEL = "document.querySelector('mmx-panel').model"
_USES: tuple[dict[str, Any], ...] = (
    {"film": True},
    {"compare": "side"},
    {"samples": True},
    {"grid": True},
    {"outline": True},
    {},
)
"""What is looked at in turn, beside the plain view."""
_PLAIN = {"film": False, "compare": "single", "samples": False, "grid": False, "outline": False}
_PARTS = "*.????????.js.gz"
_FIRST_VIEW = (
    "index.js.gz",
    "worker.js.gz",
    f"behind{_PARTS[1:]}",
    f"rolldown-runtime{_PARTS[1:]}",
)
"""What `build_tools/panel.py` holds to its budget."""
# From corner to corner.
_SCROLL = """async () => {
  const panel = document.querySelector('mmx-panel').shadowRoot;
  const scroll = panel.querySelector('mmx-run-grid').shadowRoot.querySelector('.scroll');
  const times = [];
  for (let i = 0; i < 120; i++) {
    times.push(await new Promise((done) => requestAnimationFrame(done)));
    scroll.scrollTop = (i / 119) * scroll.scrollHeight;
    scroll.scrollLeft = (i / 119) * scroll.scrollWidth;
  }
  return times.slice(1).map((time, i) => time - times[i]);
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


def quantiles(values: list[float | None]) -> dict[str, float]:
    """Median and 95th percentile, milliseconds; and how many presses changed nothing."""
    ordered = sorted(value for value in values if value is not None)
    missed = len(values) - len(ordered)
    return {
        **({"unchanged": missed} if missed else {}),
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
    }


def measure(
    page: Page, base: str, matrix_base: str, *, middle: int, minutes: float
) -> dict[str, Any]:
    """Everything that the browser tells."""
    first = []
    for _ in range(5):
        page.goto("about:blank")
        start = time.perf_counter()
        page.goto(f"{base}/#mmx")
        panel_of(page)
        first.append(1000 * (time.perf_counter() - start))
    # Rest as a reader would, so that the neighbours have come.
    page.goto("about:blank")
    frame = open_panel(page, base, f"p.mmx.step={middle}&p.mmx.token=0")
    frame.wait_for_timeout(1500)
    scrubs = {
        "scales": frame.evaluate(_SCRUB, ["ArrowUp", 3]) + frame.evaluate(_SCRUB, ["ArrowDown", 3]),
        "tokens": frame.evaluate(_SCRUB, ["ArrowRight", 12]),
        "steps": frame.evaluate(_SCRUB, ["[", 3]) + frame.evaluate(_SCRUB, ["]", 3]),
    }
    held_after = use(page, frame, minutes)
    held = frame.evaluate("document.querySelector('mmx-panel').model.source.cache.bytes")
    matrix = open_panel(page, matrix_base)
    matrix.wait_for_timeout(500)
    return {
        "first_paint_ms": round(statistics.median(first)),
        **{f"scrub_{name}": quantiles(values) for name, values in scrubs.items()},
        "matrix_frame": quantiles(matrix.evaluate(_FRAMES)),
        "cache_mb_after_scrubbing": round(held / 1e6, 1),
        "memory": held_after,
        "first_view_kb": sent(*_FIRST_VIEW),
        "panel_with_all_parts_kb": sent(*_FIRST_VIEW[:2], _PARTS),
    }


def use(page: Page, frame: Frame, minutes: float) -> list[dict[str, float]]:
    """Opens samples, views and comparisons, twice or for so long; what is held after each round.

    What is no longer reachable is collected before it is counted: the heap in MB, and the page's
    nodes, those that are in no document among them, and listeners.
    """
    session = page.context.new_cdp_session(page)
    held: list[dict[str, float]] = []
    end = time.monotonic() + 60 * minutes
    while len(held) < 2 or time.monotonic() < end:
        for sample in range(12):
            view = {**_PLAIN, **_USES[sample % len(_USES)]}
            frame.evaluate(f"(view) => {_MODEL}.change(view)", view)
            wait_ready(frame)
            frame.evaluate(_WALK, ["]" if sample % 2 else "[", 50])
            page.keyboard.press("j" if len(held) % 2 == 0 else "k")
            wait_ready(frame)
        frame.evaluate(f"(view) => {_MODEL}.change(view)", _PLAIN)
        wait_ready(frame)
        session.send("HeapProfiler.collectGarbage")
        counts = session.send("Memory.getDOMCounters")
        heap = round(frame.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1)
        held.append(
            {"heap_mb": heap, "nodes": counts["nodes"], "listeners": counts["jsEventListeners"]}
        )
        sys.stderr.write(f"round {len(held)}: {held[-1]}\n")
    return held


def measure_grid(page: Page, base: str) -> dict[str, Any]:
    """The grid of runs and steps: until what is in view is drawn, how much that is, and frames."""
    start = time.perf_counter()
    frame = open_panel(page, base, "p.mmx.grid=1")
    said = frame.locator("mmx-run-grid .said").filter(has_not_text="to come")
    said.wait_for(timeout=120_000)
    drawn_ms = 1000 * (time.perf_counter() - start)
    frames = frame.evaluate(_SCROLL)
    said.wait_for(timeout=120_000)
    return {
        "grid_ms": round(drawn_ms),
        "grid_said": said.inner_text(),
        "grid_canvases": frame.locator("mmx-run-grid canvas").count(),
        "grid_frame": quantiles(frames),
    }


def sent(*patterns: str) -> float:
    """Kilobytes of the panel's files, as they are sent."""
    files = [path for pattern in patterns for path in FOLDER.glob(pattern)]
    return round(sum(path.stat().st_size for path in files) / 1e3, 1)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=0, help="of scripted use; 0: two rounds")
    parser.add_argument("--grid", action="store_true", help="the grid of 200 runs alone")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.grid:
        arguments.runs, arguments.steps, arguments.samples = 200, 60, 1
    with tempfile.TemporaryDirectory() as folder:
        log, large = Path(folder) / "log", Path(folder) / "large"
        counts = {"runs": arguments.runs, "steps": arguments.steps, "samples": arguments.samples}
        size = write_log(log, **counts)
        add_explanation(large, "val/0", large_explanation(), 0)
        with (
            serve(log, start_seconds=600) as base,
            serve(large) as matrix_base,
            chromium() as browser,
        ):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            figures = {"log": {**counts, "mb": round(size / 1e6)}}
            middle = 100 * (arguments.steps // 2)
            figures |= (
                measure_grid(page, base)
                if arguments.grid
                else measure(page, base, matrix_base, middle=middle, minutes=arguments.minutes)
            )
    if arguments.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return
    for name, value in figures.items():
        sys.stdout.write(f"{name:26} {value}\n")


if __name__ == "__main__":
    main()
