"""One browser, one TensorBoard over a really logged directory, and pages that notice errors."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Frame, Page, ViewportSize

from mmx_core.events import ExplanationWriter
from mmx_core.parts import ObjectMask
from tb_mmx_plugin.static import FOLDER
from tests.browser.browser import leave_panel, open_panel
from tests.plugin.conftest import write_logdir
from tests.support.explanations import make_explanation, make_image
from tests.support.tensorboard_server import serve


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A busy machine may be late for a browser: one more try where a change is judged.

    What needed it is listed under the tests as RERUN: it is a fault all the same.
    """
    if os.environ.get("CI"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.flaky(reruns=1))


VIEWPORT: ViewportSize = {"width": 1280, "height": 800}
AS_IN_A_NEW_PAGE: dict[str, Any] = {
    "color_scheme": "null",
    "forced_colors": "null",
    "media": "null",
    "reduced_motion": "reduce",
}
FAILED = pytest.StashKey[bool]()
RUN, OTHER_RUN = "panel", "panel-other"
STEPS = (0, 300, 900)
SAMPLES = ("0", "1", "2")
SCALES = ((0.5, (3, 4)), (1.0, (6, 8)), (2.0, (12, 16)))
THING = ObjectMask("red square", (1,), 4, 4, (5, 2, 2, 2, 5))
"""What token 1 of sample 0 names: the middle of the picture."""
NAN_CELL = (0, 2, 3)
"""Token, row and column of the missing value in sample 2's map at scale 1.0."""


def write_panel_logdir(folder: Path) -> Path:
    """Two runs of three samples (of answers with other lengths), and damaged records."""
    write_logdir(folder)
    for seed, run in enumerate((RUN, OTHER_RUN)):
        with ExplanationWriter(folder / run) as writer:
            for step in STEPS:
                for sample in SAMPLES:
                    key = 100 * seed + 10 * int(sample)
                    explanation = make_explanation(
                        5 + int(sample),
                        scales=SCALES,
                        seed=key + STEPS.index(step),
                        id=sample,
                        image=make_image(width=160, height=120, seed=key),
                    )
                    if sample == "0":
                        explanation = replace(explanation, objects=(THING,))
                    if sample == "2":
                        explanation.base.map[NAN_CELL] = np.nan
                    writer.add_explanation(f"val/{sample}", explanation, step)
    return folder


@dataclass
class Watched:
    """A page and what went wrong in it."""

    page: Page
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.expose_function("mmxViolation", lambda text: self.troubles.append(text))
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " mmxViolation(`CSP: ${event.violatedDirective} ${event.blockedURI}`))"
        )

    def _console(self, message) -> None:
        # TensorBoard itself asks for fonts that it does not ship.
        url = message.location.get("url", "")
        if message.type == "error" and "/font-roboto/" not in url:
            self.troubles.append(f"console: {message.text} {url}")


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    if not (FOLDER / "manifest.json").exists():
        pytest.fail(
            "The panel is not built: npm --prefix frontend ci && npm --prefix frontend run build"
        )


@pytest.fixture(scope="session")
def logdir(tmp_path_factory) -> Path:
    return write_panel_logdir(tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="session")
def base(logdir) -> Iterator[str]:
    with serve(logdir) as url:
        yield url


@pytest.fixture(scope="session")
def context(browser) -> BrowserContext:
    """Shared, so that TensorBoard's own page comes out of the cache."""
    return browser.new_context(viewport=VIEWPORT, reduced_motion="reduce")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def kept() -> list[Watched]:
    """The page of the test before: TensorBoard's own code takes longer to start than the panel."""
    return []


@pytest.fixture
def watched(
    request: pytest.FixtureRequest, context: BrowserContext, kept: list[Watched]
) -> Iterator[Watched]:
    left = kept.pop() if kept else None
    # Its TensorBoard may have ended with the tests before: what it asks for would be a trouble.
    if left and not left.page.evaluate("fetch('data/environment').then(() => true, () => false)"):
        left.page.close()
        left = None
    watched = left or Watched(context.new_page())
    watched.troubles.clear()
    yield watched
    fine = not request.node.stash.get(FAILED, False) and not watched.troubles
    if fine and leave_panel(watched.page):
        watched.page.set_viewport_size(VIEWPORT)
        watched.page.emulate_media(**AS_IN_A_NEW_PAGE)
        kept.append(watched)
    else:
        watched.page.close()


@pytest.fixture
def page(watched: Watched) -> Iterator[Page]:
    """A page in which nothing may go wrong."""
    yield watched.page
    assert watched.troubles == []


@pytest.fixture
def new_page(context: BrowserContext) -> Iterator[Page]:
    """The same, for what a page that was used shows no more, or would not get rid of."""
    watched = Watched(context.new_page())
    yield watched.page
    watched.page.close()
    assert watched.troubles == []


@pytest.fixture
def panel(page, base) -> Frame:
    """The panel on the first sample's last step."""
    return open_panel(page, base, f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0")
