"""What the first view does without comes when it is asked for, or it is said why not."""

from __future__ import annotations

from tests.browser.browser import open_panel
from tests.browser.conftest import RUN

VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
# As frontend/scripts/finish_build.mjs counts it.
FIRST_VIEW = {"index", "worker", "behind", "rolldown-runtime"}
HELP = "mmx-help dialog[open]"


def test_the_first_view_loads_no_more_than_it_shows_and_a_part_comes_once_it_is_asked_for(
    new_page, base
):
    asked: list[str] = []
    new_page.on("request", lambda request: asked.append(request.url))
    panel = open_panel(new_page, base, VIEW)

    def scripts() -> set[str]:
        ours = (url for url in asked if "/plugin/mmx/" in url and url.endswith(".js"))
        return {url.rsplit("/", 1)[1].split(".")[0] for url in ours}

    assert scripts() == FIRST_VIEW
    new_page.keyboard.press("h")
    panel.wait_for_selector("mmx-filmstrip canvas")
    # And the words for those who hear what a key has changed.
    assert scripts() - FIRST_VIEW == {"filmstrip", "spoken_parts"}


def test_a_part_that_cannot_be_loaded_is_said_in_words_and_can_be_had_later(watched, base):
    page = watched.page
    panel = open_panel(page, base, VIEW)
    page.route("**/static/help.*", lambda route: route.abort())
    page.keyboard.press("?")
    # The page's own code is served, so this part is one that an update has left behind.
    panel.wait_for_selector("text=The panel was updated after this page was opened")
    page.route("**/plugin/mmx/index.js", lambda route: route.abort())
    page.keyboard.press("?")
    panel.wait_for_selector("text=TensorBoard does not answer: the keyboard shortcuts")
    page.unroute_all()
    panel.click("text=Try again")
    panel.wait_for_selector(HELP)
    page.keyboard.press("Escape")
    page.route("**/static/picker_list.*", lambda route: route.abort())
    panel.locator("mmx-run-picker input").click()
    panel.wait_for_selector("text=reload it for the list")
