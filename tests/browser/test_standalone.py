"""Pages that need no server: from the command line, and in a notebook's sandboxed frame."""

from __future__ import annotations

from dataclasses import replace

from mmx_core.cli import main
from mmx_core.events import add_explanation
from tests.support.explanations import make_explanation

READY = '.page[data-status="ready"][aria-busy="false"]'
VALUES = (
    "[...document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-stage')"
    ".picture.map.values]"
)


def test_an_exported_page_opens_from_the_disk_with_every_step(page, tmp_path):
    for step in (1, 2):
        add_explanation(tmp_path / "runs", "val/0", make_explanation(seed=step), step)
    out = tmp_path / "page.html"
    given = ["export", str(tmp_path / "runs"), "--run", ".", "--sample", "val/0", "--step", "all"]
    assert main([*given, "--format", "html", "--out", str(out)]) == 0
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(out.as_uri())
    page.wait_for_selector(READY)
    assert page.locator("mmx-step-slider .tick").count() == 2
    page.keyboard.press("[")
    page.wait_for_selector('section.seen[data-step="1"]')
    assert not [url for url in asked if url.startswith("http")]


def test_a_notebook_shows_an_explanation_and_nothing_in_it_runs(page):
    explanation = replace(
        make_explanation(), answer="</script><script>window.top.harm = 1</script>"
    )
    page.set_content(explanation._repr_html_())
    frame = page.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector(READY)
    assert len(frame.evaluate(VALUES)) == explanation.heatmap[0].size
    assert page.evaluate("window.harm") is None
