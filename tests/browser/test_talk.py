"""What is shown to others: the outline of what a word names, the talk view, what is made of it."""

from __future__ import annotations

import re
from pathlib import Path

from mmx_core.events import read_explanations
from tests.browser.browser import open_panel, run_shown
from tests.browser.conftest import OTHER_RUN, RUN

VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
RUNS = (RUN, OTHER_RUN)
OUTLINES = "mmx-outline path"


def test_the_object_that_a_word_names_is_outlined_on_both_pictures(page, base):
    compared = f"&p.mmx.compare=side&p.mmx.brun={OTHER_RUN}"
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1{compared}")
    assert panel.locator("mmx-outline").count() == 0
    page.keyboard.press("o")
    panel.locator("mmx-outline text").nth(1).wait_for()
    for text in panel.locator("mmx-outline text").all_text_contents():
        assert re.fullmatch(r"red square · IoU [01]\.\d\d", text)
    # In the middle of the picture, which lies in the middle of the stage.
    drawn = panel.locator(OUTLINES).first.bounding_box()
    stage = panel.locator("mmx-stage .stage").first.bounding_box()
    middle = [box["x"] + box["width"] / 2 for box in (drawn, stage)]
    assert abs(middle[0] - middle[1]) < 2
    page.wait_for_function("location.hash.includes('p.mmx.outline=1')")
    # The next word names nothing that was masked.
    page.keyboard.press("ArrowRight")
    panel.wait_for_selector(OUTLINES, state="detached")


def test_the_talk_view_goes_word_by_word_and_then_step_by_step_by_keys(page, base):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=0&p.mmx.outline=1")
    page.keyboard.press("f")
    canvas = panel.wait_for_selector("mmx-talk canvas")
    assert canvas.get_attribute("aria-label").startswith("“left”: word 1 of 5; probability")
    page.keyboard.press("PageDown")
    panel.wait_for_selector("mmx-talk canvas[aria-label^='“of”: word 2 of 5']")
    page.keyboard.press("m")
    panel.wait_for_selector("mmx-talk canvas[aria-label^='“of”: step 900, 3 of 3']")
    page.keyboard.press("Home")
    panel.wait_for_selector("mmx-talk canvas[aria-label^='“of”: step 0, 1 of 3']")
    # It plays from there to the end, with nothing but the moment on the screen.
    page.keyboard.press("Space")
    panel.wait_for_selector("mmx-talk .bar", state="detached")
    panel.wait_for_selector("mmx-talk canvas[aria-label*='3 of 3']")
    page.keyboard.press("Escape")
    panel.wait_for_selector("mmx-talk", state="detached")
    panel.wait_for_selector("section.seen[data-step='900']")


def saved(page, panel, what: str, folder: Path) -> Path:
    """What the link of that name saves."""
    with page.expect_download() as download:
        panel.click(f"mmx-talk-export a:has-text('{what}')")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_talk_is_taken_along_as_a_page_that_plays_by_itself_and_as_video(page, base, tmp_path):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1&p.mmx.talk=steps&p.mmx.outline=1")
    panel.wait_for_selector("mmx-talk canvas[aria-label*='3 of 3']")
    page.keyboard.press("e")
    panel.click("mmx-talk-export button:has-text('Record video')")
    panel.wait_for_selector("mmx-talk-export a:has-text('Video')")
    video = saved(page, panel, "Video", tmp_path).read_bytes()
    assert len(video) > 10_000
    assert video.startswith(b"\x1a\x45\xdf\xa3") or video[4:8] == b"ftyp"
    lines = [field.input_value() for field in panel.locator("mmx-export-dialog input").all()]
    assert any(line.endswith("--step all --format webp --token 1") for line in lines)
    panel.click("mmx-talk-export button:has-text('Make page')")
    panel.wait_for_selector("mmx-talk-export a:has-text('Talk page')")
    talk = saved(page, panel, "Talk page", tmp_path)
    page.goto(talk.as_uri())
    page.wait_for_selector("mmx-talk canvas[aria-label*='3 of 3']")
    page.keyboard.press("Home")
    page.wait_for_selector("mmx-talk canvas[aria-label^='“of”: step 0, 1 of 3']")


def test_a_word_is_seen_in_all_runs_and_a_cell_leads_to_its_place(page, base, logdir):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1&p.mmx.grid=1")
    cell = "mmx-run-grid button[aria-label^='{}, step {}: probability {:.2f}']"
    found = [e for e in read_explanations(str(logdir), run=RUNS) if e.tag == "mmx/val/0"]
    assert len(found) == 6
    for each in found:
        probability = float(each.base.probability[1])
        panel.wait_for_selector(cell.format(each.run, each.step, probability))
    high = max(float(each.heatmap[1].max()) for each in found)
    assert f"colours 0 to {high:.1f}"[:13] in panel.locator("mmx-run-grid .said").inner_text()
    here = panel.locator("mmx-run-grid button[aria-current=true]")
    here.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel.wait_for_selector("section.seen[data-step='300']")
    assert run_shown(panel) == OTHER_RUN
    assert here.get_attribute("aria-label").startswith(f"{OTHER_RUN}, step 300")
