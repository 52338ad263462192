"""The panel's claims, checked as a person would check them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmx_core.events import add_explanation, read_explanations
from tests.browser.browser import choose_run, open_panel, panel_of, wait_ready
from tests.browser.conftest import NAN_CELL, OTHER_RUN, RUN, SCALES, STEPS
from tests.browser.pixels import assert_drawn, drawn_cells
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import serve

OPACITY = 0.85
ASPECT = 160 / 120


@pytest.fixture(scope="session")
def logged(logdir):
    """What was logged, by run, sample and step."""
    wanted = read_explanations(str(logdir), run=(RUN, OTHER_RUN))
    return {(e.run, e.tag[-1], e.step): e for e in wanted}


def selected(panel) -> int:
    return int(panel.get_attribute('.answer[aria-selected="true"]', "data-token-index"))


def select(panel, token: int) -> None:
    panel.click(f'[data-token-index="{token}"]')
    panel.wait_for_selector(f'[data-token-index="{token}"][aria-selected="true"]')


def shown_step(panel) -> int:
    return int(panel.get_attribute("section.seen", "data-step"))


def pressed_scale(panel) -> int:
    return int(panel.get_attribute('.card[aria-pressed="true"]', "data-scale-index"))


def cell_centre(panel, *, row: int, column: int) -> dict[str, float]:
    """Where a cell of the matrix lies on its canvas, counted without the template's tokens."""
    layout = panel.evaluate(
        "document.querySelector('mmx-panel').shadowRoot"
        ".querySelector('mmx-relevance-matrix').layout"
    )
    return {
        "x": layout["left"] + (column + 0.5) * layout["cellWidth"],
        "y": layout["top"] + (row + 0.5) * layout["cellHeight"],
    }


def over_steps(logged, largest) -> float:
    """What the colours of the first sample are held to: the most at any of its steps."""
    return max(largest(logged[RUN, "0", step]) for step in STEPS)


def scales_high(explanation) -> float:
    return max(float(np.nanmax(scale.map)) for scale in explanation.scales)


def whole_high(explanation) -> float:
    return float(explanation.heatmap.max())


def wait_for_range(panel) -> None:
    """Until all steps have been read, which the colours are held to."""
    panel.wait_for_selector("mmx-legend .scale:has-text('all steps')")


def address(page) -> str:
    return page.evaluate("decodeURIComponent(location.hash)")


def wait_for_address(page, *parts: str) -> None:
    for part in parts:
        page.wait_for_function(
            "part => decodeURIComponent(location.hash).includes(part)", arg=part, timeout=5000
        )


def test_the_tab_is_there_and_opens_the_panel(page, base):
    page.goto(base)
    tab = page.get_by_text("Explanations", exact=False).first
    tab.click()
    panel = panel_of(page)
    assert panel.locator(".answer").count() > 0


def test_scrubbing_the_scales_draws_the_logged_maps(panel, logged):
    explanation = logged[RUN, "0", STEPS[-1]]
    wait_for_range(panel)
    high = over_steps(logged, scales_high)
    for token in (0, 3):
        select(panel, token)
        for index, scale in enumerate(explanation.scales):
            panel.click(f'[data-scale-index="{index}"]')
            drawn = drawn_cells(panel, *scale.grid, ASPECT)
            assert_drawn(drawn, scale.map[token], high, opacity=OPACITY)
    panel.click(f'[data-scale-index="{len(explanation.scales)}"]')
    maps = explanation.heatmap
    drawn = drawn_cells(panel, *maps.shape[1:], ASPECT)
    assert_drawn(drawn, maps[3], over_steps(logged, whole_high), opacity=OPACITY)


def test_the_range_and_the_colour_map_change_the_drawn_colours(page, panel, logged):
    explanation = logged[RUN, "0", STEPS[-1]]
    select(panel, 1)
    panel.select_option('select[title^="Range"]', "map")
    panel.select_option('select[title^="Colour map"]', "cividis")
    values = explanation.heatmap[1]
    drawn = drawn_cells(panel, *values.shape, ASPECT)
    assert_drawn(drawn, values, float(values.max()), opacity=OPACITY, colors="cividis")


