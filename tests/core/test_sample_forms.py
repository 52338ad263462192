"""What a sample says beside its picture: taken in the forms it comes in, or refused by its name."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx_core import Explainer, Sample, WordMask
from mmx_core.sample import as_sample
from mmx_core.stages.conversation import conversation_of
from tests.support.tiny_models import make_tiny

PICTURE = Image.new("RGB", (64, 64), "red")
PROMPT, ANSWER = "describe the image .", "a red circle"
INSIDE = np.zeros((64, 64), bool)
INSIDE[8:40, 8:40] = True
SIZES = {"min_pixels": 784, "max_pixels": 3136}


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


@pytest.mark.parametrize(
    ("why_not", "told"),
    [
        (["dog"], r"expected a mapping .*{'dog': 'cat'}, got \['dog'\]"),
        ("dog", "got 'dog'"),
        ({"circle": 5}, "expected a word, or a list of words, in the place of 'circle', got 5"),
        ({"circle": None}, "got None"),
        ({"circle": ["dog", 5]}, r"got \['dog', 5\]"),
        ({"circle": b"dog"}, "got b'dog'"),
        ({"circle": {"dog": 1}}, "got {'dog': 1}"),
        ({1.0: "dog"}, r"a word of the answer or a token's index, got 1\.0"),
        ({True: "dog"}, "got True"),
        ({("a", "red"): "dog"}, r"got \('a', 'red'\)"),
    ],
)
def test_words_that_were_not_said_are_asked_about_in_one_form(
    why_not: Any, told: str, explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explainer.adapter.model, "forward", None)
    for answer in (ANSWER, None):
        with pytest.raises(ValueError, match=f"why_not: .*{told}"):
            explainer.explain(PICTURE, PROMPT, answer=answer, why_not=why_not)


@pytest.mark.parametrize("turn", ["1", 1.0, True, [1], "last", 0, 7, -3])
def test_a_turn_is_an_index_of_the_assistants(turn: Any) -> None:
    talk = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPT}]},
        {"role": "assistant", "content": ANSWER},
    ]
    with pytest.raises(ValueError, match=r"turn: expected the index of .* \(\[1\]\), got "):
        conversation_of(Sample("s", PICTURE, messages=talk, turn=turn))
    for right in (1, -1, np.int64(1)):
        assert len(conversation_of(Sample("s", PICTURE, messages=talk, turn=right)).messages) == 2


def test_a_tables_row_may_have_arrays_and_empty_columns() -> None:
    parts = np.array([{"type": "image", "image": PICTURE}, {"type": "text", "text": PROMPT}])
    talk = np.array([{"role": "user", "content": parts}, {"role": "assistant", "content": ANSWER}])
    optional = ("image", "prompt", "masks", "turn", "why_not", "chat_template_kwargs", "answer")
    row = {"id": 7, "messages": talk, "absent": np.array([1, 2]), **dict.fromkeys(optional)}
    sample = as_sample(row)
    assert conversation_of(sample).messages[-1]["content"] == ANSWER
    assert sample.absent == (1, 2) and sample.why_not == {}
    bare = Sample("s", PICTURE, PROMPT, why_not=None, absent=None)  # type: ignore[arg-type]
    assert bare.why_not == {} and bare.absent == ()


def test_what_is_no_list_of_messages_or_indices_is_refused_by_its_name() -> None:
    for wrong in (np.zeros(3), (message for message in ()), {"role": "user"}, 3):
        with pytest.raises(ValueError, match="messages: expected a list of them, got"):
            conversation_of(Sample("s", messages=wrong))  # type: ignore[arg-type]
    for absent in (3, "a", [0.5]):
        with pytest.raises(ValueError, match="absent: expected indices of the answer's words"):
            Sample("s", PICTURE, PROMPT, ANSWER, absent=absent)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"kwargs: expected a mapping .*, got list"):
        conversation_of(Sample("s", PICTURE, PROMPT, chat_template_kwargs=["x"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "unread"),
    [
        ({"image": PICTURE, **SIZES}, "min_pixels, max_pixels"),
        ({"image": PICTURE, "resized_height": 56, "resized_width": 84}, "resized_height"),
        ({"image_url": {"url": "x.png", "detail": "low"}}, "detail"),
        ({"image": PICTURE, **dict.fromkeys(SIZES)}, None),
        ({"image": PICTURE, "text": None, "id": 3}, None),
    ],
)
def test_what_nothing_reads_of_a_pictures_part_is_said_once(part: Any, unread: Any) -> None:
    said = [{"role": "user", "content": [part, part, {"type": "text", "text": PROMPT}]}]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        conversation_of(Sample("s", messages=said))
    told = [str(warning.message) for warning in caught]
    assert len(told) == (unread is not None)
    assert all(f"nothing reads {unread}" in line for line in told)
