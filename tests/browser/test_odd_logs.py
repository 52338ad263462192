"""Logs that differ from step to step, and controls that are used in every order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmx_core.events import ExplanationWriter
from mmx_core.events.records import explanation_event
from mmx_core.events.sinks import EventFile
from tests.browser.browser import choose_run, open_panel, run_shown, wait_ready
from tests.browser.conftest import RUN
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import serve

FEW, MORE = ((1.0, (6, 8)), (2.0, (12, 16))), ((0.5, (3, 4)), (1.0, (6, 8)), (2.0, (12, 16)))


@pytest.fixture(scope="module")
def odd_base(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("odd")
    with ExplanationWriter(folder / "scales") as writer:
        for step, scales in ((0, FEW), (10, MORE)):
            writer.add_explanation("val/0", make_explanation(scales=scales, seed=step), step)
    file = EventFile(folder / "imageless")  # its image was never written
    file.write(explanation_event("val/0", make_explanation(), step=0, wall_time=1.0))
    file.close()
    with serve(folder) as url:
        yield url


def test_the_strip_has_a_row_for_every_scale_of_any_step(page, odd_base):
    panel = open_panel(page, odd_base, "p.mmx.run=scales&p.mmx.film=1&p.mmx.step=0")
    panel.wait_for_function(
        "document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-filmstrip')"
        ".film.every(Boolean)"
    )
    rows = panel.locator("mmx-filmstrip .scales .label").all_inner_texts()
    assert rows == ["0.5×", "1×", "2×", "all scales"]
    # Step 0 lacks the scale that is shown at the other step: its row is the one in view.
    panel.evaluate(
        "document.querySelector('mmx-panel').model.change({step: 10, layer: '0.5', film: true})"
    )
    panel.wait_for_selector("mmx-filmstrip .chosen:has-text('0.5×')")
    assert "2 steps × 3 scales" in panel.locator("mmx-filmstrip h2").inner_text().lower()


def test_the_panel_says_how_many_of_the_steps_tensorboard_was_told_to_keep(page, tmp_path):
    with ExplanationWriter(tmp_path / "bounded") as writer:
        for step in range(20):
            writer.add_explanation("val/0", make_explanation(scales=FEW, seed=step), step)
    with serve(tmp_path, arguments=["--samples_per_plugin=mmx=4"]) as base:
        panel = open_panel(page, base, "p.mmx.run=bounded")
        panel.wait_for_selector("mmx-step-slider .value:has-text('4 of 20 steps kept')")


def test_a_page_can_be_saved_of_a_sample_whose_image_is_missing(watched, odd_base):
    # The missing image is an error in the console, so the page is not held to having none.
    panel = open_panel(watched.page, odd_base, "p.mmx.run=imageless")
    watched.page.keyboard.press("e")
    panel.wait_for_selector("mmx-export-dialog a[download$='.html']", timeout=5000)


def test_a_menu_shows_what_a_key_has_changed_after_it_was_used(page, base):
    panel = open_panel(page, base, f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0")
    menu = panel.locator('select[aria-label="Range of the colours"]')
    menu.select_option("map")
    menu.blur()
    for _ in range(6):
        page.keyboard.press("r")
        wait_ready(panel)
        shown = panel.evaluate("document.querySelector('mmx-panel').model.view.range")
        assert menu.input_value() == shown


def test_a_run_that_is_not_here_is_named_in_the_menu_and_another_can_be_chosen(page, base):
    view = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
    panel = open_panel(page, base, f"{view}&p.mmx.compare=side&p.mmx.brun=gone")
    assert run_shown(panel, "Run of B") == "gone"
    assert "“gone” is not here" in panel.locator("mmx-compare-stage .trouble").inner_text()
    choose_run(panel, RUN, "Run of B")
    panel.wait_for_selector("section.seen:not([data-other-step=''])")
    assert panel.locator("mmx-stage").count() == 2


def test_equal_checkpoints_have_no_difference_to_show(page, base):
    view = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0&p.mmx.step=0"
    panel = open_panel(page, base, f"{view}&p.mmx.compare=difference&p.mmx.bstep=0")
    assert panel.locator("mmx-legend strong").all_inner_texts() == ["more in B", "more in A"]
    colors = panel.evaluate(
        """(() => {
          const matrix = document.querySelector('mmx-panel').shadowRoot
            .querySelector('mmx-relevance-matrix').shadowRoot.querySelector('canvas');
          const { data } = matrix.getContext('2d').getImageData(0, 0, matrix.width, matrix.height);
          let red = 0;
          for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] && data[i] > data[i + 1] + 80 && data[i] > data[i + 2] + 80) red++;
          return red;
        })()"""
    )
    assert colors == 0