def test_a_missing_value_is_hatched(page, base, logged):
    panel = open_panel(
        page, base, f"p.mmx.run={RUN}&p.mmx.tag=mmx/val/2&p.mmx.layer=1&p.mmx.token=0"
    )
    scale = logged[RUN, "2", STEPS[-1]].base
    token, row, column = NAN_CELL
    assert np.isnan(scale.map[token, row, column])
    hatched = panel.evaluate(
        """([row, column, rows, cols, aspect]) => {
          const stage = document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-stage');
          const canvas = stage.shadowRoot.querySelector('canvas.heatmap');
          const height = Math.min(canvas.width / aspect, canvas.height), width = height * aspect;
          const data = canvas.getContext('2d').getImageData(
            (canvas.width - width) / 2 + (column * width) / cols + 2,
            (canvas.height - height) / 2 + (row * height) / rows + 2, 20, 20).data;
          const alphas = [...data].filter((_, i) => i % 4 === 3);
          return [alphas.some((a) => a > 40), alphas.some((a) => a === 0)];
        }""",
        [row, column, *scale.grid, ASPECT],
    )
    assert hatched == [True, True]


def test_the_arrow_keys_select_tokens_and_scales(page, panel):
    select(panel, 2)
    for key, expected in (
        ("ArrowRight", 3),
        ("ArrowRight", 4),
        ("ArrowRight", 4),
        ("ArrowLeft", 3),
    ):
        page.keyboard.press(key)
        panel.wait_for_selector(f'[data-token-index="{expected}"][aria-selected="true"]')
    page.keyboard.press("Home")
    assert selected(panel) == 0
    page.keyboard.press("End")
    assert selected(panel) == 4
    assert pressed_scale(panel) == 3
    page.keyboard.press("ArrowUp")
    assert pressed_scale(panel) == 2
    page.keyboard.press("ArrowDown")
    assert pressed_scale(panel) == 3


def test_the_selected_token_shows_its_own_predictions(panel, logged):
    explanation = logged[RUN, "0", STEPS[-1]]
    select(panel, 1)
    names = panel.locator("mmx-candidates .name").all_inner_texts()
    wanted = explanation.candidates[explanation.prompt_length + 1]
    assert names == [candidate.text.strip() for candidate in wanted[:5]]


def test_a_click_on_the_matrix_selects_its_row(panel):
    select(panel, 0)
    panel.click("mmx-relevance-matrix canvas", position=cell_centre(panel, row=3, column=1))
    assert selected(panel) == 3
    label = {**cell_centre(panel, row=1, column=0), "x": 20}
    panel.click("mmx-relevance-matrix canvas", position=label)
    assert selected(panel) == 1


def test_hovering_the_matrix_compares_both_predictions(panel, logged):
    explanation = logged[RUN, "0", STEPS[-1]]
    panel.hover("mmx-relevance-matrix canvas", position=cell_centre(panel, row=2, column=1))
    panel.wait_for_selector("mmx-matrix-tip .lists")
    tip = panel.locator("mmx-matrix-tip .values").inner_text()
    hovered = panel.locator("mmx-answer-strip .hovered")
    assert hovered.count() == 2, "row and column are marked in the answer, too"
    shown = [j for j, token in enumerate(explanation.context) if not token.special]
    assert f"ρ {explanation.relevance[2, shown[1]]:.2f}" in tip


def test_the_matrix_has_a_table_for_screen_readers(panel, logged):
    explanation = logged[RUN, "0", STEPS[-1]]
    select(panel, 3)
    panel.check("mmx-relevance-matrix .tabular")
    panel.wait_for_selector("mmx-relevance-matrix tbody tr")  # a part that is loaded when asked for
    rows = panel.locator("mmx-relevance-matrix tbody tr").all_inner_texts()
    context = [
        f"{explanation.relevance[3, j]:.2f}"
        for j in range(explanation.prompt_length + 3)
        if not explanation.context[j].special
    ]
    assert [row.split("\t")[1] for row in rows] == context


def test_the_checkpoint_slider_loads_another_step(panel, logged):
    assert shown_step(panel) == STEPS[-1]
    select(panel, 2)
    panel.locator("mmx-step-slider input").fill("0")
    panel.wait_for_selector(f'section.seen[data-step="{STEPS[0]}"]')
    assert selected(panel) == 2
    values = logged[RUN, "0", STEPS[0]].heatmap
    wait_for_range(panel)
    drawn = drawn_cells(panel, *values.shape[1:], ASPECT)
    assert_drawn(drawn, values[2], over_steps(logged, whole_high), opacity=OPACITY)
    # Once the index records have come, which tell how many were logged.
    panel.wait_for_selector("mmx-step-slider .value:has-text('3 of 3 steps kept')")


