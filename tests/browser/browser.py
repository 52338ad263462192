"""Debian's Chromium, driven by Playwright; and the panel inside TensorBoard's frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Frame, Page, sync_playwright

EXECUTABLE = "/usr/bin/chromium"
READY_MS = 60_000
_ENTRY = "data/plugin_entry.html?name=mmx"
_SEEN = "try { localStorage.setItem('mmx.guided', '1') } catch {}"
"""Run in every frame: the reader has been here before."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser that downloads nothing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def open_panel(
    page: Page, base: str, parameters: str = "", *, status: str = "ready", first: bool = False
) -> Frame:
    """Opens the panel's tab and waits until it shows what `status` names.

    Args:
        page: Where to open it.
        base: TensorBoard's URL.
        parameters: More of the hash, such as ``"p.mmx.step=3"``.
        status: ``ready``, ``empty``, ``damaged`` or ``gone``.
        first: The reader's first visit, who is shown around.
    """
    address = f"{base}/#mmx" + (f"&{parameters}" if parameters else "")
    left = _frame_left(page) if page.url.startswith(f"{base}/#mmx") else None
    if left:
        page.evaluate("(address) => history.replaceState(null, '', address)", address)
        left.goto(f"{base}/{_ENTRY}")
    else:
        if not first:
            page.add_init_script(_SEEN)
        page.goto(address)
    return panel_of(page, status=status)


def leave_panel(page: Page) -> bool:
    """Empties the panel's frame, so that another view can be opened in the same TensorBoard.

    Returns:
        Whether there is one.
    """
    page.unroute_all(behavior="ignoreErrors")
    frame = next((frame for frame in page.frames if frame.url.endswith(_ENTRY)), None)
    if frame:
        page.mouse.move(0, 0)
        frame.goto("about:blank")
    return frame is not None


def _frame_left(page: Page) -> Frame | None:
    element = page.query_selector(f'iframe[src$="{_ENTRY}"]')
    frame = element and element.content_frame()
    return frame if frame and frame.url == "about:blank" else None


def panel_of(page: Page, *, status: str = "ready") -> Frame:
    """The frame of the panel, once it shows what `status` names and nothing is on its way."""
    # Attached, not visible: TensorBoard keeps a hidden tab's frame.
    element = page.wait_for_selector('iframe[src*="name=mmx"]', state="attached", timeout=READY_MS)
    frame = element.content_frame() if element else None
    if frame is None:
        raise RuntimeError("the panel's frame has no document")
    wait_ready(frame, status=status)
    return frame


def wait_ready(frame: Frame, *, status: str = "ready") -> None:
    """Waits until nothing is on its way."""
    frame.wait_for_selector(f'.page[data-status="{status}"][aria-busy="false"]', timeout=READY_MS)
    # Nor a part that is loaded when it is asked for.
    frame.wait_for_selector(".coming", state="detached", timeout=READY_MS)


def choose_run(panel: Frame, name: str, label: str = "Run") -> None:
    """Picks a run, as a reader does: open the list, type, Enter."""
    field = panel.locator(f'mmx-run-picker input[aria-label="{label}"]')
    field.click()
    field.fill(name)
    field.press("Enter")


def run_shown(panel: Frame, label: str = "Run") -> str:
    """The name in the field."""
    return panel.locator(f'mmx-run-picker input[aria-label="{label}"]').input_value()
