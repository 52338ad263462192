"""Comparing checkpoints, regions, spans, the filmstrip and export, as a person would."""

from __future__ import annotations

import base64
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from mmx_core.events import read_explanations
from tests.browser.browser import choose_run, open_panel, wait_ready
from tests.browser.conftest import OTHER_RUN, RUN, STEPS

VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
ELEMENTS = """(() => {
  const root = document.querySelector('mmx-panel').shadowRoot;
  const compare = root.querySelector('mmx-compare-stage');
  return [...(compare ? compare.shadowRoot : root).querySelectorAll('mmx-stage')];
})()"""


@pytest.fixture(scope="session")
def logged(logdir):
    """What was logged of sample 0, by run and step."""
    found = read_explanations(str(logdir), run=(RUN, OTHER_RUN))
    return {(e.run, e.step): e for e in found if e.tag.endswith("/0")}


def maps_drawn(panel) -> list[dict]:
    """What each stage on screen draws: its map, range and caption."""
    return panel.evaluate(
        ELEMENTS + ".map(({picture, badge}) => ({badge, caption: picture.caption,"
        " range: picture.range, values: picture.map && [...picture.map.values]}))"
    )


def compare(panel, mode: str) -> None:
    panel.click(f'[aria-label="Compare"] button:text-is("{mode}")')
    wait_ready(panel)
    panel.wait_for_selector(f'button[aria-pressed="true"]:text-is("{mode}")')


def test_side_by_side_draws_both_steps_in_one_range(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1")
    compare(panel, "side")
    first, second = maps_drawn(panel)
    a, b = logged[RUN, STEPS[-1]], logged[RUN, STEPS[-2]]
    assert np.allclose(first["values"], a.heatmap[1].ravel())
    assert np.allclose(second["values"], b.heatmap[1].ravel())
    panel.wait_for_selector("mmx-legend .scale:has-text('both, all steps')")
    first, second = maps_drawn(panel)
    high = max(float(logged[RUN, step].heatmap.max()) for step in STEPS)
    assert first["range"]["high"] == second["range"]["high"] == pytest.approx(high)
    assert [first["badge"], second["badge"]] == ["A · step 900", "B · step 300"]
    legend = panel.locator("mmx-legend .scale")
    panel.select_option('select[aria-label="Range of the colours"]', "map")
    panel.wait_for_function(ELEMENTS + ".every(({view}) => view.range === 'map')")
    assert "A: this map" in legend.inner_text()


def test_captions_beside_long_badges_stay_on_their_stages(page, base):
    page.set_viewport_size({"width": 800, "height": 600})
    view = f"{VIEW}&p.mmx.compare=side&p.mmx.brun={OTHER_RUN}&p.mmx.token=1&p.mmx.more=3"
    panel = open_panel(page, base, view)
    beyond = panel.evaluate(
        ELEMENTS
        + """.map((stage) => {
          const home = stage.getBoundingClientRect();
          const chips = [...stage.shadowRoot.querySelectorAll('.top > *')];
          return Math.max(...chips.map((chip) => {
            const box = chip.getBoundingClientRect();
            return Math.max(box.right - home.right, home.left - box.left);
          }));
        })"""
    )
    assert len(beyond) == 2 and max(beyond) <= 0
    page.set_viewport_size({"width": 1280, "height": 800})


def test_zoom_and_cursor_are_linked(page, base):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.compare=side")
    boxes = [stage.bounding_box() for stage in panel.query_selector_all("mmx-stage")]
    place = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]
    page.mouse.move(*place[0])
    page.mouse.wheel(0, -400)
    panel.wait_for_function(ELEMENTS + ".every(({view}) => view.zoom.factor > 1.5)")
    page.mouse.move(place[0][0] + 12, place[0][1])
    cursors = panel.evaluate(ELEMENTS + ".map(({cursor}) => cursor)")
    assert cursors[0] == cursors[1] is not None
    readings = panel.locator("mmx-stage .reading").all_inner_texts()
    assert len(readings) == 2 and all("logit" in text for text in readings)


