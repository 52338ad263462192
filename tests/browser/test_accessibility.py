"""No violation of axe-core's rules in any view, in either theme; and what no such rule tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.browser import open_panel, wait_ready
from tests.browser.conftest import OTHER_RUN, RUN

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
PANEL = "document.querySelector('mmx-panel')"
REGION = "{left: 0.2, top: 0.2, right: 0.5, bottom: 0.5}"
VIEWS = {
    "single": "{token: 1, word: '', outline: true}",
    "side": f"{{compare: 'side', otherRun: '{OTHER_RUN}', region: {REGION}}}",
    "swipe": "{compare: 'swipe', region: null}",
    "blink": "{compare: 'blink'}",
    "difference": "{compare: 'difference'}",
    "film": "{compare: 'single', film: true}",
    "grid": "{film: false, grid: true}",
    "talk": "{talk: 'steps'}",
    "samples": "{talk: 'off', grid: false, samples: true}",
}


def violations(frame, rules: str = "") -> list[str]:
    """As one line each, whatever their impact; of all rules or of those named."""
    if not frame.evaluate("'axe' in window"):
        frame.evaluate(AXE.read_text(encoding="utf-8"))
    only = f", runOnly: ['{rules}']" if rules else ""
    found = frame.evaluate(
        f"axe.run({{resultTypes: ['violations']{only}}}).then((r) => r.violations)"
    )
    return [
        f"{entry['id']} ({entry['impact']}): {node['target']} {node.get('failureSummary', '')}"
        for entry in found
        for node in entry["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_violation(new_page, base, scheme):
    new_page.emulate_media(color_scheme=scheme)
    frame = open_panel(new_page, base, VIEW)
    assert frame.evaluate(f"{PANEL}.dark") == (scheme == "dark")
    # A theme is nothing but colours.
    rules = "color-contrast" if scheme == "dark" else ""
    found = {}
    for name, change in VIEWS.items():
        frame.evaluate(f"{PANEL}.model.change({change})")
        wait_ready(frame)
        frame.wait_for_selector(".coming", state="detached")
        found[name] = violations(frame, rules)
    frame.evaluate(f"{PANEL}.model.change({{samples: false}})")
    frame.check('mmx-relevance-matrix label:has-text("table") input')
    frame.wait_for_selector("mmx-relevance-matrix table")
    found["matrix as a table"] = violations(frame, rules)
    for key, name in {"?": "help", "e": "export"}.items():
        new_page.keyboard.press(key)
        frame.wait_for_selector("dialog[open]")
        found[name] = violations(frame, rules)
        new_page.keyboard.press("Escape")
    assert not any(found.values()), found


def test_the_keyboard_draws_regions_and_its_letters_can_be_switched_off(page, base):
    frame = open_panel(page, base, VIEW)
    frame.focus("mmx-stage .stage")
    page.keyboard.press("Enter")
    frame.wait_for_function(f"{PANEL}.model.view.region")
    for key in ("ArrowUp", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    region = frame.evaluate(f"{PANEL}.model.view.region")
    assert 12 * (region["bottom"] - region["top"]) == pytest.approx(1)
    frame.locator("mmx-spoken [role='status']", has_text="region from").wait_for(state="attached")
    frame.wait_for_selector("mmx-readers li")
    page.keyboard.press("?")
    frame.uncheck("mmx-help input")
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    assert frame.evaluate(f"{PANEL}.model.view.film") is False
    frame.evaluate("localStorage.clear()")


def test_text_is_as_large_as_the_reader_has_set_it(panel):
    word = panel.locator("mmx-answer-strip .answer").first
    size = "(word) => parseFloat(getComputedStyle(word).fontSize)"
    before = word.evaluate(size)
    panel.evaluate("document.documentElement.style.fontSize = '200%'")
    assert word.evaluate(size) == 2 * before > 0


def test_a_finger_scrolls_past_the_whole_image_and_two_fingers_zoom(new_page, base):
    frame = open_panel(new_page, base, VIEW)
    action = "getComputedStyle(document.querySelector('mmx-panel').shadowRoot"
    action += ".querySelector('mmx-stage').shadowRoot.querySelector('.stage')).touchAction"
    assert frame.evaluate(action) == "pan-y"
    box = frame.locator("mmx-stage .stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    browser = new_page.context.new_cdp_session(new_page)
    browser.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", 0)):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        touches = points if apart else []
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    frame.wait_for_function(f"{PANEL}.model.view.zoom.factor > 2")
    assert frame.evaluate(action) == "none"
