"""The picture of VS Code in the extension's README: python -m tests.vscode.screenshots

A loop over the demo's scenes at a breakpoint, and the explanation in its variable.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser.browser import chromium
from tests.vscode import programs
from tests.vscode.install import ROOT
from tests.vscode.workbench import change, window

TARGET = ROOT / "docs" / "vscode.png"
_PROGRAM = f"""\
from demo.probe import probe_samples
from mmx_core import Explainer

explainer = Explainer.from_pretrained(
    "{programs.CHECKPOINT.relative_to(ROOT)}",
    scales=(1.0, 1.5, 2.0),
)
for sample in probe_samples(4, seed=1):
    [explanation] = explainer.explain_batch([sample])
    print(explanation.answer)
"""
SETTLE_MS = 1500


def main() -> None:
    """Makes it."""
    with (
        TemporaryDirectory() as place,
        chromium() as browser,
        window(browser, Path(place), trusted=True) as workbench,
    ):
        (workbench.folder / "demo").symlink_to(ROOT / "demo")
        workbench.setting("editor.minimap.enabled", False)
        workbench.setting("workbench.colorTheme", "Default Light Modern")
        programs.debug(workbench, {"eval.py": _PROGRAM}, "print(")
        programs.await_stop(workbench)
        workbench.command("workbench.view.debug")
        workbench.command("mmx.pin", {"variable": {"evaluateName": "explanation"}})
        workbench.panel("look")
        workbench.command("workbench.action.debug.continue")
        panel = workbench.panel("look")
        panel.wait_for_selector('section.seen[data-step="2"]')
        change(panel, '{ token: 2, unit: "tokens" }')
        workbench.page.wait_for_timeout(SETTLE_MS)
        workbench.page.screenshot(path=TARGET)
    print(f"the picture is {TARGET}")


if __name__ == "__main__":
    main()
