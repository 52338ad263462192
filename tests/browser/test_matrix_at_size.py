"""A matrix of 1,000 answer tokens by 3,000 context tokens: nothing is lost, nothing stutters."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Frame

from mmx_core.events import add_explanation
from mmx_core.explanation import Explanation
from tests.browser.browser import open_panel
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import serve

ANSWER, PROMPT = 1000, 2000
HOT = (613, 1204)
"""Answer and context token of the only strong cell, far from any edge of a tile."""
BRIGHTEST = (253, 231, 37)
"""Viridis at 1."""
FRAME_LIMIT_MS = 34
"""Two frames of a display, since a test's browser draws without a GPU."""

CANVAS = "mmx-relevance-matrix canvas"

_MATRIX = "document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-relevance-matrix')"
_START_FRAMES = """() => {
  window.frameTimes = [];
  window.recording = true;
  const note = (time) => {
    window.frameTimes.push(time);
    if (window.recording) requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""


def large_explanation() -> Explanation:
    """A faint chequer, which compresses well, and one cell at full strength."""
    explanation = make_explanation(ANSWER, PROMPT, scales=((1.0, (3, 4)),))
    rows, columns = np.mgrid[0:ANSWER, 0 : PROMPT + ANSWER]
    relevance = (0.1 + 0.1 * ((rows // 40 + columns // 60) % 3)).astype(np.float32)
    relevance[columns >= PROMPT + rows] = np.nan
    relevance[HOT] = 1
    # Every fourth token is a piece of the word before it.
    context = tuple(
        replace(token, text=token.text.strip()) if k % 4 == 3 and not token.special else token
        for k, token in enumerate(explanation.context)
    )
    return replace(
        explanation,
        context=context,
        tokens=context[PROMPT:],
        relevance=relevance,
        text_activation=9 * relevance,
        interference_weights=np.zeros_like(relevance),
    )


@pytest.fixture(scope="module")
def large_base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    add_explanation(folder, "val/0", large_explanation(), 0)
    with serve(folder) as url:
        yield url


@pytest.fixture
def panel(page, large_base) -> Frame:
    page.set_viewport_size({"width": 1280, "height": 800})
    return open_panel(page, large_base, "p.mmx.unit=tokens")


def layout_of(panel: Frame) -> dict[str, float]:
    """The matrix's, once the frame is drawn that shows it."""
    panel.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return panel.evaluate(f"(({{rows, columns, ...layout}}) => layout)({_MATRIX}.layout)")


def centre(layout: dict[str, float], token: int, context: int) -> dict[str, float]:
    """Where a cell lies on the canvas; the prompt's two template tokens are hidden."""
    column = context - (1 if context < PROMPT - 1 else 2)
    return {
        "x": layout["x"] + (column + 0.5) * layout["cellWidth"],
        "y": layout["y"] + (token + 0.5) * layout["cellHeight"],
    }


def colours_near(panel: Frame, place: dict[str, float]) -> np.ndarray:
    """The colours of the cells in the 7 by 7 pixels about a point of their canvas."""
    pixels = panel.evaluate(
        f"""([x, y]) => {{
          const canvas = {_MATRIX}.shadowRoot.querySelector('canvas');
          return [...canvas.getContext('2d').getImageData(x - 3, y - 3, 7, 7).data];
        }}""",
        [round(place["x"]), round(place["y"])],
    )
    return np.array(pixels).reshape(-1, 4)[:, :3]


def shows_brightest(panel: Frame, place: dict[str, float]) -> bool:
    return bool((np.abs(colours_near(panel, place) - BRIGHTEST).max(axis=1) <= 1).any())


def frame_times(panel: Frame, act: Callable[[], None]) -> list[float]:
    """Milliseconds between the frames shown meanwhile."""
    panel.evaluate(_START_FRAMES)
    act()
    times = panel.evaluate("() => { window.recording = false; return window.frameTimes; }")
    return np.diff(times).tolist()


def on_page(panel: Frame, x: float, y: float) -> tuple[float, float]:
    """A point of the canvas, on the page around the panel."""
    box = panel.locator(CANVAS).first.bounding_box()
    return box["x"] + x, box["y"] + y