def test_other_samples_and_runs_can_be_opened(page, panel):
    page.keyboard.press("j")
    panel.wait_for_selector("section.seen")
    wait_for_address(page, "p.mmx.tag=mmx/val/1")
    panel.locator(".answer").nth(5).wait_for()  # the address is there before the words
    assert panel.locator(".answer").count() == 6
    choose_run(panel, OTHER_RUN)
    wait_for_address(page, f"p.mmx.run={OTHER_RUN}", "p.mmx.tag=mmx/val/1")
    page.keyboard.press("/")
    page.keyboard.type("val/2")
    page.keyboard.press("Enter")
    wait_for_address(page, "p.mmx.tag=mmx/val/2")
    page.keyboard.press("/")
    page.keyboard.type("nothing like it")
    assert "No sample matches" in panel.locator("mmx-sample-picker .none").inner_text()


def test_a_reload_restores_the_view(page, panel):
    select(panel, 3)
    panel.click('[data-scale-index="1"]')
    panel.locator("mmx-step-slider input").fill(str(STEPS[1]))
    panel.wait_for_selector(f'section.seen[data-step="{STEPS[1]}"]')
    for key in ("m", "c", "s", "g", "+"):
        page.keyboard.press(key)
    wait_for_address(
        page, "p.mmx.layer=1", f"p.mmx.step={STEPS[1]}", "p.mmx.zoom=1.5", "p.mmx.grey=0"
    )
    before = address(page)
    page.reload()
    again = panel_of(page)
    assert (selected(again), pressed_scale(again), shown_step(again)) == (3, 1, STEPS[1])
    assert again.is_checked('mmx-legend label:has-text("smooth") input')
    assert again.get_attribute(".modes button:nth-child(2)", "aria-pressed") == "true"
    page.wait_for_timeout(400)
    assert address(page) == before


def test_the_panel_follows_the_dark_mode_live(page, panel):
    background = "getComputedStyle(document.querySelector('mmx-panel')).backgroundColor"
    light = panel.evaluate(background)
    page.evaluate("document.body.classList.add('dark-mode')")
    panel.wait_for_selector("mmx-panel.dark")
    dark = panel.evaluate(background)
    assert light == "rgb(255, 255, 255)"
    assert max(int(part) for part in dark[4:-1].split(", ")) < 60


def test_zooming_shows_grid_lines_and_keeps_the_pointer_s_place(page, panel):
    panel.hover("mmx-stage .stage", position={"x": 250, "y": 170})
    reading = panel.locator("mmx-stage .reading")
    before = reading.inner_text()
    assert "logit" in before
    page.mouse.wheel(0, -600)
    wait_for_address(page, "p.mmx.zoom=")
    assert reading.inner_text() == before
    page.keyboard.press("0")
    page.wait_for_function("!location.hash.includes('zoom')")


def test_every_control_can_be_reached_by_keyboard(page, panel):
    select(panel, 0)
    page.keyboard.press("?")
    panel.wait_for_selector("mmx-help dialog[open]")
    page.keyboard.press("Escape")
    panel.wait_for_selector("mmx-help dialog[open]", state="detached")
    panel.locator("mmx-run-picker input").first.focus()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            panel.evaluate(
                """() => {
                  let active = document.activeElement;
                  while (active?.shadowRoot?.activeElement)
                    active = active.shadowRoot.activeElement;
                  return active?.getRootNode().host?.localName ?? '';
                }"""
            )
        )
    parts = (
        "sample-picker step-slider header answer-strip stage legend scale-scrubber relevance-matrix"
    )
    assert {f"mmx-{part}" for part in parts.split()} <= reached
    text = panel.get_attribute("mmx-scale-scrubber input", "aria-valuetext")
    assert text.startswith("token 1 of 5: ") and "12 by 16" in text


def test_a_damaged_sample_says_what_is_damaged(page, base):
    panel = open_panel(page, base, "p.mmx.run=broken&p.mmx.step=0", status="damaged")
    text = panel.locator("mmx-notice .box").inner_text()
    assert "val/1, step 0, cannot be shown" in text
    assert "checksum" in text.lower()
    panel.locator("mmx-step-slider input").press("End")
    panel.wait_for_selector("mmx-notice >> text=update this plugin")
    choose_run(panel, RUN)
    wait_ready(panel)


def test_an_address_that_is_gone_opens_what_is_nearest(page, base):
    panel = open_panel(page, base, f"p.mmx.run={RUN}&p.mmx.tag=mmx/val/99&p.mmx.step=310")
    assert "val/99" in panel.locator(".note").inner_text()
    assert shown_step(panel) == 300