def test_the_difference_is_a_minus_b_around_zero_and_its_legend_says_so(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=2&p.mmx.compare=difference")
    (drawn,) = maps_drawn(panel)
    expected = logged[RUN, STEPS[-1]].heatmap[2] - logged[RUN, STEPS[-2]].heatmap[2]
    assert np.allclose(drawn["values"], expected.ravel(), atol=1e-6)
    assert drawn["range"]["high"] == -drawn["range"]["low"] == pytest.approx(abs(expected).max())
    legend = panel.locator("mmx-legend .scale").inner_text()
    assert "more in B" in legend and "more in A" in legend


def test_the_difference_of_the_matrices_is_around_zero_too(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=2&p.mmx.compare=difference")
    matrix = "document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-relevance-matrix')"
    # JSON has no NaN.
    drawn = panel.evaluate(f"[...{matrix}.explanation.matrix].map((v) => (isNaN(v) ? null : v))")
    a, b = logged[RUN, STEPS[-1]], logged[RUN, STEPS[-2]]
    expected = np.stack(
        [
            a.relevance - b.relevance,
            a.text_activation - b.text_activation,
            a.interference_weights - b.interference_weights,
        ]
    )
    context = np.arange(expected.shape[2]) < len(a.context) - len(a.tokens) + np.arange(
        len(a.tokens)
    ).reshape(-1, 1)
    told = np.array(drawn, dtype=float).reshape(expected.shape)
    assert np.allclose(told[:, context], expected[:, context], atol=1e-6)
    key = " ".join(panel.locator("mmx-matrix-key .ends").all_inner_texts())
    assert "more in" in key and "−" in key and "+" in key


def test_b_can_be_any_step_of_any_run_and_be_swapped_with_a(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.compare=side&p.mmx.token=0")
    choose_run(panel, OTHER_RUN, "Run of B")
    wait_ready(panel)
    panel.select_option('select[aria-label="Step of B"]', str(STEPS[0]))
    wait_ready(panel)
    panel.wait_for_selector(f'section.seen[data-other-step="{STEPS[0]}"]')
    _, second = maps_drawn(panel)
    assert OTHER_RUN in second["badge"]
    assert np.allclose(second["values"], logged[OTHER_RUN, STEPS[0]].heatmap[0].ravel())
    page.keyboard.press("x")
    panel.wait_for_selector(f'section.seen[data-step="{STEPS[0]}"]')
    first, second = maps_drawn(panel)
    assert np.allclose(first["values"], logged[OTHER_RUN, STEPS[0]].heatmap[0].ravel())
    assert np.allclose(second["values"], logged[RUN, STEPS[-1]].heatmap[0].ravel())


def test_the_curtain_and_the_blink_show_one_or_the_other(page, base):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.compare=swipe")
    curtain = panel.locator(".curtain")
    curtain.focus()
    before = float(curtain.input_value())
    page.keyboard.press("ArrowRight")
    assert float(curtain.input_value()) > before
    compare(panel, "blink")
    shown = "mmx-stage >> visible=true"
    first = panel.locator(shown).get_attribute("side")
    page.keyboard.press("b")
    panel.wait_for_function(
        f"{ELEMENTS}.filter((stage) => getComputedStyle(stage).visibility === 'visible')"
        f".every((stage) => stage.side !== '{first}')"
    )


def test_a_reload_restores_the_comparison(page, base):
    panel = open_panel(page, base, VIEW)
    compare(panel, "difference")
    page.wait_for_function("location.hash.includes('p.mmx.compare=difference')")
    page.reload()
    panel = open_panel(page, base, page.evaluate("location.hash.slice('#mmx&'.length)"))
    assert len(maps_drawn(panel)) == 1
    panel.wait_for_selector('[aria-label="Step of B"]')


def test_a_click_on_the_image_ranks_the_words_that_read_from_there(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.layer=1")
    box = panel.query_selector("mmx-stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2 + 5, box["y"] + box["height"] / 2 + 5)
    panel.wait_for_selector("mmx-readers li")
    maps = logged[RUN, STEPS[-1]].base.map
    rows, columns = maps.shape[1:]
    expected = maps[:, rows // 2, columns // 2].argsort()[::-1][: len(maps)]
    told = [
        int(re.search(r"#(\d+)", text)[1]) - 1
        for text in panel.locator("mmx-readers li").all_inner_texts()
    ]
    assert told == [int(token) for token in expected[: len(told)]]
    panel.locator("mmx-readers li button").first.click()
    panel.wait_for_selector(f'[data-token-index="{told[0]}"][aria-selected="true"]')
    page.keyboard.press("Escape")
    panel.wait_for_selector("mmx-candidates")


def test_a_dragged_region_is_outlined_and_kept_in_the_address(page, base):
    panel = open_panel(page, base, VIEW)
    box = panel.query_selector("mmx-stage").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle[0] - 40, middle[1] - 40)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 20, steps=4)
    page.mouse.up()
    panel.wait_for_selector("mmx-readers")
    page.wait_for_function("location.hash.includes('p.mmx.region=')")


def test_a_span_averages_or_sums_its_tokens(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1")
    page.keyboard.press("Shift+ArrowRight")
    panel.wait_for_selector('[data-token-index="2"][aria-selected="true"]')
    maps = logged[RUN, STEPS[-1]].heatmap[1:3].reshape(2, -1)
    assert np.allclose(maps_drawn(panel)[0]["values"], maps.mean(axis=0), atol=1e-6)
    panel.select_option(".combine select", "sum")
    panel.wait_for_function(ELEMENTS + "[0].picture.caption.includes('(sum of 2)')")
    assert np.allclose(maps_drawn(panel)[0]["values"], maps.sum(axis=0), atol=1e-6)
    panel.click('[data-token-index="0"]')
    panel.hover('[data-token-index="0"]')
    page.mouse.down()
    panel.hover('[data-token-index="3"]')
    page.mouse.up()
    panel.wait_for_function(
        "document.querySelector('mmx-panel').model.view.more === 3", timeout=3000
    )


def test_the_filmstrip_shows_every_step_and_a_click_jumps_there(page, base, logged):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.film=1&p.mmx.token=0")
    panel.wait_for_function(
        "document.querySelector('mmx-panel').model.film().every((entry) => entry)"
    )
    buttons = panel.locator("mmx-filmstrip .steps button")
    assert [text.replace(",", "") for text in buttons.all_inner_texts()] == [str(s) for s in STEPS]
    canvas = panel.locator("mmx-filmstrip canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": 8, "y": box["height"] - 8})
    panel.wait_for_selector(f'section.seen[data-step="{STEPS[0]}"]')
    wait_ready(panel)
    told = panel.locator("mmx-filmstrip .label", has_text="probability").inner_text()
    assert f"{logged[RUN, STEPS[0]].base.probability[0]:.2f}" in told
    buttons.last.click(modifiers=["Shift"])
    panel.wait_for_selector(f'section.seen[data-other-step="{STEPS[-1]}"]')


def test_the_table_of_samples_finds_sorts_and_opens(page, base):
    panel = open_panel(page, base, VIEW)
    page.keyboard.press("l")
    rows = panel.locator('mmx-sample-table .rows [role="row"]')
    panel.wait_for_selector('mmx-sample-table .rows [role="row"]')
    assert rows.count() == 3
    rows.nth(1).click()
    panel.wait_for_function("document.querySelector('mmx-panel').model.view.tag === 'mmx/val/1'")
    wait_ready(panel)
    panel.click('mmx-sample-table [role="columnheader"] button:has-text("lowest probability")')
    told = panel.locator("mmx-sample-table [aria-sort]:not([aria-sort='none'])").inner_text()
    assert "lowest probability" in told
    panel.fill("mmx-sample-table input[type=search]", "no such words anywhere")
    panel.wait_for_function(
        "!document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-sample-table')"
        ".shadowRoot.querySelector('.rows [role=row]')"
    )


def test_a_comparison_is_exported_with_both_names_answers_and_the_legend(
    page, base, tmp_path, logged
):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.compare=swipe&p.mmx.brun={OTHER_RUN}")
    page.keyboard.press("e")
    files = {}
    for kind in ("png", "svg"):
        with page.expect_download() as download:
            panel.click(f'a[download$=".{kind}"]')
        named = f"val_0_{RUN}_step-{STEPS[-1]}_vs_{OTHER_RUN}_step-{STEPS[-1]}_swipe.{kind}"
        assert download.value.suggested_filename == named
        files[kind] = tmp_path / named
        download.value.save_as(files[kind])
    with Image.open(files["png"]) as picture:
        assert picture.width == 1920  # twice its size on a page
        assert len(picture.convert("RGB").resize((96, 96)).getcolors(96 * 96)) > 50
    tree = ElementTree.parse(files["svg"])
    svg = "{http://www.w3.org/2000/svg}"
    said = " ".join("".join(text.itertext()) for text in tree.iter(f"{svg}text"))
    for name, run in (("A", RUN), ("B", OTHER_RUN)):
        assert f"{name} · {run} · step {STEPS[-1]}" in said
        assert all(word in said for word in logged[run, STEPS[-1]].answer.split())
    assert "logit" in said and len(list(tree.iter(f"{svg}linearGradient"))) == 1
    assert len(list(tree.iter(f"{svg}image"))) == 1


def test_export_offers_a_picture_a_command_and_a_page_that_opens_without_a_server(
    page, base, context, tmp_path, logged
):
    panel = open_panel(page, base, f"{VIEW}&p.mmx.token=1")
    page.keyboard.press("e")
    panel.wait_for_selector('a[download$=".png"]')
    panel.wait_for_selector('a[download$=".html"]')
    command = panel.locator("#arrays").input_value()
    assert command.startswith(f"mmx export LOGDIR --run {RUN} --sample val/0 --step {STEPS[-1]}")
    assert "p.mmx.run=" in panel.locator("#link").input_value()
    with page.expect_download() as download:
        panel.click('a[download$=".html"]')
    file = tmp_path / "page.html"
    download.value.save_as(file)
    text = file.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="mmx-data">(.*?)</script>', text, re.S)[1])
    assert base64.b64decode(data["explanations"][0]["blobs"][0])
    alone = context.new_page()
    requests: list[str] = []
    alone.on("request", lambda request: requests.append(request.url))
    alone.goto(file.as_uri())
    alone.wait_for_selector('.page[data-status="ready"]', timeout=10_000)
    values = alone.evaluate(ELEMENTS + "[0].picture.map.values.length")
    assert values == logged[RUN, STEPS[-1]].heatmap[0].size
    assert not [url for url in requests if url.startswith("http")]
    alone.close()
