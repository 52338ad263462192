"""Several images, videos, conversations and words that were not said, as a person meets them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mmx_core.events import ExplanationWriter
from tests.browser.browser import open_panel, panel_of
from tests.browser.pixels import drawn_cells
from tests.browser.test_accessibility import violations
from tests.support.odd_explanations import make_video, write_odd_logdir
from tests.support.tensorboard_server import serve

THUMBNAIL_HEAT = """i => {
  const strip = document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-image-strip');
  const canvas = strip.shadowRoot.querySelectorAll('canvas')[i];
  const { data } = canvas.getContext('2d').getImageData(
    canvas.width / 2, canvas.height / 2, 1, 1);
  return data[0] + data[1] - data[2];
}"""
LONG_LEGEND = """async () => {
  const legend = document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-legend');
  legend.held = { steps: 1234, total: 123456 };
  await legend.updateComplete;
  if (!legend.shadowRoot.textContent.includes('1234 of 123456 steps')) throw Error('not said');
}"""
PICTURE = """() => {
  const stage = document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-stage');
  const canvas = stage.shadowRoot.querySelector('canvas.image');
  const x = canvas.width / 2, y = 0.9 * canvas.height;
  return canvas.getContext('2d').getImageData(x, y, 1, 1).data[0];
}"""
HATCHED = """() => {
  const canvas = document.querySelector('mmx-panel').shadowRoot
    .querySelector('mmx-stage').shadowRoot.querySelector('canvas.heatmap');
  const { data, width, height } = canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height);
  const fit = Math.min(canvas.width / 1.5, canvas.height);
  const left = (canvas.width - 1.5 * fit) / 2;
  const strokes = [0, 0, 0];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const share = (x - left) / (1.5 * fit);
    const [r, g, b, a] = data.slice(4 * (y * width + x), 4 * (y * width + x) + 4);
    // The hatching is black (or white); inferno's colours are neither.
    if (share < 0 || share > 1 || !a || Math.abs(r - b) > 20 || Math.abs(r - g) > 20) continue;
    if (share < 0.24) strokes[0]++;
    else if (share > 0.76) strokes[2]++;
    else if (share > 0.26 && share < 0.74 && a > 60) strokes[1]++;
  }
  return strokes;
}"""


@pytest.fixture(scope="module")
def several_base(tmp_path_factory) -> Iterator[str]:
    with serve(write_odd_logdir(tmp_path_factory.mktemp("several"))) as url:
        yield url


@pytest.fixture(scope="module")
def odd_steps(tmp_path_factory) -> Iterator[str]:
    """A video at many steps."""
    folder = tmp_path_factory.mktemp("steps")
    with ExplanationWriter(folder / "odd") as writer:
        for step in range(12):
            writer.add_explanation("val/video", make_video(8, seed=step), step)
    with serve(folder) as url:
        yield url


def shown(page, base: str, name: str, more: str = ""):
    return open_panel(page, base, f"p.mmx.run=odd&p.mmx.tag=mmx%2Fval%2F{name}{more}")


def state(panel, name: str):
    return panel.evaluate(f"document.querySelector('mmx-panel').model.view.{name}")


def wait_state(panel, name: str, value: object) -> None:
    panel.wait_for_function(
        "([name, value]) => document.querySelector('mmx-panel').model.view[name] === value",
        arg=[name, value],
    )
    panel.wait_for_timeout(150)


def chosen(panel) -> int:
    mark = "mmx-image-strip .card[aria-pressed='true']"
    return int(panel.get_attribute(mark, "data-image-index"))


def middle(panel) -> np.ndarray:
    """RGBA of the stage's cell that is lit where a token reads the image."""
    return drawn_cells(panel, 12, 16, 160 / 120)[6, 8]


def caption(panel) -> str:
    return panel.locator("mmx-stage .caption").inner_text()


def test_the_strip_says_which_image_a_token_read(page, several_base):
    panel = shown(page, several_base, "images", "&p.mmx.token=1")
    buttons = panel.locator("mmx-image-strip .card")
    texts = [" ".join(text.split()) for text in buttons.all_inner_texts()]
    assert texts == ["image 1 5 %", "image 2 70 %", "image 3 5 %"]
    assert "20 %" in panel.locator("mmx-image-strip > .number").inner_text()
    heat = [panel.evaluate(THUMBNAIL_HEAT, index) for index in range(3)]
    assert heat[1] > heat[0] + 60 and heat[1] > heat[2] + 60, "one range for all thumbnails"
    panel.click('[data-token-index="2"]')
    panel.wait_for_selector("[data-image-index='2']:has-text('70 %')")


