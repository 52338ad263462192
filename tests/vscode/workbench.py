"""A window of VS Code, as its user has it before them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from playwright.sync_api import Browser, Error, Frame, Locator, Page

from tests.browser.browser import READY_MS, wait_ready
from tests.browser.pixels import assert_drawn, drawn_cells
from tests.vscode.server import Host, address, packed, serve, still_running

Found = TypeVar("Found")
_VIEW = '{ token: 2, more: 0, unit: "tokens", range: "map", opacity: 1 }'
_SETTINGS = {"workbench.startupEditor": "none", "debug.openDebug": "neverOpen"}
# Asked at once: who waited for an element would wait for it in a frame that is not ours.
_SHOWN = """() => {{
  const panel = document.querySelector("mmx-panel");
  const host = document.querySelector("#mmx-host");
  if (!panel || !host || !innerHeight) return false;
  const {{ kind, kept }} = JSON.parse(host.textContent);
  return kind === {kind} && (kept.logdir ?? "").endsWith({of})
    && (({{ view }}) => {having})(panel.model);
}}"""
SETTLED_MS = 300
ENTER_MS = 15_000
"""After which a question that still stands is answered again."""
PATIENCE_MS = 2 * READY_MS
"""A window, an extension host, a server and a debugged program share what a page has to itself."""


@dataclass(frozen=True)
class Workbench:
    """A window and the folder that is open in it."""

    page: Page
    host: Host
    folder: Path

    def panel(
        self, kind: str, *, status: str = "ready", having: str = "true", of: str = ""
    ) -> Frame:
        """The frame of the panel that is shown: of a ``log``, or of a ``look``.

        Args:
            kind: Which of the two.
            status: What it has come to.
            having: What holds of its ``view``, in JavaScript.
            of: What its log directory ends with.
        """
        ours = _SHOWN.format(kind=json.dumps(kind), of=json.dumps(of), having=having)
        frame = self.frame(f"({ours})()", f"a panel of a {kind} {of}, having {having}")
        wait_ready(frame, status=status)
        return frame

    def frame(self, asked: str, what: str) -> Frame:
        """Of which this holds, in JavaScript."""

        def holds(frame: Frame) -> bool:
            try:
                return frame.evaluate(f"Boolean({asked})")
            except Error:
                # It goes while it is asked: not the one that stays.
                return False

        return self.wait(lambda: next(filter(holds, self.page.frames), None), what)

    def wait(self, look: Callable[[], Found | None], what: str) -> Found:
        """What is looked for, once it is there."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while time.monotonic() < deadline:
            if found := look():
                return found
            self.page.wait_for_timeout(50)
        self.command("notifications.showList")
        said = self.page.locator(".notification-list-item-message").all_inner_texts()
        raise TimeoutError(f"{what} did not come; VS Code says {said}")

    def command(self, name: str, *arguments: object) -> None:
        """Runs one of VS Code's commands, and does not wait for its end."""
        told = ", ".join(json.dumps(argument) for argument in (name, *arguments))
        self.host.run(f"void vscode.commands.executeCommand({told})")

    def setting(self, name: str, value: object) -> None:
        """Changes it for the folder."""
        section, _, key = name.rpartition(".")
        self.host.run(
            f"return vscode.workspace.getConfiguration({json.dumps(section)})"
            f".update({json.dumps(key)}, {json.dumps(value)}, false)"
        )

    def hears(self, sentence: str) -> None:
        """Waits for a notification that says this, and puts all of them away."""
        self.notification(sentence).wait_for()
        self.host.run('return vscode.commands.executeCommand("notifications.clearAll")')

    def notification(self, text: str) -> Locator:
        """In VS Code's list of them: while it is tested it lets none pop up."""
        self.command("notifications.showList")
        return self.page.locator(".notification-list-item", has_text=text).first

    def question(self) -> Locator:
        """The field at the window's top in which VS Code asks."""
        field = self.page.locator(".quick-input-widget input").first
        field.wait_for()
        return field

    def answer(self, text: str) -> None:
        """Puts it where VS Code asks, and sees it taken."""
        field = self.question()

        def taken() -> bool:
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.insert_text(text)
            self.page.wait_for_timeout(SETTLED_MS)
            # A dialog that still lists a folder changes what is in its field, and hears no Enter.
            if field.input_value() != text:
                return False
            self.page.keyboard.press("Enter")
            deadline = time.monotonic() + ENTER_MS / 1000
            while time.monotonic() < deadline:
                if field.is_hidden() or field.input_value() != text:
                    return True
                self.page.wait_for_timeout(50)
            return False

        self.wait(taken, f"an end of the question that was answered with {text}")

    def row(self, name: str) -> Locator:
        """Of the tree in the side bar."""
        return self.page.locator(".sidebar").get_by_role("treeitem", name=name).first

    def open(self, *names: str) -> None:
        """Each of these rows, one in another."""
        for name in names:
            row = self.row(name)
            row.wait_for()
            # The arrow alone: a click beside it may choose the row without opening it.
            if row.get_attribute("aria-expanded") != "true":
                row.locator(".monaco-tl-twistie").click()

    def choose(self, row: Locator, entry: str) -> None:
        """Of its context menu."""
        item = self.page.get_by_role("menuitem", name=entry)

        def opened() -> bool:
            # Whatever else takes the focus in that moment closes a menu again.
            row.click(button="right")
            with suppress(Error):
                item.wait_for(timeout=ENTER_MS)
            return item.is_visible()

        self.wait(opened, f"a menu with {entry}")

        def chosen() -> bool:
            # A menu that has just opened drops clicks; late timers make that "just" long.
            with suppress(Error):
                item.click(timeout=SETTLED_MS)
            self.page.wait_for_timeout(SETTLED_MS)
            return item.is_hidden()

        self.wait(chosen, f"an end of the menu of which {entry} was chosen")


