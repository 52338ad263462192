"""What a sample says beside its picture: taken in the forms it comes in, or refused by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx_core import Explainer, Sample, WordMask
from tests.support.tiny_models import make_tiny

PICTURE = Image.new("RGB", (64, 64), "red")
PROMPT, ANSWER = "describe the image .", "a red circle"
INSIDE = np.zeros((64, 64), bool)
INSIDE[8:40, 8:40] = True


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    tiny = make_tiny()
    return Explainer(tiny.model, **tiny.parts, scales=(1.0,))


def masked(masks: Any) -> Sample:
    return Sample("s", PICTURE, PROMPT, ANSWER, masks=masks)


@pytest.mark.parametrize(
    "mask",
    [
        INSIDE,
        INSIDE.tolist(),
        INSIDE.astype(np.uint8),
        INSIDE * np.uint8(255),
        INSIDE * 7,
        INSIDE.astype(np.float32),
        Image.fromarray(INSIDE),
    ],
    ids=["bool", "lists", "0/1", "0/255", "0/7", "float", "picture"],
)
def test_a_mask_of_two_values_is_what_it_says(mask: Any, explainer: Explainer) -> None:
    sample = masked({"circle": mask})
    explainer.check(sample)
    (found,) = sample.word_masks(ANSWER)
    assert np.array_equal(found.mask, INSIDE) and found.mask.dtype == bool


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (np.where(INSIDE, 0.97, 0.01), r"got float64 from 0\.01 to 0\.97; say .*mask > 0\.5"),
        (np.where(INSIDE, 0.97, 0.0), r"got float64 from 0 to 0\.97"),
        (np.where(INSIDE, 4.0, -7.0), "from -7 to 4; say .*mask > 0 of logits"),
        (np.where(INSIDE, 1, -1), "from -1 to 1"),
        (np.where(INSIDE, 0, -1), "from -1 to 0"),
        (np.where(INSIDE, 1, np.nan), "from nan to nan"),
        (INSIDE * 2 + np.eye(64, dtype=int), "from 0 to 3; say .*mask == 3 of labels"),
        ([[1, 0], [1]], r"expected an \(H, W\) array"),
        (None, "got NoneType of object"),
        ("x.png", "got str of <U5"),
    ],
)
def test_a_mask_that_does_not_say_where_its_thing_is_is_refused(
    mask: Any, told: str, explainer: Explainer
) -> None:
    with pytest.raises(ValueError, match=f"sample 's': mask of 'circle': .*{told}"):
        explainer.check(masked({"circle": mask}))
    with pytest.raises(ValueError, match=f"mask of 'circle': .*{told}"):
        WordMask((2,), mask, "circle")


@pytest.mark.parametrize(
    ("masks", "got"),
    [
        ([("circle", INSIDE)], "a list of tuple"),
        ({2: INSIDE}, "a mapping of 2"),
        ({"": INSIDE}, "a mapping of ''"),
        (INSIDE, "ndarray"),
        ("circle", "str"),
        ((entry for entry in ()), "generator"),
    ],
)
def test_masks_of_another_form_are_refused_with_the_right_one(
    masks: Any, got: str, explainer: Explainer
) -> None:
    with pytest.raises(ValueError, match=rf"'s': masks: .*\{{'dog': mask\}}, .*, got {got}$"):
        explainer.check(masked(masks))


@pytest.mark.parametrize(("fill", "said"), [(False, "no pixel"), (True, "every pixel")])
def test_a_mask_that_measures_nothing_is_told(fill: bool, said: str) -> None:
    mask = np.full((64, 64), fill)
    for masks in ({"circle": mask}, [WordMask((2,), mask, "circle")]):
        with pytest.warns(UserWarning, match=f"'s': the mask of 'circle' has {said} inside"):
            masked(masks).word_masks(ANSWER)
