"""The packed extension in a real VS Code, in Chromium."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest

from tests.vscode.install import ROOT, Unavailable, installed
from tests.vscode.workbench import Workbench, window

FAILED = ROOT / "build" / "vscode-failed"


@pytest.fixture(scope="module")
def workbench(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Workbench]:
    """The file's window; it is trusted where the file says so: ``TRUSTED``."""
    left_out = "The extension was NOT tested in VS Code"
    if os.environ.get("MMX_TEST_VSCODE") == "0":
        pytest.skip(f"{left_out}: MMX_TEST_VSCODE=0")
    if importlib.util.find_spec("debugpy") is None:
        pytest.skip(f"{left_out}: debugpy is not installed")
    try:
        installed()
    except Unavailable as error:
        pytest.skip(f"{left_out}: {error}")
    browser = request.getfixturevalue("browser")
    place = tmp_path_factory.mktemp("vscode")
    with window(browser, place, trusted=request.module.TRUSTED) as opened:
        yield opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What the window showed when a test failed, as a picture."""
    report = yield
    opened = getattr(item, "funcargs", {}).get("workbench")
    if report.failed and isinstance(opened, Workbench):
        FAILED.mkdir(parents=True, exist_ok=True)
        picture = FAILED / f"{item.name.partition('[')[0]}.png"
        opened.page.screenshot(path=picture)
        report.sections.append(("window", str(picture)))
    return report
