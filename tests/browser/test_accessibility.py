"""No serious accessibility violation, in any view, in either theme (axe-core)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.browser import open_panel
from tests.browser.conftest import RUN

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
VIEWS = {
    "one": "",
    "side by side": "&p.mmx.compare=side&p.mmx.region=0.2,0.2,0.5,0.5",
    "difference": "&p.mmx.compare=difference&p.mmx.film=1",
    "blink": "&p.mmx.compare=blink",
    "samples": "&p.mmx.samples=1",
}


def violations(frame) -> list[str]:
    """Serious and critical ones, as one line each."""
    frame.evaluate(AXE.read_text(encoding="utf-8"))
    found = frame.evaluate("axe.run({resultTypes: ['violations']}).then((r) => r.violations)")
    return [
        f"{entry['id']}: {node['target']} {node.get('failureSummary', '')}"
        for entry in found
        if entry["impact"] in ("serious", "critical")
        for node in entry["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_has_a_serious_violation(page, base, view, scheme):
    page.emulate_media(color_scheme=scheme)
    frame = open_panel(page, base, VIEW + VIEWS[view])
    dark = frame.evaluate("document.querySelector('mmx-panel').dark")
    assert dark == (scheme == "dark")
    assert violations(frame) == []


@pytest.mark.parametrize("key", ["?", "e"])
def test_no_dialog_has_a_serious_violation(page, base, key):
    frame = open_panel(page, base, VIEW)
    page.keyboard.press(key)
    frame.wait_for_selector("dialog[open]")
    assert violations(frame) == []
