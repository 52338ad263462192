"""The evaluation sets are what they claim to be."""

from __future__ import annotations

import numpy as np
import pytest

from demo.scenes import OCCLUDED, TRAINING_SPLIT, make_scene, validation_scenes
from demo.sets import LEAST_VISIBLE, MOST_VISIBLE, SETS, evaluation_samples
from demo.words import COLORS, SHAPES
from mmx_core import Sample

COUNT = 6


def words_of(sample: Sample) -> list[str]:
    assert sample.answer is not None
    return sample.answer.split()


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_the_same_every_time_and_its_masks_fit(name: str) -> None:
    first, again = (evaluation_samples(name, COUNT) for _ in range(2))
    assert [sample.id for sample in first] == [f"{name}-{i:04d}" for i in range(COUNT)]
    for sample, other in zip(first, again, strict=True):
        assert sample.answer == other.answer
        assert np.array_equal(np.asarray(sample.images), np.asarray(other.images))
        sample.check_word_indices(sample.answer)
        for entry in sample.word_masks(sample.answer or ""):
            assert entry.mask.any() and entry.mask.shape == np.asarray(sample.images).shape[:2]
            named = {words_of(sample)[word] for word in entry.words}
            assert named <= set(entry.name.split())
    training = evaluation_samples(name, COUNT, split=TRAINING_SPLIT)
    assert [s.answer for s in training] != [s.answer for s in first]


def test_val_is_the_validation_scenes() -> None:
    scenes = validation_scenes(COUNT)
    samples = evaluation_samples("val", COUNT)
    assert [sample.answer for sample in samples] == [scene.caption for scene in scenes]


def test_crowded_scenes_hold_one_shape_and_describe_one_object() -> None:
    for sample in evaluation_samples("crowded", COUNT):
        names = {entry.name for entry in sample.word_masks(sample.answer or "")}
        assert len(names) == 1
        assert sample.prompt.startswith("what shape is")


def test_occluded_objects_overlap_and_stay_visible() -> None:
    shown = evaluation_samples("occluded", COUNT)
    captions = {sample.answer for sample in shown}
    scenes = (make_scene(index, style=OCCLUDED) for index in range(400))
    visible = [min(o.visible for o in s.objects) for s in scenes if s.caption in captions]
    assert len(visible) >= COUNT
    kept = [share for share in visible if LEAST_VISIBLE <= share <= MOST_VISIBLE]
    assert len(kept) >= COUNT


def test_relational_scenes_are_told_apart_by_color_and_relation_alone() -> None:
    for sample in evaluation_samples("relational", COUNT):
        names = [entry.name.split() for entry in sample.word_masks(sample.answer or "")]
        assert len({shape for _, shape in names}) == 1
        assert len({color for color, _ in names}) == len(names) >= 2


def test_absent_objects_are_named_and_not_shown() -> None:
    plain = evaluation_samples("val", COUNT)
    for sample, true in zip(evaluation_samples("absent", COUNT), plain, strict=True):
        words = words_of(sample)
        invented = [words[index] for index in sample.absent]
        assert len(invented) == 2 and invented[0] in COLORS and invented[1] in SHAPES
        assert not set(invented) & set(words_of(true))
        assert np.array_equal(np.asarray(sample.images), np.asarray(true.images))


@pytest.mark.parametrize(("name", "count"), [("mars", 3), ("val", -1)])
def test_what_is_no_set_is_refused(name: str, count: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        evaluation_samples(name, count)
