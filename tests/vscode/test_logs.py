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

from mmx_core.events import ExplanationWriter
from mmx_core.explanation import Explanation
from tests.browser.browser import READY_MS
from tests.browser.pixels import color_table
from tests.support.explanations import make_explanation
from tests.vscode.install import ROOT
from tests.vscode.server import processes
from tests.vscode.workbench import Workbench, assert_shows, change

PROGRAM = """\
import time
from pathlib import Path
import numpy as np
import torch
from demo.probe import as_sample
from demo.scenes import validation_scenes
from mmx_core import Explainer

explainer = Explainer.from_pretrained(
    {checkpoint!r}, device="cpu", dtype=torch.float32, scales=(1.0, 1.5)
)
while not Path("go").exists():
    time.sleep(0.05)
for number, scene in enumerate(validation_scenes(2, seed=1)):
    [explanation] = explainer.explain_batch([as_sample(scene)])
    np.save(f"map{{number}}.npy", explanation.heatmaps[0])
    print("explained")  # BREAK
"""
START = """\
const uri = vscode.Uri.file(`${{folder}}/eval.py`);
const line = (await vscode.workspace.openTextDocument(uri)).getText().split("\\n")
  .findIndex((text) => text.includes("# BREAK"));
vscode.debug.addBreakpoints([
  new vscode.SourceBreakpoint(new vscode.Location(uri, new vscode.Position(line, 0))),
]);
void vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], {{
  type: "debugpy", request: "launch", name: "eval", program: uri.fsPath, console: "internalConsole",
  python: {python!r}, env: {{ PYTHONPATH: {path!r}, OMP_NUM_THREADS: "1" }}, cwd: folder,
  internalConsoleOptions: "neverOpen",
}});
"""
STOPPED = """\
for (let i = 0; i < 1200; i++) {
  if (vscode.debug.activeStackItem instanceof vscode.DebugStackFrame) return "stopped";
  await new Promise((resolve) => setTimeout(resolve, 100));
}
throw new Error("the program came to no breakpoint");
"""
SOURCE = "def log(explainer, picture):\n    return explainer.explain(picture)\n"
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


@pytest.fixture(scope="module")
def program(workbench: Workbench) -> None:
    """Started ahead of what needs it: it takes long to come to its loop, where it waits."""
    checkpoint = sorted((ROOT / "demo" / "checkpoints" / "grounded").iterdir())[-1]
    (workbench.folder / "eval.py").write_text(PROGRAM.format(checkpoint=str(checkpoint)))
    path = ":".join([str(ROOT), *filter(None, sys.path)])
    workbench.host.run(START.format(python=sys.executable, path=path))


def test_an_event_file_is_shown_live_while_it_grows(
    workbench: Workbench, log: Log, program: None
) -> None:
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


def test_the_tree_lists_the_least_probable_word_first(workbench: Workbench, log: Log) -> None:
    # Of seeds 0, 1 and 2 the least probable words have 20 %, 13 % and 2.6 %.
    for seed in range(3):
        log.after.add_explanation(f"val/{seed}", explanation(seed, log.source), 300)
    log.after.flush()
    workbench.command("mmx.logs.focus")
    # In the place of the explorer, which has the same names.
    workbench.page.get_by_text("Explanations: Logs").first.wait_for()
    tree = workbench.page.locator(".sidebar")
    for name in ("logs", "after"):
        row = tree.get_by_role("treeitem", name=name)
        row.wait_for()
        row.locator(".monaco-tl-twistie").click()
    samples = tree.get_by_role("treeitem", name="val/")
    workbench.wait(lambda: samples.count() == 3, "the three samples of the run")
    told = [sample.inner_text().splitlines()[0] for sample in samples.all()]
    assert [text[:5] for text in told] == ["val/2", "val/1", "val/0"]


