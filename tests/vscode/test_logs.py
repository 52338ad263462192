"""One window, from its opening on.

All in one file, in this order: a window takes as long to open as everything that is done in it.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.scenes import validation_scenes
from mmx_core.events import ExplanationWriter
from mmx_core.explanation import Explanation
from tests.browser.pixels import color_table
from tests.support.explanations import make_explanation
from tests.vscode.programs import CHECKPOINT
from tests.vscode.server import processes
from tests.vscode.workbench import Workbench, assert_shows, change

TRUSTED = False
SOURCE = "def log(explainer, picture):\n    return explainer.explain(picture)\n"
# Once this has been answered.
RELOAD = """\
setTimeout(() => vscode.commands.executeCommand("workbench.action.reloadWindow"), 500)
"""
ATTACKS = """async () => {
  const refused = (attempt) => new Promise((resolve) => {
    document.addEventListener("securitypolicyviolation", () => resolve("refused"), { once: true });
    setTimeout(() => resolve("done"), 3000);
    try { Promise.resolve(attempt()).catch(() => undefined) } catch {}
  });
  const add = (name, values) => document.body.append(
    Object.assign(document.createElement(name), values));
  return [
    await refused(() => add("script", { textContent: "1" })),
    await refused(() => new Function("1")()),
    await refused(() => fetch("http://127.0.0.1:9/")),
    await refused(() => add("img", { src: "http://127.0.0.1:9/" })),
  ];
}"""
# Python without any package; it leaves a trace where it has run.
BARE = '#!/bin/sh\ntouch {trace}\nexec {python} -I -S "$@"\n'


@dataclass(frozen=True)
class Log:
    """A log that is written while it is looked at, of two runs."""

    before: ExplanationWriter
    after: ExplanationWriter
    first: Explanation
    event_file: Path
    source: Path


@pytest.fixture(scope="module")
def log(workbench: Workbench) -> Log:
    folder = workbench.folder / "logs"
    source = workbench.folder / "source.py"
    source.write_text(SOURCE)
    before, after = (ExplanationWriter(folder / name) for name in ("before", "after"))
    first = explanation(0, source)
    before.add_explanation("val/0", first, 0)
    before.flush()
    [event_file] = folder.rglob("*tfevents*")
    return Log(before, after, first, event_file, source)


def explanation(seed: int, source: Path) -> Explanation:
    """As if made by the second line of `source`."""
    place = {"logged_at": {"file": str(source), "line": 2}}
    return replace(make_explanation(5, seed=seed), provenance=place)


def test_a_folder_that_is_not_trusted_starts_no_interpreter(workbench: Workbench, log: Log) -> None:
    bare = workbench.folder / "bare"
    bare.write_text(BARE.format(trace=workbench.folder / "trace", python=sys.executable))
    bare.chmod(0o755)
    workbench.setting("mmx.pythonPath", str(bare))
    workbench.host.run(
        f"const file = vscode.Uri.file({str(log.event_file)!r});"
        'return vscode.commands.executeCommand("vscode.openWith", file, "mmx.events")'
    )
    panel = workbench.panel("log", status="gone")
    panel.get_by_text("This folder is not trusted").wait_for()
    assert not (workbench.folder / "trace").exists()


def test_an_interpreter_without_the_package_is_told_what_to_install(
    workbench: Workbench, log: Log
) -> None:
    page = workbench.page
    page.get_by_text("Manage", exact=True).click()
    page.get_by_role("button", name="Trust", exact=True).click()
    panel = workbench.panel("log", status="gone")
    # Asked again by itself, once the folder is trusted.
    panel.get_by_text("bare lacks tensorboard, tb_mmx_plugin, mmx_core").wait_for()
    panel.get_by_text("-m pip install mmx-explain").wait_for()
    page.locator(".monaco-modal-editor-block .codicon-close").first.click()


def test_an_event_file_is_shown_live_while_it_grows(workbench: Workbench, log: Log) -> None:
    workbench.setting("mmx.pythonPath", sys.executable)
    panel = workbench.panel("log")
    assert_shows(panel, log.first.heatmaps[0])
    later = explanation(1, log.source)
    log.before.add_explanation("val/0", later, 300)
    log.before.flush()
    steps = "document.querySelector('mmx-panel').model.steps.length"
    workbench.wait(lambda: panel.evaluate(steps) == 2, "the step that was logged last")
    change(panel, "{ step: 300 }")
    panel.wait_for_selector('section.seen[data-step="300"]')
    assert_shows(panel, later.heatmaps[0])


def test_the_page_runs_its_own_script_alone_and_reaches_no_address(workbench: Workbench) -> None:
    assert workbench.panel("log").evaluate(ATTACKS) == ["refused"] * 4


def test_the_tree_lists_the_least_probable_word_first(workbench: Workbench, log: Log) -> None:
    # Of seeds 0, 1 and 2 the least probable words have 20 %, 13 % and 2.6 %.
    for seed in range(3):
        log.after.add_explanation(f"val/{seed}", explanation(seed, log.source), 300)
    log.after.flush()
    workbench.command("mmx.logs.focus")
    # In the place of the explorer, which has the same names.
    workbench.page.get_by_text("Explanations: Logs").first.wait_for()
    workbench.open("logs", "after")
    tree = workbench.page.locator(".sidebar")
    samples = tree.get_by_role("treeitem", name="val/")
    workbench.wait(lambda: samples.count() == 3, "the three samples of the run")
    told = [sample.inner_text().splitlines()[0] for sample in samples.all()]
    assert [text[:5] for text in told] == ["val/2", "val/1", "val/0"]


def test_a_run_is_compared_with_another_from_the_tree(workbench: Workbench) -> None:
    page = workbench.page
    workbench.choose(workbench.row("val/0"), "Compare With…")
    page.get_by_role("option", name="before").click()
    shown = "view.compare === 'side' && view.run === 'after' && view.otherRun === 'before'"
    panel = workbench.panel("log", having=shown)
    panel.wait_for_selector('section.seen[data-step="300"]')


def test_the_tree_counts_what_came_since_one_looked(workbench: Workbench, log: Log) -> None:
    workbench.command("workbench.view.explorer")
    workbench.page.get_by_role("treeitem", name="source.py").wait_for()
    log.after.add_explanation("val/0", explanation(3, log.source), 600)
    log.after.flush()
    tab = workbench.page.locator(".activitybar .action-item:has([aria-label*='Explanations'])")
    badge = tab.locator(".badge-content", has_text="1")
    badge.wait_for()
    workbench.command("mmx.logs.focus")
    badge.wait_for(state="detached")


def test_the_panel_is_as_dark_as_the_editor(workbench: Workbench) -> None:
    panel = workbench.panel("log")
    for theme, dark in (("Default Dark Modern", True), ("Default Light Modern", False)):
        workbench.setting("workbench.colorTheme", theme)
        shown = f"mmx-panel{'.dark' if dark else ':not(.dark)'}"
        panel.locator(shown).wait_for()


def test_a_picture_is_saved_through_the_dialog_of_the_editor(workbench: Workbench) -> None:
    panel = workbench.panel("log")
    change(panel, '{ compare: "single" }')
    panel.click('button[aria-label="Export"]')
    panel.get_by_role("button", name="PNG").click()
    target = workbench.folder / "saved.png"
    workbench.answer(str(target))
    panel.get_by_text("saved", exact=True).wait_for()
    with Image.open(target) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # Its strongest cell has nearly the brightest colour of the table.
    brightest = color_table("inferno")[-1]
    assert (np.abs(pixels - brightest).max(axis=2) < 40).sum() > 100


def test_the_panel_opens_the_line_that_made_it(workbench: Workbench, log: Log) -> None:
    panel = workbench.panel("log")
    panel.get_by_role("button", name=f"open {log.source}:2").click()
    line = "vscode.window.activeTextEditor?.selection.active.line"
    workbench.wait(lambda: workbench.host.run(f"return {line}") == 1, "the second line")
    # Of two runs: steps 0 and 300 of one, and three samples of the other, one of them twice.
    lens = workbench.page.get_by_text("6 explanations, last at step 600")
    lens.wait_for()
    workbench.setting("mmx.codeLens", False)
    lens.wait_for(state="detached")
    workbench.setting("mmx.codeLens", True)
    lens.click()
    workbench.panel("log", having="view.step === 600")


def test_what_the_tree_shows_is_copied_and_taken_along(workbench: Workbench) -> None:
    workbench.command("mmx.logs.focus")
    workbench.page.get_by_text("Explanations: Logs").first.wait_for()
    workbench.open("logs", "after")
    workbench.choose(workbench.row("val/1"), "Copy Tag")
    copied = "return vscode.env.clipboard.readText()"
    workbench.wait(lambda: workbench.host.run(copied) == "mmx/val/1", "the tag")
    workbench.choose(workbench.row("val/1"), "Export…")
    target = workbench.folder / "taken.npz"
    workbench.answer(str(target))
    workbench.hears("Saved ")
    with np.load(target) as arrays:
        logged = make_explanation(5, seed=1).heatmaps[0]
        # A log has 255 values between the least and the most.
        np.testing.assert_allclose(arrays["heatmaps"], logged, atol=logged.max() / 255)


def test_a_folder_is_opened_from_the_explorer(workbench: Workbench) -> None:
    workbench.host.run('return vscode.commands.executeCommand("workbench.action.closeAllEditors")')
    workbench.choose(workbench.row("after"), "Reveal in Explorer")
    rows = workbench.page.locator(".explorer-folders-view .monaco-list-row")
    rows.and_(workbench.page.locator(".selected, .focused")).filter(has_text="after").wait_for()
    workbench.choose(rows.filter(has_text="logs").first, "Open Explanations")
    workbench.panel("log", of="workspace/logs")


def test_a_remote_place_that_cannot_be_read_is_told_in_words(workbench: Workbench) -> None:
    workbench.command("mmx.openPath")
    workbench.answer("s3://bucket/logs/")
    panel = workbench.panel("log", status="gone", of="bucket/logs")
    panel.get_by_text("Install s3fs to access S3").first.wait_for()


def test_the_interpreter_is_checked_in_a_tab(workbench: Workbench) -> None:
    workbench.command("mmx.doctor")
    workbench.page.locator(".view-line", has_text="tensorboard:").wait_for()


@pytest.fixture(scope="module")
def picture(workbench: Workbench) -> Path:
    target = workbench.folder / "scene.png"
    validation_scenes(1, seed=1)[0].image.save(target)
    return target


def explain(workbench: Workbench, picture: Path) -> None:
    workbench.command("workbench.view.explorer")
    workbench.choose(workbench.row(picture.name), "Explain This Picture…")


def test_an_explanation_of_a_picture_is_cancelled(workbench: Workbench, picture: Path) -> None:
    explain(workbench, picture)
    workbench.answer(str(CHECKPOINT))
    workbench.answer("describe the image .")
    progress = workbench.notification("Explaining scene.png")
    progress.get_by_role("button", name="Cancel").click()
    progress.wait_for(state="detached")
    workbench.wait(lambda: not processes("mmx_core", str(picture)), "the end of the explanation")
    assert not list((picture.parent / "mmx-explanations").rglob("*tfevents*"))


def test_a_picture_is_explained_beside_the_log(workbench: Workbench, picture: Path) -> None:
    explain(workbench, picture)
    # As it was answered before.
    for remembered in (str(CHECKPOINT), "describe the image ."):
        field = workbench.question()
        workbench.wait(
            lambda field=field, text=remembered: field.input_value() == text, "what is remembered"
        )
        workbench.page.keyboard.press("Enter")
    run = f"view.run === {CHECKPOINT.name!r}"
    panel = workbench.panel("log", of="/mmx-explanations", having=run)
    panel.get_by_text("circle").first.wait_for()
    # One server for each of the two directories.
    for name in ("logs", "mmx-explanations"):
        assert len(processes("tensorboard.main", f"--logdir={workbench.folder / name}")) == 1


def test_a_server_that_was_killed_is_started_again(workbench: Workbench, log: Log) -> None:
    shown = {"run": "after", "tag": "mmx/val/0", "step": "600"}
    workbench.command("mmx.openView", str(workbench.folder / "logs"), shown)
    panel = workbench.panel("log", of="workspace/logs", having="view.step === 600")
    [server] = processes("tensorboard.main", f"--logdir={workbench.folder / 'logs'}")
    os.kill(server, signal.SIGKILL)
    log.after.add_explanation("val/0", explanation(4, log.source), 900)
    log.after.flush()
    steps = "document.querySelector('mmx-panel').model.steps.length"
    workbench.wait(lambda: panel.evaluate(steps) == 3, "what was logged since")
    assert processes("tensorboard.main", f"--logdir={workbench.folder / 'logs'}") != [server]


def test_a_window_that_is_loaded_again_shows_what_it_showed(workbench: Workbench) -> None:
    panel = workbench.panel("log", of="workspace/logs")
    change(panel, '{ step: 900, colors: "viridis" }')
    kept = "document.querySelector('mmx-panel').host.readState().colors"
    workbench.wait(lambda: panel.evaluate(kept) == "viridis", "the view that is kept")
    # Not the browser's: VS Code writes down what is open before its own.
    workbench.page.evaluate("window.isBefore = true")
    workbench.host.run(RELOAD)
    workbench.page.wait_for_function("!window.isBefore")
    workbench.host.run("return 1")
    having = "view.step === 900 && view.run === 'after' && view.colors === 'viridis'"
    workbench.panel("log", of="workspace/logs", having=having)
