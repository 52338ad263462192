"""One window from its opening to its reload.

All in one file, in this order: a window takes as long to open as everything that is done in it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mmx_core.events import ExplanationWriter
from mmx_core.explanation import Explanation
from tests.support.explanations import make_explanation
from tests.vscode.install import ROOT
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
}});
"""
STOPPED = """\
for (let i = 0; i < 1200; i++) {
  if (vscode.debug.activeStackItem instanceof vscode.DebugStackFrame) return "stopped";
  await new Promise((resolve) => setTimeout(resolve, 100));
}
throw new Error("the program came to no breakpoint");
"""
# Python without any package; it leaves a trace where it has run.
BARE = '#!/bin/sh\ntouch {trace}\nexec {python} -I -S "$@"\n'


@dataclass(frozen=True)
class Log:
    """A log that is written while it is looked at, of two runs."""

    before: ExplanationWriter
    after: ExplanationWriter
    first: Explanation
    event_file: Path


@pytest.fixture(scope="module")
def log(workbench: Workbench) -> Log:
    folder = workbench.folder / "logs"
    before, after = (ExplanationWriter(folder / name) for name in ("before", "after"))
    first = make_explanation(5, seed=0)
    before.add_explanation("val/0", first, 0)
    before.flush()
    [event_file] = folder.rglob("*tfevents*")
    return Log(before, after, first, event_file)


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
    page.keyboard.press("Escape")


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
    later = make_explanation(5, seed=1)
    log.before.add_explanation("val/0", later, 300)
    log.before.flush()
    steps = "document.querySelector('mmx-panel').model.steps.length"
    workbench.wait(lambda: panel.evaluate(steps) == 2, "the step that was logged last")
    change(panel, "{ step: 300 }")
    panel.wait_for_selector('section.seen[data-step="300"]')
    assert_shows(panel, later.heatmaps[0])


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
