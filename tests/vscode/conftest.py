"""The packed extension in a real VS Code, in Chromium."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page

from tests.browser.browser import READY_MS, chromium, wait_ready
from tests.vscode.install import ROOT, Unavailable, installed
from tests.vscode.server import Host, address, serve


@dataclass(frozen=True)
class Workbench:
    """A window of VS Code."""

    page: Page
    host: Host
    folder: Path

    def panel(self, kind: str) -> Frame:
        """The frame of the panel that is shown."""
        for _ in range(READY_MS // 100):
            for frame in self.page.frames:
                try:
                    shown = frame.query_selector("mmx-panel") and frame.evaluate("innerHeight > 0")
                    told = frame.inner_text("#mmx-host") if shown else ""
                except Exception:
                    # A frame that goes while it is asked is not the one that stays.
                    continue
                if shown and f'"kind":"{kind}"' in told:
                    wait_ready(frame)
                    return frame
            self.page.wait_for_timeout(100)
        raise TimeoutError([frame.url for frame in self.page.frames])


def packed() -> Path:
    found = sorted((ROOT / "build").glob("mmx-explain-*.vsix"))
    if not found:
        pytest.fail("The extension is not packed: make vscode")
    return found[-1]


@pytest.fixture(scope="session")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    if importlib.util.find_spec("debugpy") is None:
        pytest.skip("debugpy is not installed: the extension was NOT tested in VS Code")
    try:
        installed()
    except Unavailable as error:
        pytest.skip(f"The extension was NOT tested in VS Code: {error}")
    extension = packed()
    folder = tmp_path_factory.mktemp("workspace")
    state = tmp_path_factory.mktemp("state")
    host = Host(folder)
    with serve(state, extension) as base, chromium() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.expose_function("codeAutomationLog", lambda *said: None)
        page.expose_function("codeAutomationExit", lambda *said: None)
        page.add_init_script("try { localStorage.setItem('mmx.guided', '1') } catch {}")
        page.goto(address(base, folder))
        page.wait_for_selector(".monaco-workbench", timeout=READY_MS)
        host.run("return 1", seconds=120)
        try:
            yield Workbench(page, host, folder)
        finally:
            host.run("await vscode.debug.stopDebugging(); return 'end'")
