"""Occlusion of a model without a lens: drawn where the block is, and spoken of as occlusion."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmx_core import Explainer
from mmx_core.events import ExplanationWriter
from tests.browser.browser import open_panel
from tests.browser.pixels import drawn_cells
from tests.models.criteria import PROMPT, noise
from tests.models.test_placeless import tiny_of
from tests.support.tensorboard_server import serve

HEIGHT, WIDTH, CELLS = 72, 144, 24
BLOCK = (0.5, 0.5, 0.75, 0.625)
BLUR = 9 / 72
"""Radius, of the height: what is hidden beside the block changes a little of it, too."""


@pytest.fixture(scope="module")
def occlusion_base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("occlusion")
    pixels = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    top, left, bottom, right = (
        round(edge * side) for edge, side in zip(BLOCK, (HEIGHT, WIDTH) * 2, strict=True)
    )
    pixels[top:bottom, left:right] = noise(bottom - top, right - left)
    tiny = tiny_of("mllama")
    explainer = Explainer(tiny.model, **tiny.parts, method="occlusion")
    with ExplanationWriter(folder / "occlusion") as writer:
        explanation = explainer.explain(Image.fromarray(pixels), PROMPT, answer="star")
        writer.add_explanation("val/one", explanation, 0)
    with serve(folder) as url:
        yield url


QUERY = "p.mmx.run=occlusion&p.mmx.tag=mmx%2Fval%2Fone&p.mmx.token=0"


def test_the_heat_of_a_hidden_block_lies_on_the_block(page, occlusion_base) -> None:
    panel = open_panel(page, occlusion_base, QUERY)
    cells = drawn_cells(panel, CELLS, CELLS, WIDTH / HEIGHT)
    colored = np.abs(cells[..., 0].astype(int) - cells[..., 2]) > 12
    heat = np.where(colored, cells[..., :3].sum(axis=2) * (cells[..., 3] / 255), 0.0)
    assert heat.max() > 0
    where = np.argwhere(heat >= 0.5 * heat.max())
    centre = (where + 0.5).mean(axis=0) / CELLS
    top, left, bottom, right = BLOCK
    assert top - BLUR <= centre[0] <= bottom + BLUR
    assert left - BLUR / 2 <= centre[1] <= right + BLUR / 2


def test_nothing_of_a_lens_is_said_of_it(page, occlusion_base) -> None:
    panel = open_panel(page, occlusion_base, f"{QUERY}&p.mmx.matrix=activation")
    assert "nats lost" in panel.locator("mmx-legend .scale").inner_text()
    assert "· occlusion, " in panel.locator("mmx-stage .caption").inner_text()
    cards = panel.locator("mmx-scale-scrubber .card")
    assert cards.count() == 1 and cards.locator("strong").inner_text() == "occlusion"
    assert "lost without a part" in panel.locator("mmx-answer-strip .key").inner_text()
    modes = panel.locator("mmx-relevance-matrix .modes button")
    assert modes.all_inner_texts() == ["Alike"]
    assert modes.nth(0).get_attribute("aria-pressed") == "true"
    assert panel.locator("mmx-candidates [data-term=grounding]").count() == 0
    shown = panel.evaluate(_TEXTS)
    assert not [text for text in shown if "logit" in text or "MSEA" in text or "scales" in text]


_TEXTS = """() => {
  const texts = (root) => [...root.querySelectorAll('*')].flatMap((element) =>
    [element.title ?? '', element.ariaLabel ?? '', element.shadowRoot ? '' : element.textContent,
     ...(element.shadowRoot ? texts(element.shadowRoot) : [])]);
  const panel = document.querySelector('mmx-panel').shadowRoot;
  return ['mmx-stage', 'mmx-legend', 'mmx-scale-scrubber', 'mmx-answer-strip', 'mmx-candidates']
    .flatMap((name) => texts(panel.querySelector(name).shadowRoot))
    .filter((text) => !text.includes('{'));
}"""
