"""Runs of several starts, and what the panel shows once a run, a step or a sample has gone."""

from __future__ import annotations

import shutil

from tests.browser.browser import choose_run, open_panel, run_shown
from tests.support.starts import start_folder, write_lost, write_start
from tests.support.tensorboard_server import serve

FIRST, RESUME = start_folder(1), start_folder(2, "-from-6")
SAMPLE = "p.mmx.tag=mmx%2Fval%2F0"
RELOAD = '[aria-label="Reload"], .reload-button, [title*="Last Updated"]'
READ_MS = 3000
"""TensorBoard reads the directory once a second."""


def reload(page) -> None:
    page.wait_for_timeout(READ_MS)
    page.click(RELOAD)


def test_a_start_that_appears_continues_the_run_that_is_open(page, tmp_path):
    write_start(tmp_path / "run" / FIRST, {"val/0": [0, 3, 9]}, seed=1)
    with serve(tmp_path) as base:
        panel = open_panel(page, base, f"p.mmx.run=run%2F{FIRST}&{SAMPLE}&p.mmx.step=3")
        assert run_shown(panel) == "run"
        assert panel.locator(".note").count() == 0
        write_start(tmp_path / "run" / RESUME, {"val/0": [6, 7]}, seed=2)
        reload(page)
        panel.wait_for_selector('mmx-step-slider input[max="7"]')
        assert panel.locator(".news").inner_text() == "2 new steps"
        panel.locator("mmx-run-picker input").click()
        panel.wait_for_selector("mmx-run-picker .option")
        assert panel.locator("mmx-run-picker .option strong").all_inner_texts() == ["run"]
        panel.locator("mmx-step-slider input").fill("7")
        panel.wait_for_selector('section.seen[data-step="7"]')


def test_what_was_told_of_a_run_goes_with_it(watched, tmp_path):
    page = watched.page
    write_start(tmp_path / "a", {"val/0": [0, 1]}, seed=1)
    write_start(tmp_path / "b", {"val/0": [0]}, seed=2)
    with serve(tmp_path) as base:
        view = f"p.mmx.run=a&{SAMPLE}&p.mmx.compare=side&p.mmx.brun=b"
        panel = open_panel(page, base, view)
        write_start(tmp_path / "a", {"val/0": [2]}, seed=1)
        reload(page)
        panel.wait_for_selector(".news:has-text('1 new step')")
        page.wait_for_timeout(500)
        panel.click('button[aria-label="Export"]')
        panel.wait_for_selector("mmx-export-dialog dialog[open]")
        shutil.rmtree(tmp_path / "a")
        page.wait_for_timeout(READ_MS)
        page.evaluate("selector => document.querySelector(selector).click()", RELOAD)
        panel.wait_for_selector(".note:has-text('The run “a” is not here; this is “b”.')")
        panel.wait_for_selector("mmx-export-dialog dialog[open]", state="detached")
        assert panel.locator(".news").count() == 0
        write_start(tmp_path / "a", {"val/0": [0]}, seed=1)
        reload(page)
        panel.wait_for_selector(".note", state="detached")
        assert run_shown(panel) == "b"


def test_a_lost_sample_is_listed_with_a_sentence_in_place_of_its_picture(page, tmp_path):
    write_lost(tmp_path / "run", scalar_first=True)
    with serve(tmp_path) as base:
        panel = open_panel(page, base, "p.mmx.samples=1")
        panel.click("mmx-sample-table [role=row]:has-text('val/grounding')")
        panel.wait_for_selector('.page[data-status="damaged"]')
        told = panel.locator("mmx-notice .box").inner_text()
        assert "val/grounding cannot be shown" in told
        assert "gave its tag to a scalar" in told and "mmx list" in told


def test_encoded_names_are_shown_as_their_users_write_them(page, tmp_path):
    write_start(tmp_path / "run", {"val/C:\\img\\1": [0]}, seed=1)
    with serve(tmp_path) as base:
        panel = open_panel(page, base, "p.mmx.samples=1")
        assert panel.locator("mmx-sample-picker input").input_value() == "val/C:\\img\\1"
        panel.wait_for_selector("mmx-sample-table .name:has-text('val/C:\\\\img\\\\1')")
        page.wait_for_function("location.hash.includes('%255Cimg')")
        page.keyboard.press("e")
        panel.wait_for_selector("mmx-export-dialog #arrays")
        command = panel.locator("mmx-export-dialog #arrays").input_value()
        assert "--sample 'val/C:\\img\\1'" in command


def test_hundreds_of_runs_and_a_long_name_leave_the_panel_as_it_is(page, tmp_path):
    long = "n" * 200
    for name in (long, *(f"run-{number}" for number in range(300))):
        write_start(tmp_path / name, {"val/0": [0]}, seed=1)
    with serve(tmp_path) as base:
        page.set_viewport_size({"width": 800, "height": 600})
        panel = open_panel(page, base, f"p.mmx.run={long}&{SAMPLE}&p.mmx.compare=side")
        panel.locator("mmx-run-picker input").first.click()
        panel.wait_for_selector("mmx-run-picker .none")
        listed = panel.locator("mmx-run-picker .option strong").all_inner_texts()
        assert listed[:3] == [long, "run-0", "run-1"]
        assert panel.locator("mmx-run-picker .none").inner_text().startswith("101 more")
        assert panel.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        choose_run(panel, "run-299")
        panel.wait_for_selector("section.seen")
