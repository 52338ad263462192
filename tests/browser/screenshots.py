"""Pictures of the panel: python -m tests.browser.screenshots [--logdir RUNS] [--only NAME]

Every view in both themes at three widths goes to ``build/screenshots``, to be looked at; those that
the README shows go to ``docs`` as well.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from tests.browser.browser import chromium, open_panel
from tests.support.tensorboard_server import ROOT, serve

_RUN = "p.mmx.run=grounded&p.mmx.tag=mmx%2Fval%2F0003&p.mmx.token=2"
VIEWS = {
    "one": "",
    "side": "&p.mmx.compare=side&p.mmx.range=compared",
    "swipe": "&p.mmx.compare=swipe&p.mmx.range=compared&p.mmx.brun=control",
    "difference": "&p.mmx.compare=difference",
    "steps": "&p.mmx.film=1",
    "samples": "&p.mmx.samples=1",
    "region": "&p.mmx.region=0.1,0.05,0.35,0.4&p.mmx.more=1&p.mmx.token=1",
}
SIZES = {"wide": (1280, 800), "narrow": (800, 600), "side-panel": (420, 800)}
README = {
    "one-wide-light": "screenshot.png",
    "swipe-wide-dark": "screenshot-compare.png",
    "steps-wide-light": "screenshot-steps.png",
}
SETTLE_MS = 600


def main() -> None:
    """Makes every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logdir", type=Path, default=ROOT / "demo" / "runs")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--only", choices=VIEWS, nargs="+", default=list(VIEWS))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with serve(arguments.logdir) as base, chromium() as browser:
        for theme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme
                )
                for view in arguments.only:
                    name = f"{view}-{size}-{theme}"
                    page = context.new_page()
                    frame = open_panel(page, base, _RUN + VIEWS[view])
                    frame.wait_for_timeout(SETTLE_MS)
                    page.screenshot(path=arguments.out / f"{name}.png")
                    page.close()
                    if name in README:
                        shutil.copy(arguments.out / f"{name}.png", ROOT / "docs" / README[name])
                context.close()
    print(f"the pictures are in {arguments.out}; those of the README in {ROOT / 'docs'}")


if __name__ == "__main__":
    main()