def test_new_steps_appear_with_a_reload_and_the_selection_stays(page, tmp_path):
    add_explanation(tmp_path, "val/0", make_explanation(), 10)
    with serve(tmp_path) as base:
        panel = open_panel(page, base)
        select(panel, 1)
        add_explanation(tmp_path, "val/0", make_explanation(seed=1), 20)
        page.wait_for_timeout(2500)  # TensorBoard reads the directory once a second.
        page.click('[aria-label="Reload"], .reload-button, [title*="Last Updated"]')
        panel.wait_for_selector('mmx-step-slider input[max="20"]')
        assert (shown_step(panel), selected(panel)) == (10, 1)
        assert panel.locator(".news").inner_text() == "1 new step"
        select(panel, 2)
        panel.wait_for_selector(".news", state="detached")


def test_an_empty_log_directory_says_how_to_log(page, tmp_path):
    with serve(tmp_path, wait_for_data=False) as base:
        panel = open_panel(page, base, status="empty")
        assert "mmx.add_explanation(" in panel.locator("mmx-how-to-log pre").inner_text()
        panel.click("mmx-how-to-log button")
        panel.wait_for_selector("mmx-how-to-log >> text=/Copied|Selected/")


def test_a_server_that_is_gone_can_be_tried_again(watched, base):
    page = watched.page
    page.route("**/plugin/mmx/index", lambda route: route.abort())
    panel = open_panel(page, base, status="gone")
    assert "does not answer" in panel.locator("mmx-notice .box").inner_text()
    page.unroute("**/plugin/mmx/index")
    panel.click("mmx-notice button")
    wait_ready(panel)
    assert [trouble for trouble in watched.troubles if "ERR_FAILED" not in trouble] == []


def test_behind_a_path_prefix_with_the_slow_loader(page, logdir):
    with serve(logdir, load_fast=False, path_prefix="/some/where") as base:
        panel = open_panel(page, base, f"p.mmx.run={RUN}")
        assert panel.locator(".answer").count() == 5
        select(panel, 2)


def logged_answer(folder, *texts):
    """An explanation whose answer has these tokens."""
    base = make_explanation(len(texts), 4, scales=SCALES)
    answer = [
        replace(token, text=text, special=False)
        for token, text in zip(base.context[base.prompt_length :], texts, strict=True)
    ]
    context = (*base.context[: base.prompt_length], *answer)
    explanation = replace(base, context=context, tokens=tuple(answer), answer="".join(texts))
    add_explanation(folder, "val/0", explanation, 0)
    return explanation


def test_an_answer_is_read_by_words_and_its_tokens_are_one_key_away(page, tmp_path):
    logged = logged_answer(tmp_path, " a", " colour", "ful", " dog")
    shown = "document.querySelector('mmx-panel').shadowRoot.querySelector('mmx-stage').picture"
    with serve(tmp_path) as base:
        panel = open_panel(page, base, "p.mmx.token=2")
        words = panel.locator(".answer")
        assert words.all_inner_texts() == ["a", "colourful", "dog"]
        assert selected(panel) == 1, "the word that holds the token"
        maps = logged.heatmap[1:3].reshape(2, -1)
        for combine, expected in (
            ("sum", maps.sum(axis=0)),
            ("max", maps.max(axis=0)),
            ("mean", maps.mean(axis=0)),
        ):
            panel.select_option(".combine select", combine)
            panel.wait_for_function(f"{shown}.caption.startsWith('“colourful” ({combine} of 2)')")
            values = panel.evaluate(f"[...{shown}.map.values]")
            assert np.allclose(values, expected, atol=0.02 * maps.max())
        page.keyboard.press("ArrowRight")
        panel.wait_for_selector('[data-token-index="3"][aria-selected="true"]')
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("w")
        panel.wait_for_selector('[data-token-index="2"]')
        assert words.all_inner_texts() == ["a", "colour", "ful", "dog"]
        assert selected(panel) == 1
        wait_for_address(page, "p.mmx.unit=tokens")
        panel.click(".side button:has-text('words')")
        panel.wait_for_selector('[data-token-index="2"]', state="detached")


def test_an_answer_from_right_to_left_is_read_so(page, tmp_path):
    logged_answer(tmp_path, " كلب", " يج", "ري", " هنا")
    with serve(tmp_path) as base:
        panel = open_panel(page, base)
        words = panel.locator(".answer")
        assert words.all_inner_texts() == ["كلب", "يجري", "هنا"]
        places = [words.nth(i).bounding_box()["x"] for i in range(3)]
        assert places == sorted(places, reverse=True)


def test_a_small_window_shows_everything_below_each_other(page, base):
    for width in (800, 420):
        page.set_viewport_size({"width": width, "height": 600})
        panel = open_panel(page, base, f"p.mmx.run={RUN}")
        overflow = panel.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{width} px wide"
        panel.click('[data-scale-index="0"]')
        assert pressed_scale(panel) == 0
