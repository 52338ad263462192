"""A window of VS Code, as its user has it before them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from playwright.sync_api import Frame, Page

from tests.browser.browser import READY_MS, wait_ready
from tests.browser.pixels import assert_drawn, drawn_cells
from tests.vscode.server import Host

Found = TypeVar("Found")
_VIEW = '{ token: 2, more: 0, unit: "tokens", range: "map", opacity: 1 }'


@dataclass(frozen=True)
class Workbench:
    """A window and the folder that is open in it."""

    page: Page
    host: Host
    folder: Path

    def panel(self, kind: str, *, status: str = "ready", having: str = "true") -> Frame:
        """The frame of the panel that is shown: of a ``log``, or of a ``look``.

        Args:
            kind: Which of the two.
            status: What it has come to.
            having: What holds of its ``view``, in JavaScript.
        """
        asked = f"(({{ view }}) => {having})(document.querySelector('mmx-panel').model)"

        def shown() -> Frame | None:
            for frame in self.page.frames:
                try:
                    seen = frame.query_selector("mmx-panel") and frame.evaluate("innerHeight > 0")
                    told = frame.inner_text("#mmx-host") if seen else ""
                    if f'"kind":"{kind}"' in told and frame.evaluate(asked):
                        return frame
                except Exception:
                    # A frame that goes while it is asked is not the one that stays.
                    continue
            return None

        frame = self.wait(shown, f"a panel of a {kind}, having {having}")
        wait_ready(frame, status=status)
        return frame

    def wait(self, look: Callable[[], Found | None], what: str) -> Found:
        """What is looked for, once it is there."""
        deadline = time.monotonic() + READY_MS / 1000
        while time.monotonic() < deadline:
            if found := look():
                return found
            self.page.wait_for_timeout(50)
        raise TimeoutError(what)

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