@contextmanager
def window(browser: Browser, place: Path, *, trusted: bool) -> Iterator[Workbench]:
    """On an empty folder under `place`; at the end nothing that was started there runs on."""
    folder = place / "workspace"
    (folder / ".vscode").mkdir(parents=True)
    (folder / ".vscode" / "settings.json").write_text(json.dumps(_SETTINGS))
    host = Host(folder)
    try:
        with serve(place, packed(), trusted=trusted) as base:
            page = browser.new_page(viewport={"width": 1500, "height": 950})
            page.set_default_timeout(PATIENCE_MS)
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            page.expose_function("codeAutomationLog", lambda *said: None)
            page.expose_function("codeAutomationExit", lambda *said: None)
            page.add_init_script("try { localStorage.setItem('mmx.guided', '1') } catch {}")
            page.goto(address(base, folder))
            page.wait_for_selector(".monaco-workbench")
            host.run('return vscode.commands.executeCommand("workbench.action.closeAuxiliaryBar")')
            try:
                yield Workbench(page, host, folder)
            finally:
                host.run("await vscode.debug.stopDebugging(); return 'end'")
                page.close()
    finally:
        # What names the folder: VS Code's own, TensorBoard's, and the debugged program's.
        assert not still_running(str(place))


def change(panel: Frame, view: str) -> None:
    """Changes what the panel shows, and waits until it does."""
    panel.evaluate(f"document.querySelector('mmx-panel').model.change({view})")
    wait_ready(panel)


def assert_shows(panel: Frame, heatmap: np.ndarray) -> None:
    """The canvas holds the third token's map of all scales, ``(T, H, W)``."""
    change(panel, _VIEW)
    panel.wait_for_selector('[data-token-index="2"][aria-selected="true"]')
    width, height = panel.evaluate(
        "(({ bitmap }) => [bitmap.width, bitmap.height])"
        "(document.querySelector('mmx-panel').model.images[0])"
    )
    values = heatmap[2]
    deadline = time.monotonic() + 20
    while True:
        drawn = drawn_cells(panel, *values.shape, width / height)
        try:
            return assert_drawn(drawn, values, float(np.nanmax(values)), opacity=1.0)
        except AssertionError:
            # A frame may be drawn after the view has changed; what stays wrong is.
            if time.monotonic() > deadline:
                raise
            panel.wait_for_timeout(100)
