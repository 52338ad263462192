"""Rows of TRL's data sets as samples to explain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx_core.integrations.trl import probe_samples
from mmx_core.stages.conversation import conversation_of

PICTURE = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
# As a table of Arrow's hands them out: each part has the keys of all.
ASKED = [
    {
        "role": "user",
        "content": [
            {"type": "image", "text": None},
            {"type": "text", "text": "what is this ?"},
        ],
    }
]
SAID = [{"role": "assistant", "content": [{"type": "text", "text": "a dog ."}]}]


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"images": [PICTURE], "messages": ASKED + SAID}, "a dog ."),
        ({"images": [PICTURE], "prompt": ASKED, "completion": SAID}, "a dog ."),
        ({"image": PICTURE, "prompt": ASKED, "chosen": SAID, "rejected": ASKED}, "a dog ."),
        ({"image": PICTURE, "prompt": ASKED}, None),
        ({"image": PICTURE, "prompt": "what is this ?", "completion": "a dog ."}, "a dog ."),
        (
            {
                "images": [PICTURE],
                "messages": [{"role": "user", "content": "what is this ?"}, *SAID],
            },
            "a dog .",
        ),
    ],
)
def test_every_form_becomes_a_question_about_its_picture_and_the_answer(
    row: dict[str, Any], answer: str | None
) -> None:
    (sample,) = probe_samples([row], 1)
    conversation = conversation_of(sample)
    asked, *said = conversation.messages
    assert conversation.pictures == [PICTURE]
    assert asked["content"] == [{"type": "image"}, {"type": "text", "text": "what is this ?"}]
    assert [message["content"] for message in said] == ([answer] if answer else [])
    assert sample.id == "0000"


def test_rows_keep_their_own_ids_and_a_row_in_no_form_is_refused_by_number() -> None:
    rows = [{"id": 17, "image": PICTURE, "prompt": ASKED}, {"image": PICTURE, "text": "a dog"}]
    assert [sample.id for sample in probe_samples(rows, 1, prefix="a-")] == ["a-17"]
    with pytest.raises(
        ValueError, match=r"row 1: expected messages, or a prompt .*got image, text"
    ):
        probe_samples(rows)
