"""What is seen of an explanation while the program that made it stands still."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.browser.browser import wait_ready
from tests.browser.pixels import assert_drawn, drawn_cells
from tests.vscode.conftest import Workbench
from tests.vscode.install import ROOT

SCRIPT = """\
import numpy as np
import torch
from demo.probe import as_sample
from demo.scenes import validation_scenes
from mmx_core import Explainer

explainer = Explainer.from_pretrained(
    {checkpoint!r}, device="cpu", dtype=torch.float32, scales=(1.0, 1.5)
)
for number, scene in enumerate(validation_scenes(2, seed=1)):
    [explanation] = explainer.explain_batch([as_sample(scene)])
    np.save(f"map{{number}}.npy", explanation.heatmaps[0])
    print("explained")  # BREAK
"""
START = """\
await vscode.commands.executeCommand("workbench.action.closeAuxiliaryBar");
await vscode.commands.executeCommand("workbench.view.debug");
const uri = vscode.Uri.file(`${{folder}}/eval.py`);
const document = await vscode.workspace.openTextDocument(uri);
await vscode.window.showTextDocument(document);
const line = document.getText().split("\\n").findIndex((text) => text.includes("# BREAK"));
vscode.debug.addBreakpoints([
  new vscode.SourceBreakpoint(new vscode.Location(uri, new vscode.Position(line, 0))),
]);
return vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], {{
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


@pytest.fixture(scope="module")
def stopped(workbench: Workbench) -> Workbench:
    """At the line after the first explanation."""
    checkpoint = sorted((ROOT / "demo" / "checkpoints" / "grounded").iterdir())[-1]
    (workbench.folder / "eval.py").write_text(SCRIPT.format(checkpoint=str(checkpoint)))
    path = ":".join([str(ROOT), *filter(None, sys.path)])
    workbench.host.run(START.format(python=sys.executable, path=path))
    workbench.host.run(STOPPED, seconds=300)
    return workbench


def assert_shows(workbench: Workbench, number: int) -> None:
    """The canvas holds the map that the program itself has saved."""
    panel = workbench.panel("look")
    heatmap = np.load(workbench.folder / f"map{number}.npy")
    view = '{ token: 2, more: 0, unit: "tokens", range: "map", opacity: 1 }'
    panel.evaluate(f"document.querySelector('mmx-panel').model.change({view})")
    wait_ready(panel)
    panel.wait_for_selector('[data-token-index="2"][aria-selected="true"]')
    panel.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 100)))")
    width, height = panel.evaluate(
        "(({ bitmap }) => [bitmap.width, bitmap.height])"
        "(document.querySelector('mmx-panel').model.images[0])"
    )
    values = heatmap[2]
    drawn = drawn_cells(panel, *values.shape, width / height)
    assert_drawn(drawn, values, float(np.nanmax(values)), opacity=1.0)


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
    assert_shows(stopped, 0)


def test_a_pinned_expression_is_looked_at_again_at_the_next_stop(stopped: Workbench) -> None:
    stopped.host.run('return vscode.commands.executeCommand("workbench.action.debug.continue")')
    # The stops are the steps.
    stopped.panel("look").wait_for_selector('section.seen[data-step="2"]', timeout=60_000)
    assert_shows(stopped, 1)
