"""Pictures of the panel: python -m tests.browser.screenshots [--logdir RUNS | --odd | --tasks]

With ``--odd``, of several images, videos, a conversation and words that were not said; with
``--tasks``, of the five things that one comes for (test_glance.py), step by step. ``--only NAME``
makes some. Every view in both themes at three widths goes to ``build/screenshots``, to be looked
at; those that the README shows go to ``docs`` as well.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page

from tests.browser.browser import chromium, open_panel
from tests.browser.test_glance import CONTROL, TRAINED, UNTRAINED, beside, opened
from tests.support.odd_explanations import write_odd_logdir
from tests.support.tensorboard_server import ROOT, serve

_RUN = "p.mmx.run=grounded&p.mmx.tag=mmx%2Fval%2F0003&p.mmx.token=6"
VIEWS = {
    "one": "",
    "side": "&p.mmx.compare=side&p.mmx.range=compared",
    "swipe": "&p.mmx.compare=swipe&p.mmx.range=compared&p.mmx.brun=control",
    "difference": "&p.mmx.compare=difference",
    "steps": "&p.mmx.film=1",
    "runs": "&p.mmx.grid=1",
    "talk": "&p.mmx.talk=steps&p.mmx.outline=1",
    "samples": "&p.mmx.samples=1",
    "region": "&p.mmx.region=0.1,0.05,0.35,0.4&p.mmx.more=1&p.mmx.token=1",
}
_ODD = "p.mmx.run=odd&p.mmx.token=13&p.mmx.tag=mmx%2Fval%2F"
ODD_VIEWS = {
    "images": "images&p.mmx.image=2",
    "images-compared": "images&p.mmx.image=2&p.mmx.compare=side",
    "video": "video&p.mmx.image=1",
    "mixed": "mixed&p.mmx.image=2",
    "talk": "talk",
    "why-not": "words&p.mmx.beside=6:999",
    "crop": "crop",
}
SIZES = {"wide": (1280, 800), "narrow": (800, 600), "side-panel": (420, 800)}
README = {
    "one-wide-light": "screenshot.png",
    "swipe-wide-dark": "screenshot-compare.png",
    "steps-wide-light": "screenshot-steps.png",
}
SETTLE_MS = 600
_SHOWN = "0003"


def worse(page: Page, base: str) -> Iterator[str]:
    """Which sample got worse, and which word."""
    frame = opened(page, base, CONTROL, sample=_SHOWN)
    beside(frame, "grounded")
    frame.select_option('select[aria-label="Step of B"]', "3800")
    yield "compared"
    frame.click('button[aria-label="Table of samples"]')
    frame.check("mmx-difference-bar input")
    frame.wait_for_selector('mmx-sample-table [aria-sort="ascending"]:has-text("obj_iou")')
    yield "listed"
    frame.locator("mmx-sample-table [role=row]:not(.head)").first.click()
    yield "opened"


def wrong(page: Page, base: str) -> Iterator[str]:
    """Why one word is wrong."""
    frame = opened(page, base, CONTROL, sample=_SHOWN)
    frame.click('button[aria-label="Next doubtful word"]')
    yield "doubted"


def guessed(page: Page, base: str) -> Iterator[str]:
    """Read or guessed."""
    for place in (TRAINED, UNTRAINED, CONTROL):
        frame = opened(page, base, place, sample=_SHOWN)
        frame.locator('.answer:text-is("triangle")').first.click()
        yield "-".join(map(str, place))


def chat(page: Page, base: str) -> Iterator[str]:
    """A comparison to send."""
    frame = opened(page, base, TRAINED, sample=_SHOWN)
    beside(frame, "control")
    yield "compared"
    frame.click('button[aria-label="Export"]')
    frame.wait_for_selector("mmx-export-dialog a:text-is('PNG')")
    yield "exported"


def better(page: Page, base: str) -> Iterator[str]:
    """Which of two runs reads the sample better."""
    beside(opened(page, base, TRAINED, sample=_SHOWN), "control")
    yield "compared"


TASKS: dict[str, Callable[[Page, str], Iterator[str]]] = {
    task.__name__: task for task in (worse, wrong, guessed, chat, better)
}


def picture_task(page: Page, base: str, name: str, out: Path, place: str) -> None:
    """One picture after each step."""
    for number, step in enumerate(TASKS[name](page, base), 1):
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=out / f"task-{name}-{number}-{step}-{place}.png")
    page.close()


def main() -> None:
    """Makes every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logdir", type=Path, default=ROOT / "demo" / "runs")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "screenshots")
    parser.add_argument("--only", choices=[*VIEWS, *ODD_VIEWS, *TASKS], nargs="+")
    parser.add_argument("--odd", action="store_true")
    parser.add_argument("--tasks", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    start, views = (_ODD, ODD_VIEWS) if arguments.odd else (_RUN, VIEWS)
    with (
        TemporaryDirectory() as folder,
        serve(write_odd_logdir(Path(folder)) if arguments.odd else arguments.logdir) as base,
        chromium() as browser,
    ):
        for theme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme
                )
                if arguments.tasks:
                    for task in arguments.only or TASKS:
                        picture_task(
                            context.new_page(), base, task, arguments.out, f"{size}-{theme}"
                        )
                    context.close()
                    continue
                for view in arguments.only or views:
                    name = f"{view}-{size}-{theme}"
                    page = context.new_page()
                    frame = open_panel(page, base, start + views[view])
                    frame.wait_for_timeout(SETTLE_MS)
                    page.screenshot(path=arguments.out / f"{name}.png")
                    page.close()
                    if name in README:
                        shutil.copy(arguments.out / f"{name}.png", ROOT / "docs" / README[name])
                context.close()
    print(f"the pictures are in {arguments.out}; those of the README in {ROOT / 'docs'}")


if __name__ == "__main__":
    main()
