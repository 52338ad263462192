"""A log in an editor tab, through the extension's relay."""

from __future__ import annotations

import json
import sys

from mmx_core.events import ExplanationWriter
from tests.browser.browser import wait_ready
from tests.support.explanations import make_explanation
from tests.vscode.conftest import Workbench


def test_an_event_file_is_shown_live_while_it_grows(workbench: Workbench) -> None:
    host, logdir = workbench.host, workbench.folder / "logs"
    with ExplanationWriter(logdir) as writer:
        writer.add_explanation("val/0", make_explanation(5, seed=0), 0)
        writer.flush()
        [file] = logdir.rglob("*tfevents*")
        later = make_explanation(5, seed=1)
        host.run(
            'await vscode.workspace.getConfiguration("mmx")'
            f'.update("pythonPath", {json.dumps(sys.executable)}, true);'
            f"const file = vscode.Uri.file({json.dumps(str(file))});"
            'return vscode.commands.executeCommand("vscode.openWith", file, "mmx.events")'
        )
        panel = workbench.panel("log")
        panel.wait_for_selector('section.seen[data-step="0"]')
        writer.add_explanation("val/0", later, 300)
        writer.flush()
        for _ in range(300):
            if panel.evaluate("document.querySelector('mmx-panel').model.steps.length") == 2:
                break
            workbench.page.wait_for_timeout(100)
    view = "{ step: 300 }"
    panel.evaluate(f"document.querySelector('mmx-panel').model.change({view})")
    wait_ready(panel)
    panel.wait_for_selector('section.seen[data-step="300"]')
