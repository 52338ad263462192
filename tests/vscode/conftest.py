"""The packed extension in a real VS Code, in Chromium."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.browser import READY_MS
from tests.vscode.install import ROOT, Unavailable, installed
from tests.vscode.server import Host, address, serve, still_running
from tests.vscode.workbench import Workbench

_SETTINGS = {
    "workbench.startupEditor": "none",
    "debug.openDebug": "neverOpen",
}


def packed() -> Path:
    found = sorted((ROOT / "build").glob("mmx-explain-*.vsix"))
    if not found:
        pytest.fail("The extension is not packed: make vscode")
    return found[-1]


@pytest.fixture(scope="module")
def workbench(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Workbench]:
    """A window on an empty folder, which is not trusted yet."""
    if not os.environ.get("MMX_TEST_VSCODE"):
        pytest.skip("MMX_TEST_VSCODE=1 asks for it: the extension was NOT tested in VS Code")
    if importlib.util.find_spec("debugpy") is None:
        pytest.skip("debugpy is not installed: the extension was NOT tested in VS Code")
    try:
        installed()
    except Unavailable as error:
        pytest.skip(f"The extension was NOT tested in VS Code: {error}")
    place = tmp_path_factory.mktemp("vscode")
    folder = place / "workspace"
    (folder / ".vscode").mkdir(parents=True)
    (folder / ".vscode" / "settings.json").write_text(json.dumps(_SETTINGS))
    host = Host(folder)
    try:
        browser = request.getfixturevalue("browser")
        with serve(place, packed()) as base:
            page = browser.new_page(viewport={"width": 1500, "height": 950})
            page.expose_function("codeAutomationLog", lambda *said: None)
            page.expose_function("codeAutomationExit", lambda *said: None)
            page.add_init_script("try { localStorage.setItem('mmx.guided', '1') } catch {}")
            page.goto(address(base, folder))
            page.wait_for_selector(".monaco-workbench", timeout=READY_MS)
            host.run('return vscode.commands.executeCommand("workbench.action.closeAuxiliaryBar")')
            try:
                yield Workbench(page, host, folder)
            finally:
                host.run("await vscode.debug.stopDebugging(); return 'end'")
                page.close()
    finally:
        # What names the folder: VS Code's own, TensorBoard's, and the debugged program's.
        assert not still_running(str(place))
