"""For every family: a bright block's heat, explained, logged and read, is drawn on the block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core import Explainer
from mmx_core.events import ExplanationWriter
from mmx_core.models import EncodedInput
from tests.browser.browser import open_panel
from tests.browser.pixels import drawn_cells
from tests.models.criteria import PROMPT, input_embeddings
from tests.models.test_families import ALL, tiny_of
from tests.support.tensorboard_server import serve

SIZES = {"wide": (72, 144), "tall": (144, 72)}
"""Height and width. The block is off the middle in both directions, and where crops see it."""
BLOCKS = {"wide": (0.5, 0.5, 0.75, 0.625), "tall": (0.5, 0.5, 0.625, 0.75)}
SHAPES = {family: list(SIZES)[index % len(SIZES)] for index, family in enumerate(ALL)}
"""One each, in turn: every family on every shape is for tests/models, which are quicker."""
SCALES = (1.0, 2.0)
CELLS = 24


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


@pytest.mark.parametrize(("family", "shape"), SHAPES.items())
def test_a_bright_blocks_heat_lies_on_the_block(page, families_base, family, shape):
    tag = f"mmx%2F{family.replace('/', '-')}%2F{shape}"
    panel = open_panel(page, families_base, f"p.mmx.run=families&p.mmx.tag={tag}&p.mmx.token=0")
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
