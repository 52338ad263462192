"""A batch of pictures with some cells taken from another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mmx_core.models import adapter_for
from tests.support.tiny_models import FAMILIES, make_tiny


@pytest.mark.parametrize("family", FAMILIES)
def test_blended_cells_are_those_of_the_blended_picture(family: str) -> None:
    tiny = make_tiny(family)
    adapter = adapter_for(tiny.model, **tiny.parts)
    random = np.random.default_rng(0)
    first, second = (random.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(2))
    rendered = adapter.render("describe the image .", pictures=[Image.new("RGB", (96, 64))])
    shown, hidden = (Image.fromarray(pixels) for pixels in (first, second))
    rows, columns = adapter.layout(shown, 1.0).views[0].grid
    keep = torch.from_numpy(random.random((3, rows, columns)) < 0.5)
    inputs = adapter.perturbed(shown, hidden, keep, rendered, [9, 10])
    for index in range(3):
        mask = np.kron(keep[index].numpy(), np.ones((64 // rows, 96 // columns), bool))
        mixed = Image.fromarray(np.where(mask[..., None], first, second))
        expected = adapter.encode([mixed], rendered, [9, 10], factor=1.0)
        patches = inputs["pixel_values"].view(3, -1, inputs["pixel_values"].shape[1])[index]
        assert torch.equal(patches, expected.inputs["pixel_values"])
    with torch.no_grad():
        batch = adapter.forward(inputs)
        single = adapter.hidden_states(expected)
    assert torch.allclose(batch[2], single, atol=1e-4)