def test_choosing_an_image_draws_its_map_and_its_pixels(page, several_base):
    panel = shown(page, several_base, "images", "&p.mmx.token=1")
    faint, first = middle(panel), panel.evaluate(PICTURE)
    panel.click("[data-image-index='1']")
    wait_state(panel, "image", 1)
    bright = middle(panel)
    assert bright[3] > faint[3] + 50, "this sample's range is over all its images"
    assert abs(panel.evaluate(PICTURE) - first) > 30, "the second image's own grey"
    assert chosen(panel) == 1
    assert "image 2" in caption(panel)
    # The raw scales are this image's, too.
    assert panel.locator("mmx-scale-scrubber .card").count() == 3


def test_a_reload_keeps_the_image_and_keys_move_on(page, several_base):
    panel = shown(page, several_base, "images", "&p.mmx.token=1&p.mmx.image=2")
    assert chosen(panel) == 2
    page.reload()
    panel = panel_of(page)
    assert chosen(panel) == 2
    page.keyboard.press(",")
    wait_state(panel, "image", 1)
    page.wait_for_function("location.hash.includes('image=1')")
    page.keyboard.press(".")
    page.keyboard.press(".")
    wait_state(panel, "image", 2)


def test_one_image_has_no_strip(page, several_base):
    panel = shown(page, several_base, "crop")
    assert panel.locator("mmx-image-strip").count() == 0
    assert "image" not in caption(panel)


@pytest.mark.parametrize(("width", "height"), [(420, 800), (800, 600), (1280, 800)])
@pytest.mark.parametrize("name", ["mixed", "words"])
def test_the_image_has_its_room_at_any_width(page, several_base, name, width, height):
    page.set_viewport_size({"width": width, "height": height})
    panel = shown(page, several_base, name, "&p.mmx.token=2")
    before = panel.locator("mmx-stage").bounding_box()
    assert before["height"] > 190
    if name == "words":
        panel.click("mmx-candidates li button")
        panel.wait_for_selector(".alternative")
        after = panel.locator("mmx-stage").bounding_box()
        sizes = [(box["width"], box["height"]) for box in (before, after)]
        assert sizes[0] == sizes[1], "flipping between two words moves nothing"
        # Nor does what the legend says while the other steps are on their way.
        panel.evaluate(LONG_LEGEND)
        assert panel.locator("mmx-stage").bounding_box()["height"] == sizes[0][1]
    inside = panel.evaluate(
        "document.querySelector('mmx-panel').scrollWidth <= document.documentElement.clientWidth"
    )
    assert inside, "nothing sticks out to the right"


def test_a_video_plays_its_frames_and_shows_their_share(browser, several_base):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    panel = shown(context.new_page(), several_base, "video", "&p.mmx.token=0&p.mmx.image=3")
    labels = panel.locator("mmx-image-strip .card .texts span").all_inner_texts()
    assert labels == ["0–0.5 s", "1–1.5 s", "2–2.5 s", "3–3.5 s", "4–4.5 s"]
    mark, card = (
        panel.locator(f"mmx-image-strip {part}").bounding_box()
        for part in ("circle", ".card[aria-pressed='true']")
    )
    assert abs(mark["x"] + mark["width"] / 2 - card["x"] - card["width"] / 2) < 2
    panel.wait_for_timeout(900)
    assert state(panel, "image") == 3, "nothing plays by itself"
    panel.click("button[aria-label='Play the video']")
    wait_state(panel, "image", 4)
    wait_state(panel, "image", 0)
    panel.click("mmx-image-strip button[aria-label='Pause']")
    still = state(panel, "image")
    panel.wait_for_timeout(1500)
    assert state(panel, "image") == still
    panel.click("button[aria-label='Play the video']")
    page = context.pages[0]
    page.keyboard.press("k")  # to another sample
    panel.wait_for_selector("[data-status='ready'] mmx-answer-strip")
    panel.wait_for_timeout(1500)
    assert panel.locator("button[aria-label='Pause']").count() == 0
    context.close()


