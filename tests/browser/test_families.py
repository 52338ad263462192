"""For every family: a bright block's heat, explained, logged and read, is drawn on the block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Frame, TimeoutError

from mmx_core import Explainer
from mmx_core.events import ExplanationWriter
from mmx_core.models import EncodedInput
from tests.browser.browser import READY_MS, open_panel
from tests.browser.conftest import Watched
from tests.browser.pixels import drawn_cells
from tests.models.criteria import PROMPT, input_embeddings
from tests.models.test_families import ALL, SHARING, tiny_of
from tests.support.tensorboard_server import serve

SIZES = {"wide": (72, 144), "tall": (144, 72)}
"""Height and width. The block is off the middle in both directions, and where crops see it."""
BLOCKS = {"wide": (0.5, 0.5, 0.75, 0.625), "tall": (0.5, 0.5, 0.625, 0.75)}
SHAPES = {family: list(SIZES)[index % len(SIZES)] for index, family in enumerate((*ALL, *SHARING))}
"""One each, in turn: every family on every shape is for tests/models, which are quicker."""
SCALES = (1.0, 2.0)
CELLS = 24
pytestmark = pytest.mark.filterwarnings("ignore:.*has no adapter of its own")


def picture(shape: str, *, block: bool) -> Image.Image:
    height, width = SIZES[shape]
    pixels = np.full((height, width, 3), 60, np.uint8)
    if block:
        top, left, bottom, right = BLOCKS[shape]
        rows = slice(round(top * height), round(bottom * height))
        pixels[rows, round(left * width) : round(right * width)] = 250
    return Image.fromarray(pixels)


def seeing_explainer(family: str, shape: str) -> Explainer:
    """An explainer whose visual states say how far the image moved each token's input embedding.

    Untrained models point nowhere. So the state of a visual token becomes the head's row of the
    word, as large as the block's effect on this very token is: where that is drawn is the family's
    mapping, from pixels to positions to rectangles to the panel.
    """
    explainer = Explainer(
        tiny_of(family).model, **tiny_of(family).parts, scales=SCALES, suppression="none"
    )
    adapter = explainer.adapter
    plain = picture(shape, block=False)
    rendered = adapter.render(PROMPT, pictures=[plain])

    def seen(encoded: EncodedInput) -> torch.Tensor:
        states = adapter.forward(encoded.inputs)[0].clone()
        (span,) = encoded.visual
        word = encoded.token_inputs["input_ids"][0, -1]
        answer = encoded.token_inputs["input_ids"][0, encoded.prompt_length :].tolist()
        # At the scale of this input: the one with as many tokens.
        factor = next(
            factor
            for factor in SCALES
            if adapter.layout(plain, factor).count == len(span.positions)
        )
        without = adapter.encode([plain], rendered, answer, factor=factor)
        change = input_embeddings(adapter, encoded) - input_embeddings(adapter, without)
        moved = change[span.positions].float().norm(dim=1)
        row = adapter.head_weight[word]
        states[span.positions] = (moved[:, None] * row / row.square().sum()).to(states)
        return states

    adapter.hidden_states = seen  # type: ignore[method-assign]
    return explainer


@pytest.fixture(scope="module")
def families_base(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("families")
    with ExplanationWriter(folder / "families") as writer:
        for family, shape in SHAPES.items():
            explanation = seeing_explainer(family, shape).explain(
                picture(shape, block=True), PROMPT, answer="star", id=shape
            )
            writer.add_explanation(f"{family.replace('/', '-')}/{shape}", explanation, 0)
    with serve(folder) as url:
        yield url


@pytest.fixture(scope="module")
def show(context, families_base) -> Iterator[Callable[[str], Frame]]:
    """Shows a sample in the one page of them all, by its address."""
    watched = Watched(context.new_page())
    panel = open_panel(watched.page, families_base, "p.mmx.run=families")

    def shown(tag: str) -> Frame:
        address = f"#mmx&p.mmx.run=families&p.mmx.tag={quote(tag, safe='')}&p.mmx.token=0"
        height, width = SIZES[tag.split("/")[-1]]
        for wait in (5_000, 15_000, READY_MS):  # the panel may just be writing its own
            watched.page.evaluate("address => { location.hash = address }", address)
            try:
                panel.wait_for_function(_SHOWN, arg=[tag, width > height], timeout=wait)
                break
            except TimeoutError:
                if wait == READY_MS:
                    raise
        panel.evaluate(_DRAWN)
        return panel

    yield shown
    watched.page.close()
    assert watched.troubles == []


# Neighbours have pictures of other shapes, and so the stage tells whose it shows.
_SHOWN = """([tag, wide]) => {
  const panel = document.querySelector('mmx-panel').shadowRoot;
  const header = panel.querySelector('mmx-header')?.shadowRoot;
  const size = panel.querySelector('mmx-stage')?.picture?.size;
  return header?.querySelector('mmx-sample-picker')?.tag === tag
    && panel.querySelector('.page[data-status="ready"][aria-busy="false"]')
    && size && (size.width > size.height) === wide;
}"""
_DRAWN = "async () => { for (const _ of [0, 1]) await new Promise(requestAnimationFrame); }"


@pytest.mark.parametrize(("family", "shape"), SHAPES.items())
def test_a_bright_blocks_heat_lies_on_the_block(show, family, shape):
    panel = show(f"mmx/{family.replace('/', '-')}/{shape}")
    height, width = SIZES[shape]
    cells = drawn_cells(panel, CELLS, CELLS, width / height)
    # Opacity grows with the value up to half the range; hatched cells are fully drawn and grey.
    colored = np.abs(cells[..., 0].astype(int) - cells[..., 2]) > 12
    heat = np.where(colored, cells[..., :3].sum(axis=2) * (cells[..., 3] / 255), 0.0)
    hot = heat >= 0.9 * heat.max()
    assert heat.max() > 0
    top, left, bottom, right = BLOCKS[shape]
    rows, columns = (np.arange(CELLS) + 0.5) / CELLS, (np.arange(CELLS) + 0.5) / CELLS
    where = np.argwhere(hot)
    centre = rows[where[:, 0]].mean(), columns[where[:, 1]].mean()
    # Visual tokens may be larger than the block: their heat is centred within one of the coarsest.
    assert top - 0.04 <= centre[0] <= bottom + 0.04
    assert left - 0.04 <= centre[1] <= right + 0.04
