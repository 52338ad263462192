"""What was measured by taking it away: cells used, one word over another, a thought's sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from demo.evaluate import explained, with_question
from demo.probe import probe_samples
from mmx_core import add_explanation
from tests.browser.browser import open_panel, wait_ready
from tests.browser.pixels import assert_drawn, drawn_cells
from tests.browser.test_accessibility import violations
from tests.support.tensorboard_server import serve
from tests.support.thinking import CHECKPOINT, thinking_explainer, thinking_sample

SIZES = ((800, 600), (1280, 800))


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """One scene with its used maps and a question, one answer with a thought, really explained."""
    folder = tmp_path_factory.mktemp("taken-away")
    (scene,) = explained(CHECKPOINT, [with_question(probe_samples(1)[0])])
    add_explanation(str(folder), "val/scene", replace(scene, id="scene"), global_step=0)
    (thought,) = thinking_explainer(influence=True, scales=(1.0,)).explain_batch(
        [thinking_sample(sentences=12)]
    )
    add_explanation(str(folder), "val/thought", thought, global_step=0)
    with serve(folder) as url:
        yield url, scene, thought


def test_which_cells_a_word_used_is_drawn_as_it_was_measured_and_a_key_brings_it(page, logged):
    url, scene, _ = logged
    word = [token.text.strip() for token in scene.tokens].index("square")
    frame = open_panel(page, url, f"p.mmx.tag=mmx%2Fval%2Fscene&p.mmx.token={word}")
    frame.wait_for_selector('mmx-scale-scrubber .card:last-child .verdict:has-text("as seen")')
    assert "would say it; hidden, they cost it" in frame.locator("mmx-sentence p").inner_text()
    page.keyboard.press("u")
    frame.wait_for_selector('mmx-stage .caption:has-text("used: less likely when hidden")')
    frame.uncheck('mmx-legend label:has-text("smooth") input')
    high = float(frame.locator("mmx-legend .high").inner_text())
    maps = scene.used[0]
    assert high == pytest.approx(np.nanmax(maps), rel=0.02)
    drawn = drawn_cells(
        frame, *maps.shape[1:], scene.images[0].image.width / scene.images[0].image.height
    )
    assert_drawn(drawn, maps[word], high, opacity=0.85)
    assert "nats lost" in frame.locator("mmx-legend .scale").inner_text()
    assert violations(frame) == []
    page.keyboard.press("u")
    frame.wait_for_selector('mmx-stage .caption:has-text("all scales")')


def test_what_speaks_for_a_word_rather_than_another_stands_in_list_strip_and_matrix(page, logged):
    url, scene, _ = logged
    (entry,) = scene.alternatives
    word = entry.context_index - scene.prompt_length
    frame = open_panel(page, url, f"p.mmx.tag=mmx%2Fval%2Fscene&p.mmx.token={word}")
    frame.click('mmx-candidates button:has-text("map")')
    wait_ready(frame)
    said, other = scene.tokens[word].text.strip(), entry.candidate.text.strip()
    most = int(np.nanargmax(entry.influence))
    reasons = frame.locator("mmx-candidates .reasons").inner_text()
    assert reasons.startswith(f"for “{said}” rather than “{other}”: ")
    assert f"the picture {entry.image_gain:+.1f} nats" in reasons
    strongest = f"“{scene.context_words[most].text.strip()}” {entry.influence[most]:+.1f}"
    assert strongest in reasons
    assert strongest in frame.locator("mmx-answer-strip .key .without").inner_text()
    label = frame.locator("mmx-relevance-matrix canvas[role=img]").get_attribute("aria-label")
    assert f"Row {said} − {other}: " in label
    assert violations(frame) == []
    page.keyboard.press("Escape")
    frame.wait_for_selector("mmx-candidates .reasons", state="detached")


def test_a_word_s_way_through_its_thought_is_walked_by_keys_and_fits_any_width(page, logged):
    url, _, thought = logged
    word = (
        len(thought.tokens) - 1 - [t.text.strip() for t in thought.tokens][::-1].index("triangle")
    )
    frame = open_panel(page, url, f"p.mmx.tag=mmx%2Fval%2Fthought&p.mmx.token={word}")
    frame.click('button:has-text("thought")')
    wait_ready(frame)
    chain = frame.locator("mmx-thought-chain")
    chain.locator("h2", has_text="“triangle” through the thought").wait_for()
    assert "sentences of the thought" in chain.locator("p").first.inner_text()
    first = chain.locator("summary").first
    first.focus()
    page.keyboard.press("Enter")
    # The word stays while the sentence is selected and shown on the picture.
    chain.locator("summary[data-selected]").wait_for()
    chain.locator("details[open] .place", has_text="would say its words").wait_for()
    chain.locator("h2", has_text="“triangle” through the thought").wait_for()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        fits = "(chain) => chain.scrollWidth <= chain.clientWidth"
        frame.wait_for_function(
            f"({fits})(document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-thought-chain'))"
        )
    assert violations(frame) == []