def test_who_goes_to_a_frame_by_key_or_link_is_not_taken_along_by_the_video(browser, several_base):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    panel = shown(context.new_page(), several_base, "video", "&p.mmx.token=0&p.mmx.image=3")
    page = context.pages[0]
    for leave in (
        lambda: page.keyboard.press(","),
        lambda: page.evaluate("location.hash = location.hash.replace(/image=\\d/, 'image=1')"),
    ):
        panel.click("button[aria-label='Play the video']")
        panel.wait_for_selector("button[aria-label='Pause']")
        leave()
        panel.wait_for_selector("button[aria-label='Play the video']")
        panel.wait_for_timeout(100)
        still = state(panel, "image")
        panel.wait_for_timeout(900)
        assert state(panel, "image") == still
    assert still == 1
    context.close()


@pytest.mark.parametrize("strip", ["mmx-image-strip .strip", "mmx-filmstrip"])
def test_what_was_scrolled_away_stays_away_while_something_else_changes(page, odd_steps, strip):
    page.set_viewport_size({"width": 420, "height": 800})
    where = "p.mmx.film=1&p.mmx.step=0&p.mmx.image=0&p.mmx.compare=side&p.mmx.otherStep=0"
    panel = open_panel(page, odd_steps, where)
    box = panel.wait_for_selector(strip)
    panel.wait_for_selector("mmx-filmstrip canvas")
    panel.wait_for_timeout(300)
    assert box.evaluate("box => box.scrollLeft") == 0
    end = box.evaluate("box => (box.scrollLeft = 1e6, box.scrollLeft)")
    assert end > 50
    page.keyboard.press("s")
    for token in (1, 0):
        panel.dispatch_event(f'[data-token-index="{token}"]', "mouseenter")
    panel.wait_for_timeout(200)
    assert box.evaluate("box => box.scrollLeft") == end
    page.keyboard.press("." if "image" in strip else "]")
    panel.wait_for_timeout(300)
    assert box.evaluate("box => box.scrollLeft") < end


def test_who_wants_no_motion_moves_from_frame_to_frame(page, several_base):
    panel = shown(page, several_base, "video", "&p.mmx.token=0&p.mmx.image=3")
    step = "mmx-image-strip button[aria-label='Next frame']"
    panel.click(step)
    wait_state(panel, "image", 4)
    panel.wait_for_timeout(900)
    assert state(panel, "image") == 4
    panel.click(step)
    wait_state(panel, "image", 0)


def test_an_image_and_two_videos_are_told_apart(page, several_base):
    panel = shown(page, several_base, "mixed", "&p.mmx.token=2&p.mmx.image=2")
    groups = panel.locator("mmx-image-strip [role='group'][aria-label^='Video']")
    assert [groups.nth(i).locator(".card").count() for i in range(2)] == [3, 2]
    assert panel.locator("mmx-image-strip polyline").count() == 2, "a curve for each"
    assert panel.locator("mmx-image-strip circle").count() == 1
    assert "video 2, 1–1.5 s" in caption(panel)
    # The second video's control leaves the first one.
    groups.nth(1).locator(".play button").click()
    wait_state(panel, "image", 4)


def test_turns_are_told_apart(page, several_base):
    panel = shown(page, several_base, "talk")
    assert panel.locator("mmx-answer-strip .turn").all_inner_texts() == [
        "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    lines = {
        panel.locator(f"mmx-answer-strip [data-context-index='{j}']").bounding_box()["y"] // 20
        for j in (0, 3, 6, 9)
    }
    assert len(lines) == 4, "each turn has a line of its own"
    panel.select_option("select[aria-label='Group by']", "turns")
    panel.wait_for_timeout(150)
    columns = panel.evaluate(
        "document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-relevance-matrix')"
        ".layout.columns.map(({ name }) => name)"
    )
    assert columns == ["user 1", "assistant 2", "user 3", "answer"]


