"""What is shown to others: the outline of what a word names, the talk view, what is made of it."""

from __future__ import annotations

from tests.browser.browser import open_panel
from tests.browser.conftest import OTHER_RUN, RUN

VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
OUTLINES = "mmx-outline path"


def test_the_object_that_a_word_names_is_outlined_on_both_pictures(page, base):
    compared = f"&p.mmx.compare=side&p.mmx.brun={OTHER_RUN}"
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1{compared}")
    assert panel.locator("mmx-outline").count() == 0
    page.keyboard.press("o")
    panel.locator("mmx-outline text").nth(1).wait_for()
    assert panel.locator("mmx-outline text").all_text_contents() == ["red square"] * 2
    # In the middle of the picture, which lies in the middle of the stage.
    drawn = panel.locator(OUTLINES).first.bounding_box()
    stage = panel.locator("mmx-stage .stage").first.bounding_box()
    middle = [box["x"] + box["width"] / 2 for box in (drawn, stage)]
    assert abs(middle[0] - middle[1]) < 2
    page.wait_for_function("location.hash.includes('p.mmx.outline=1')")
    # The next word names nothing that was masked.
    page.keyboard.press("ArrowRight")
    panel.wait_for_selector(OUTLINES, state="detached")
