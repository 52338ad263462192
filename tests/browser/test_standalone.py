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


def test_an_exported_page_opens_from_the_disk_with_every_step(new_page, tmp_path):
    for step in (1, 2):
        add_explanation(tmp_path / "runs", "val/0", make_explanation(seed=step), step)
    out = tmp_path / "page.html"
    given = ["export", str(tmp_path / "runs"), "--run", ".", "--sample", "val/0", "--step", "all"]
    assert main([*given, "--format", "html", "--out", str(out)]) == 0
    asked: list[str] = []
    new_page.on("request", lambda request: asked.append(request.url))
    new_page.goto(out.as_uri())
    new_page.wait_for_selector(READY)
    assert new_page.locator("mmx-step-slider .tick").count() == 2
    new_page.keyboard.press("[")
    new_page.wait_for_selector('section.seen[data-step="1"]')
    assert not [url for url in asked if url.startswith("http")]


def test_a_notebook_shows_an_explanation_and_nothing_in_it_runs(new_page):
    explanation = replace(
        make_explanation(), answer="</script><script>window.top.harm = 1</script>"
    )
    new_page.set_content(explanation._repr_html_())
    frame = new_page.wait_for_selector("iframe").content_frame()
    frame.wait_for_selector(READY)
    # Nothing can be kept here: the look around would come with every cell.
    assert frame.locator("mmx-guide").count() == 0
    assert len(frame.evaluate(VALUES)) == explanation.heatmap[0].size
    assert new_page.evaluate("window.harm") is None
