"""A program that stands still, and what of the window needs no log: one window, in this order."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.browser.browser import wait_ready
from tests.support.explanations import make_explanation
from tests.vscode import programs
from tests.vscode.workbench import Workbench, assert_shows

TRUSTED = True
STARTED = """\
const extension = vscode.extensions.getExtension("mmx-explain.mmx-explain");
const before = extension.isActive;
const spent = () => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
// The host's own extensions are at work on the same thread at first.
for (let calm = 0; calm < 3; ) {
  const loop = performance.eventLoopUtilization();
  await new Promise((resolve) => setTimeout(resolve, 300));
  calm = performance.eventLoopUtilization(loop).utilization < 0.05 ? calm + 1 : 0;
}
const [since, at] = [spent(), performance.now()];
await extension.activate();
return [before, performance.now() - at, spent() - since];
"""
SELECTED = """\
const uri = vscode.Uri.file(`${{folder}}/eval.py`);
const document = await vscode.workspace.openTextDocument(uri);
const start = document.positionAt(document.getText().indexOf({text!r}));
const selection = new vscode.Range(start, start.translate(0, {text!r}.length));
await vscode.window.showTextDocument(document, {{ selection }});
void vscode.commands.executeCommand("mmx.look");
"""
STEPS = ["Check the interpreter", "Open a log", "Go to the line", "Stop at a breakpoint"]


def test_nothing_is_started_with_the_window_and_it_takes_less_than_50_ms_when_asked(
    workbench: Workbench, record_property
) -> None:
    before, wall, used = workbench.host.run(STARTED)
    assert not before
    print(f"activation: {wall:.1f} ms, of which {used:.1f} ms are spent by its thread")
    record_property("activation_ms", wall)
    # What the machine does beside it is not ours.
    assert min(wall, used) < 50


@pytest.fixture(scope="module")
def program(workbench: Workbench) -> None:
    """Started ahead of what needs it: it takes long to come to its loop."""
    programs.start(workbench)


def test_the_walkthrough_has_four_steps(workbench: Workbench, program: None) -> None:
    workbench.command("workbench.action.openWalkthrough", "mmx-explain.mmx-explain#mmx.start")
    for title in STEPS:
        workbench.page.get_by_role("button", name=title).first.wait_for()
    # Its first step tells what the extension is, from its own README.
    workbench.frame("document.body?.innerText.includes('At a breakpoint')", "the README")


def test_an_explanation_in_a_notebook_is_live(workbench: Workbench) -> None:
    explanation = make_explanation(5)
    output = {"text/html": explanation._repr_html_(), "text/plain": "an explanation"}
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": "explanation",
        "outputs": [
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": output,
            }
        ],
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (workbench.folder / "notebook.ipynb").write_text(json.dumps(notebook))
    workbench.host.run(
        "const uri = vscode.Uri.file(`${folder}/notebook.ipynb`);"
        'return vscode.commands.executeCommand("vscode.openWith", uri, "jupyter-notebook")'
    )

    panel = workbench.frame("document.querySelector('mmx-panel')?.model.images.length", "a cell")
    wait_ready(panel)
    assert_shows(panel, explanation.heatmaps[0])


@pytest.fixture(scope="module")
def stopped(workbench: Workbench, program: None) -> Workbench:
    """At the line after the first explanation."""
    programs.await_stop(workbench)
    workbench.command("workbench.view.debug")
    return workbench


def test_an_explanation_is_drawn_from_the_menu_of_a_variable(stopped: Workbench) -> None:
    stopped.open("Scope Locals")
    variables = stopped.page.locator(".debug-variables .expression .name")
    name = variables.filter(has_text="explanation").first
    stopped.choose(name, "Look at Explanation at Every Stop")
    assert_shows(stopped.panel("look"), np.load(stopped.folder / "map0.npy"))


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("broken", "got __main__.Broken."),
        ("large[1]", "It is too large: a look takes at most 32 MB. Log it, and open the log."),
        ("nowhere", "NameError: name 'nowhere' is not defined"),
    ],
)
def test_what_cannot_be_looked_at_is_told_in_a_sentence(
    stopped: Workbench, expression: str, sentence: str
) -> None:
    variable = {"evaluateName": expression}
    stopped.command("mmx.look", {"variable": variable})
    stopped.hears(sentence)


def test_of_a_list_what_does_not_fit_is_left_out_in_words(stopped: Workbench) -> None:
    stopped.host.run(SELECTED.format(text="large"))
    panel = stopped.panel("look")
    said = panel.get_by_text("1 of 2 explanations are shown: a look takes at most 32 MB.")
    said.wait_for()


def test_a_pinned_expression_is_looked_at_again_at_the_next_stop(stopped: Workbench) -> None:
    stopped.command("workbench.action.debug.continue")
    # The stops are the steps.
    panel = stopped.panel("look")
    panel.wait_for_selector('section.seen[data-step="2"]')
    assert_shows(panel, np.load(stopped.folder / "map1.npy"))


def test_a_program_that_runs_is_to_be_stopped_first(stopped: Workbench) -> None:
    stopped.command("workbench.action.debug.continue")
    programs.await_running(stopped)
    stopped.command("mmx.look", {"variable": {"evaluateName": "explanation"}})
    stopped.hears("The program is running: pause it, or let it come to a breakpoint.")


def test_a_process_that_it_starts_lacks_the_package_until_it_finds_it(stopped: Workbench) -> None:
    (stopped.folder / "fork").touch()
    of_child = "({ session }) => session.configuration.subProcessId"
    programs.await_stop(stopped, of_child)
    stopped.command("mmx.look", {"variable": {"evaluateName": "value"}})
    stopped.hears("the debugged program has no mmx-explain. Install it in its environment")
    stopped.command("workbench.action.debug.continue")
    # The pinned name is there by now, in this process, too.
    panel = stopped.panel("look")
    panel.wait_for_selector('section.seen[data-step="4"]')
    assert_shows(panel, np.load(stopped.folder / "map1.npy"))