def test_a_run_is_compared_with_another_from_the_tree(workbench: Workbench) -> None:
    page = workbench.page
    page.get_by_role("treeitem", name="val/0").click(button="right")
    page.get_by_role("menuitem", name="Compare With…").click()
    page.get_by_role("option", name="before").click()
    shown = "view.compare === 'side' && view.run === 'after' && view.otherRun === 'before'"
    panel = workbench.panel("log", having=shown)
    panel.wait_for_selector('section.seen[data-step="300"]')


def test_the_tree_counts_what_came_since_one_looked(workbench: Workbench, log: Log) -> None:
    workbench.command("workbench.view.explorer")
    workbench.page.get_by_role("treeitem", name="source.py").wait_for()
    log.after.add_explanation("val/0", explanation(3, log.source), 600)
    log.after.flush()
    # The debugger, which is at work, has a badge of its own.
    tab = workbench.page.locator(".activitybar .action-item:has([aria-label*='Explanations'])")
    badge = tab.locator(".badge-content", has_text="1")
    badge.wait_for(timeout=READY_MS)
    workbench.command("mmx.logs.focus")
    badge.wait_for(state="detached")


def test_the_panel_is_as_dark_as_the_editor(workbench: Workbench) -> None:
    panel = workbench.panel("log")
    for theme, dark in (("Default Dark Modern", True), ("Default Light Modern", False)):
        workbench.setting("workbench.colorTheme", theme)
        shown = f"mmx-panel{'.dark' if dark else ':not(.dark)'}"
        panel.locator(shown).wait_for()


def test_a_picture_is_saved_through_the_dialog_of_the_editor(workbench: Workbench) -> None:
    page, panel = workbench.page, workbench.panel("log")
    change(panel, '{ compare: "single" }')
    panel.click('button[aria-label="Export"]')
    panel.get_by_role("button", name="PNG").click()
    name = page.locator(".quick-input-widget input").first
    name.wait_for()
    target = workbench.folder / "saved.png"
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(str(target))
    page.keyboard.press("Enter")
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
    workbench.page.get_by_text("6 explanations, last at step 600").wait_for()


def test_a_server_that_was_killed_is_started_again(workbench: Workbench, log: Log) -> None:
    workbench.page.get_by_text("6 explanations, last at step 600").click()
    panel = workbench.panel("log", having="view.step === 600")
    [server] = processes("tensorboard.main", str(workbench.folder))
    os.kill(server, signal.SIGKILL)
    log.after.add_explanation("val/0", explanation(4, log.source), 900)
    log.after.flush()
    steps = "document.querySelector('mmx-panel').model.steps.length"
    workbench.wait(lambda: panel.evaluate(steps) == 3, "what was logged since")
    assert processes("tensorboard.main", str(workbench.folder)) != [server]


@pytest.fixture(scope="module")
def stopped(workbench: Workbench, program: None) -> Workbench:
    """At the line after the first explanation."""
    (workbench.folder / "go").touch()
    workbench.host.run(STOPPED, seconds=150)
    workbench.command("workbench.view.debug")
    return workbench


def test_an_explanation_is_drawn_from_the_menu_of_a_variable(stopped: Workbench) -> None:
    page = stopped.page
    # The arrow alone: a click beside it may choose the scope without opening it.
    scope = page.get_by_role("treeitem", name="Scope Locals")
    scope.wait_for()
    if scope.get_attribute("aria-expanded") != "true":
        scope.locator(".monaco-tl-twistie").click()
    name = page.locator(".debug-variables .expression .name", has_text="explanation").first
    name.click(button="right")
    page.get_by_role("menuitem", name="Look at Explanation at Every Stop").click()
    assert_shows(stopped.panel("look"), np.load(stopped.folder / "map0.npy"))


def test_a_pinned_expression_is_looked_at_again_at_the_next_stop(stopped: Workbench) -> None:
    stopped.command("workbench.action.debug.continue")
    # The stops are the steps.
    panel = stopped.panel("look")
    panel.wait_for_selector('section.seen[data-step="2"]', timeout=60_000)
    assert_shows(panel, np.load(stopped.folder / "map1.npy"))