def pointed_relevance(panel: Frame, place: dict[str, float]) -> str:
    """What the tip says first about the cell under the pointer."""
    panel.hover(CANVAS, position=place)
    return panel.locator("mmx-matrix-tip .values span:not(.measured)").first.inner_text()


def selected(panel: Frame) -> str | None:
    return panel.get_attribute('.answer[aria-selected="true"]', "data-token-index")


def test_one_hot_cell_among_three_million_is_seen_from_afar(panel):
    layout = layout_of(panel)
    assert layout["cellWidth"] < 0.5
    assert layout["x"] + 2998 * layout["cellWidth"] <= layout["width"]
    assert layout["y"] + 1000 * layout["cellHeight"] <= layout["height"]
    assert shows_brightest(panel, centre(layout, *HOT))
    assert not shows_brightest(panel, centre(layout, HOT[0] - 100, HOT[1]))
    assert pointed_relevance(panel, centre(layout, *HOT)) == "ρ 1.00"
    panel.click(CANVAS, position=centre(layout, *HOT))
    panel.wait_for_selector(f'[data-token-index="{HOT[0]}"][aria-selected="true"]')


@pytest.mark.serial
def test_zooming_and_panning_are_smooth(page, panel):
    fitted, before = layout_of(panel), selected(panel)
    place = {"x": 260, "y": 130}
    page.mouse.move(*on_page(panel, **place))

    def zoom(turn: int) -> None:
        for _ in range(30):
            page.mouse.wheel(0, turn)

    def drag() -> None:
        x, y = on_page(panel, **place)
        page.mouse.down()
        page.mouse.move(x + 120, y - 60, steps=30)
        page.mouse.up()

    inwards = frame_times(panel, lambda: zoom(-100))
    near = layout_of(panel)
    assert near["cellWidth"] > 12
    for at, cell in (("x", "cellWidth"), ("y", "cellHeight")):
        under = [(place[at] - layout[at]) / layout[cell] for layout in (fitted, near)]
        assert under[0] == pytest.approx(under[1], abs=1 / fitted[cell]), "to the pixel"
    dragging = frame_times(panel, drag)
    after = layout_of(panel)
    assert after["x"] - near["x"] == pytest.approx(120, abs=1)
    assert after["y"] - near["y"] == pytest.approx(-60, abs=1)
    assert selected(panel) == before, "a drag is not a click"
    outwards = frame_times(panel, lambda: zoom(100))
    assert layout_of(panel)["cellWidth"] < 0.5
    for times in (inwards, dragging, outwards):
        assert statistics.median(times) < FRAME_LIMIT_MS


def test_the_keyboard_zooms_the_matrix_and_walks_it(page, panel):
    panel.locator(CANVAS).first.focus()
    fitted = layout_of(panel)
    for _ in range(9):
        page.keyboard.press("+")
    assert layout_of(panel)["cellWidth"] == pytest.approx(1.5**9 * fitted["cellWidth"])
    assert "p.mmx.zoom" not in page.evaluate("decodeURIComponent(location.hash)")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    panel.wait_for_selector("mmx-matrix-tip")
    page.keyboard.press("-")
    page.keyboard.press("0")
    assert layout_of(panel) == fitted


def test_words_are_put_together_from_their_tokens(page, panel):
    panel.select_option('select[aria-label="Group by"]', "words")
    layout = layout_of(panel)
    names = panel.evaluate(f"{_MATRIX}.layout.columns.map(({{first, end}}) => end - first)")
    assert (min(names), max(names), sum(names)) == (1, 2, PROMPT + ANSWER - 2)
    row, column = panel.evaluate(
        f"""([token, context]) => {{
          const holds = (wanted) => ({{first, end}}) => first <= wanted && wanted < end;
          const {{rows, columns}} = {_MATRIX}.layout;
          return [rows.findIndex(holds(token)), columns.findIndex(holds(context))];
        }}""",
        HOT,
    )
    place = {
        "x": layout["x"] + (column + 0.5) * layout["cellWidth"],
        "y": layout["y"] + (row + 0.5) * layout["cellHeight"],
    }
    assert shows_brightest(panel, place)
    assert pointed_relevance(panel, place) == "ρ 1.00"
