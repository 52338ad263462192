"""Families of tiles, where an image is no larger than one: their scales differ there."""

from __future__ import annotations

import pytest

from tests.models.criteria import build, causal_mapping, encode, noise
from tests.models.test_families import ALL, tiny_of

SIZE = (54, 54)
TOKENS = {
    # Ovis2's tower takes one size: of a canvas of 4 x 4 cells, 2 x 2 show the picture.
    "ovis2": {0.5: 4, 1.0: 16, 2.0: 5 * 16},
    "aya_vision": {0.5: 4, 1.0: 16, 2.0: 5 * 16},
    "cohere2_vision": {0.5: 4, 1.0: 16, 2.0: 5 * 16},
    # At its own resolution, whatever the scale.
    "lfm2_vl": {0.5: 4, 1.0: 9, 2.0: 36},
    "minicpmv4_6": {0.5: 4, 1.0: 16, 2.0: 64},
    # One crop stays one down to any scale, beside the square.
    "molmo2": {0.5: 50, 1.0: 50},
}


@pytest.mark.parametrize("family", [family for family in TOKENS if family in ALL])
def test_a_block_of_a_small_image_moves_its_token_at_every_scale(family: str) -> None:
    adapter = build(tiny_of(family))
    for factor, count in TOKENS[family].items():
        (span,) = encode(adapter, [noise(*SIZE)], factor=factor).visual
        assert len(span.positions) == count
        found = causal_mapping(adapter, SIZE, factor)
        assert found.tried and found.right >= 0.95 * found.tried, found.wrong


def test_a_scale_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scale 0\.1: a tile of 56 .* of 14"):
        build(tiny_of("ovis2")).layout(noise(*SIZE), 0.1)
