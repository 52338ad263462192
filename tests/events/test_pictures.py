"""Pictures are logged once each, however many there are, and all come back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from torch.utils.tensorboard import SummaryWriter

from mmx_core import read_explanations
from mmx_core.events import ExplanationWriter, add_explanation
from tests.events.test_writer import values
from tests.support.explanations import make_explanation, make_image
from tests.support.odd_explanations import make_several_images

PICTURES = 5


@pytest.mark.parametrize("kind", ["writer", "background", "summary writer"])
def test_of_many_pictures_in_turn_each_is_logged_once_and_read_with_its_sample(tmp_path, kind):
    pictures = [make_image(seed=seed) for seed in range(PICTURES)]
    writer = (
        SummaryWriter(tmp_path)
        if kind == "summary writer"
        else ExplanationWriter(tmp_path, background=kind == "background")
    )
    for step in range(3):
        for number, picture in enumerate(pictures):
            explanation = replace(make_explanation(image=picture), id=str(number))
            add_explanation(writer, f"val/{number}", explanation, step)
    writer.close()
    logged = Counter(tag for _, tag, _, _ in values(tmp_path) if tag.startswith("mmx/images/"))
    assert logged == Counter(f"mmx/images/{picture.hash}" for picture in pictures)
    read = list(read_explanations(tmp_path))
    assert len(read) == 3 * PICTURES
    assert all(entry.image == pictures[int(entry.id)] for entry in read)


def test_all_pictures_of_a_sample_come_back(tmp_path):
    whole = make_several_images(PICTURES)
    add_explanation(tmp_path, "val/0", whole, 0)
    (read,) = read_explanations(tmp_path)
    assert read.images == whole.images
