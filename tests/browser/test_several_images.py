"""Several images, videos, conversations and words that were not said, as a person meets them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mmx_core.events import ExplanationWriter
from tests.browser.browser import open_panel, panel_of
from tests.browser.pixels import drawn_cells
from tests.support.odd_explanations import (
    make_alternatives,
    make_conversation,
    make_partly_seen,
    make_several_images,
    make_video,
)
from tests.support.tensorboard_server import serve

SAMPLES = {
    "images": make_several_images,
    "video": make_video,
    "talk": make_conversation,
    "words": make_alternatives,
    "crop": make_partly_seen,
}
THUMBNAIL_HEAT = """i => {
  const strip = document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-image-strip');
  const canvas = strip.shadowRoot.querySelectorAll('canvas')[i];
  const { data } = canvas.getContext('2d').getImageData(
    canvas.width / 2, canvas.height / 2, 1, 1);
  return data[0] + data[1] - data[2];
}"""


@pytest.fixture(scope="module")
def several_base(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("several")
    with ExplanationWriter(folder / "odd") as writer:
        for name, make in SAMPLES.items():
            writer.add_explanation(f"val/{name}", make(), 0)
    with serve(folder) as url:
        yield url


def shown(page, base: str, name: str, more: str = ""):
    return open_panel(page, base, f"p.mmx.run=odd&p.mmx.tag=mmx%2Fval%2F{name}{more}")


def state(panel, name: str):
    return panel.evaluate(f"document.querySelector('mmx-panel').model.view.{name}")


def chosen(panel) -> int:
    return int(
        panel.get_attribute("mmx-image-strip [aria-pressed='true'][data-image-index]",
                            "data-image-index")
    )  # fmt: skip


def middle(panel) -> np.ndarray:
    """RGBA of the stage's cell that is lit where a token reads the image."""
    return drawn_cells(panel, 12, 16, 160 / 120)[6, 8]


def test_the_strip_says_which_image_a_token_read(page, several_base):
    panel = shown(page, several_base, "images", "&p.mmx.token=1")
    buttons = panel.locator("mmx-image-strip [data-image-index]")
    texts = [" ".join(text.split()) for text in buttons.all_inner_texts()]
    assert texts == ["image 1 5 %", "image 2 70 %", "image 3 5 %"]
    assert "20 %" in panel.locator("mmx-image-strip > .number").inner_text()
    heat = [panel.evaluate(THUMBNAIL_HEAT, index) for index in range(3)]
    assert heat[1] > heat[0] + 60 and heat[1] > heat[2] + 60, "one range for all thumbnails"
    panel.click('[data-token-index="2"]')
    panel.wait_for_selector("[data-image-index='2']:has-text('70 %')")


def test_choosing_an_image_draws_its_map_and_its_pixels(page, several_base):
    panel = shown(page, several_base, "images", "&p.mmx.token=1")
    faint = middle(panel)
    panel.click("[data-image-index='1']")
    panel.wait_for_function("document.querySelector('mmx-panel').model.view.image === 1")
    panel.wait_for_timeout(150)
    bright = middle(panel)
    assert bright[3] > faint[3] + 50, "this sample's range is over all its images"
    assert chosen(panel) == 1
    # The raw scales are this image's, too.
    assert panel.locator("mmx-scale-scrubber .card").count() == 3


def test_a_reload_keeps_the_image_and_keys_move_on(page, several_base):
    panel = shown(page, several_base, "images", "&p.mmx.token=1&p.mmx.image=2")
    assert chosen(panel) == 2
    page.reload()
    panel = panel_of(page)
    assert chosen(panel) == 2
    page.keyboard.press(",")
    panel.wait_for_function("document.querySelector('mmx-panel').model.view.image === 1")
    page.wait_for_function("location.hash.includes('image=1')")
    page.keyboard.press(".")
    page.keyboard.press(".")
    panel.wait_for_function("document.querySelector('mmx-panel').model.view.image === 2")


def test_one_image_has_no_strip(page, several_base):
    panel = shown(page, several_base, "crop")
    assert panel.locator("mmx-image-strip").count() == 0


