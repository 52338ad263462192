"""Pictures of the panel: python -m tests.browser.screenshots [--logdir RUNS] [--out FOLDER]"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.browser.browser import chromium, open_panel
from tests.support.tensorboard_server import ROOT, serve

# File name, width, height, dark.
VIEWS = (
    ("screenshot.png", 1280, 800, False),
    ("screenshot-dark.png", 1280, 800, True),
    ("screenshot-narrow.png", 800, 600, False),
)


def main() -> None:
    """Makes every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logdir", type=Path, default=ROOT / "demo" / "runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    parser.add_argument("--parameters", default="", help="of the view, such as p.mmx.step=900")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with serve(arguments.logdir) as base, chromium() as browser:
        for name, width, height, dark in VIEWS:
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
            )
            frame = open_panel(page, base, arguments.parameters)
            frame.wait_for_timeout(400)
            page.screenshot(path=arguments.out / name)
            page.close()
            print(arguments.out / name)


if __name__ == "__main__":
    main()