def test_a_word_that_was_not_said_is_shown_as_such(page, several_base):
    panel = shown(page, several_base, "words", "&p.mmx.token=2")
    button = "button[aria-label='Map of “cat”']"
    assert panel.locator("mmx-candidates li").last.inner_text().split() == ["cat", "0.13", "map"]
    panel.click(button)
    note = panel.wait_for_selector(".alternative")
    assert "not said: “cat” in place of “blue”" in note.inner_text()
    assert "Only its map over all scales was logged" in note.inner_text()
    assert caption(panel).startswith("not said: “cat” in place of “blue”")
    assert not panel.locator("mmx-scale-scrubber .card").first.is_visible()
    panel.wait_for_timeout(150)
    cells = drawn_cells(panel, 12, 16, 24 / 16)
    assert cells[-2, -2, 3] > 150 and cells[3, 3, 3] < 20
    page.wait_for_function("location.hash.includes('beside=6')")
    page.reload()
    panel = panel_of(page)
    assert "not said" in caption(panel)
    assert panel.get_attribute(button, "aria-pressed") == "true"
    panel.click(".alternative button")
    panel.wait_for_selector("mmx-scale-scrubber .card")
    assert caption(panel).startswith("“blue”")


def test_who_asks_why_not_is_led_to_the_map(page, several_base):
    panel = shown(page, several_base, "words", "&p.mmx.token=2")
    panel.fill("mmx-candidates input", "cat")
    answer = panel.locator(".why").inner_text()
    assert "not among the predictions kept, p 0.13" in answer
    panel.click(".why button")
    panel.wait_for_selector(".alternative")


def test_another_token_or_a_comparison_ends_the_view_of_a_word(page, several_base):
    panel = shown(page, several_base, "words", "&p.mmx.token=2&p.mmx.beside=6:999")
    panel.wait_for_selector(".alternative")
    panel.click('[data-token-index="1"]')
    panel.wait_for_selector("mmx-scale-scrubber .card")
    assert state(panel, "alternative") == ""
    view = "&p.mmx.token=2&p.mmx.beside=6:999&p.mmx.compare=side"
    panel = shown(page, several_base, "words", view)
    assert panel.locator(".alternative").count() == 0


def test_a_word_of_the_prompt_that_has_a_map_can_be_chosen_from_the_keyboard(page, several_base):
    panel = shown(page, several_base, "words")
    token = panel.locator('.prompt.mapped[data-context-index="1"]')
    assert token.get_attribute("tabindex") == "0"
    token.focus()
    page.keyboard.press("Enter")
    assert "asked: “" in panel.wait_for_selector(".alternative").inner_text()
    panel.wait_for_timeout(150)
    cells = drawn_cells(panel, 12, 16, 24 / 16)
    assert cells[1, 1, 3] > 150 and cells[-2, -2, 3] < 20
    page.keyboard.press("Escape")
    panel.wait_for_selector("mmx-scale-scrubber .card")


def test_a_word_of_the_prompt_that_is_marked_shows_its_map_first_and_lets_go_then(
    page, several_base
):
    panel = shown(page, several_base, "words", "&p.mmx.context=1")
    token = '.prompt.mapped[data-context-index="1"]'
    panel.click(token)
    panel.wait_for_selector(".alternative")
    assert state(panel, "context") == 1
    panel.click(token)
    panel.wait_for_selector("mmx-scale-scrubber .card")
    assert (state(panel, "context"), state(panel, "alternative")) == (None, "")
    panel.click(token)
    panel.wait_for_selector(".alternative")
    page.keyboard.press("v")  # comparing, no such map is shown
    panel.wait_for_selector("mmx-scale-scrubber .card")
    panel.click(token)
    panel.wait_for_selector(".alternative")


def test_what_the_model_does_not_see_is_hatched(page, several_base):
    panel = shown(page, several_base, "crop")
    left, middle_part, right = panel.evaluate(HATCHED)
    assert left > 2000 and right > 2000
    assert middle_part == 0, "where it sees, there are only the map's colours"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["mixed", "talk", "words"])
def test_no_view_of_them_has_a_serious_violation(new_page, several_base, view, scheme):
    new_page.emulate_media(color_scheme=scheme)
    more = "&p.mmx.beside=6:999" if view == "words" else ""
    panel = shown(new_page, several_base, view, f"&p.mmx.token=2{more}")
    panel.wait_for_selector(".coming", state="detached")
    assert violations(panel, "color-contrast" if scheme == "dark" else "") == []