def test_a_video_plays_its_frames_and_shows_their_share(page, several_base):
    panel = shown(page, several_base, "video", "&p.mmx.token=0&p.mmx.image=3")
    labels = panel.locator("mmx-image-strip [data-image-index] .texts span").all_inner_texts()
    assert labels == ["0–0.5 s", "1–1.5 s", "2–2.5 s", "3–3.5 s", "4–4.5 s"]
    assert panel.locator("mmx-image-strip polyline").count() == 1
    assert state(panel, "image") == 3, "nothing plays by itself"
    panel.click("button[aria-label='Play the video']")
    panel.wait_for_function("document.querySelector('mmx-panel').model.view.image === 4")
    panel.wait_for_function("document.querySelector('mmx-panel').model.view.image === 0")
    panel.click("button[aria-label='Play the video']")
    still = state(panel, "image")
    panel.wait_for_timeout(1500)
    assert state(panel, "image") == still


def test_turns_are_told_apart(page, several_base):
    panel = shown(page, several_base, "talk")
    assert panel.locator("mmx-answer-strip .turn").all_inner_texts() == [
        "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    groups = panel.evaluate(
        """(() => {
          const matrix = document.querySelector('mmx-panel').shadowRoot
            .querySelector('mmx-relevance-matrix');
          matrix.shadowRoot.querySelector('select[aria-label*="roup"]') ;
          return document.querySelector('mmx-panel').model.explanation.turns;
        })()"""
    )
    assert groups == ["user", "assistant", "user", "assistant"]


def test_a_word_that_was_not_said_is_shown_as_such(page, several_base):
    panel = shown(page, several_base, "words", "&p.mmx.token=2")
    before = drawn_cells(panel, 12, 16, 160 / 120)[-2, -2]
    panel.click("[data-beside='0']")
    note = panel.wait_for_selector(".beside")
    assert "not said: “cat”" in note.inner_text()
    assert panel.locator("mmx-scale-scrubber").count() == 0, "no scale of it was logged"
    panel.wait_for_timeout(150)
    cells = drawn_cells(panel, 12, 16, 24 / 16)
    assert cells[-2, -2, 3] > 150 and cells[3, 3, 3] < 20
    page.wait_for_function("location.hash.includes('beside=0')")
    page.reload()
    panel = panel_of(page)
    panel.wait_for_selector(".beside")
    panel.click(".beside button")
    panel.wait_for_selector("mmx-scale-scrubber")
    assert before is not None


def test_another_token_ends_the_view_of_a_word_that_was_not_said(page, several_base):
    panel = shown(page, several_base, "words", "&p.mmx.token=2&p.mmx.beside=0")
    panel.wait_for_selector(".beside")
    panel.click('[data-token-index="1"]')
    panel.wait_for_selector("mmx-scale-scrubber")
    assert state(panel, "beside") is None


def test_a_word_of_the_prompt_that_has_a_map_can_be_chosen(page, several_base):
    panel = shown(page, several_base, "words")
    panel.click('.prompt.mapped[data-context-index="1"]')
    assert "asked: “" in panel.wait_for_selector(".beside").inner_text()
    panel.wait_for_timeout(150)
    cells = drawn_cells(panel, 12, 16, 24 / 16)
    assert cells[1, 1, 3] > 150 and cells[-2, -2, 3] < 20


def test_what_the_model_does_not_see_is_hatched(page, several_base):
    panel = shown(page, several_base, "crop")
    hatched = panel.evaluate(
        """(() => {
          const canvas = document.querySelector('mmx-panel').shadowRoot
            .querySelector('mmx-stage').shadowRoot.querySelector('canvas.heatmap');
          const { data, width, height } = canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height);
          const fit = Math.min(canvas.width / 1.5, canvas.height);
          const left = (canvas.width - 1.5 * fit) / 2;
          const strokes = [0, 0];
          for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
            const share = (x - left) / (1.5 * fit);
            if (share < 0 || share > 1 || !data[4 * (y * width + x) + 3]) continue;
            const [r, g, b] = data.slice(4 * (y * width + x), 4 * (y * width + x) + 3);
            if (Math.abs(r - b) < 20 && Math.abs(r - g) < 20) strokes[share < 0.24 ? 0 : 1]++;
          }
          return strokes;
        })()"""
    )
    assert hatched[0] > 200
