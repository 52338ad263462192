"""Sets of samples: the published layouts on a disk, and a package's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core.evaluation.load import load_samples
from mmx_core.evaluation.published import COCO_CATEGORIES
from mmx_core.text.categories import CategoryMasks
from mmx_core.text.lexicon import function_words_of, is_function_word, noun_lemma, noun_words

LABELS = np.zeros((8, 12), dtype=np.uint8)
LABELS[:4, :6], LABELS[4:, 6:] = 18, 58


def write_pictures(root: Path, pictures: list[str], masks: list[str]) -> None:
    for name in pictures:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (90, 20, 200)).save(root / name)
    for name in masks:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(LABELS).save(root / name)


def write_coco(root: Path) -> Path:
    write_pictures(
        root,
        [f"image/{n:012d}.jpg" for n in (42, 7, 9)],
        [f"seg_label/{n:012d}.png" for n in (42, 7, 9)],
    )
    folder = root / "annotations"
    folder.mkdir()
    images = {"images": [{"id": n} for n in (42, 7, 9)]}
    (folder / "instances_minival2014.json").write_text(json.dumps(images))
    captions = {"annotations": [{"image_id": 42, "caption": "A dog."}] * 2}
    (folder / "captions_val2014.json").write_text(json.dumps(captions))
    return root


def write_list(root: Path) -> Path:
    names = ["a", "b", "c"]
    write_pictures(root, [f"p/{n}.jpg" for n in names], [f"m/{n}.png" for n in names])
    entries = [[f"p/{n}.jpg", "A dog.", f"m/{n}.png", {"dog": 18, "field": 58}] for n in names]
    (root / "anno.json").write_text(json.dumps(entries))
    return root


def test_coco_is_read_as_the_published_evaluation_lays_it_out(tmp_path: Path) -> None:
    samples = load_samples("coco", root=write_coco(tmp_path), count=2)
    assert [sample.id for sample in samples] == ["000000000042", "000000000007"]
    first = samples[0]
    assert first.answer is None and first.prompt.startswith("Write a one-sentence caption")
    (entry,) = first.word_masks("Two dogs .")
    assert (entry.words, entry.name) == ((1,), "dog")
    assert np.array_equal(entry.mask, LABELS == 18)
    assert first.mask_shapes() == {"labels": (8, 12)}
    assert load_samples("coco", root=tmp_path, references=True)[0].answer == "A dog."


@pytest.mark.parametrize(("name", "sentences"), [("grandf", "two"), ("openpsg", "three")])
def test_listed_sets_carry_their_own_categories(tmp_path: Path, name: str, sentences: str) -> None:
    samples = load_samples(name, root=write_list(tmp_path))
    assert [sample.id for sample in samples] == ["p-a", "p-b", "p-c"]
    assert f"around {sentences} sentences" in samples[2].prompt
    found = samples[1].word_masks("a dog in a field")
    assert [entry.name for entry in found] == ["dog", "field"]


def test_a_dog_is_no_hot_dog_and_a_hot_dog_no_dog() -> None:
    masks = CategoryMasks(LABELS, {"hot dog": 58, "dog": 18, "dining table": 67})

    def named(answer: str) -> list[tuple[str, tuple[int, ...]]]:
        return [(entry.name, entry.words) for entry in masks.word_masks(answer)]

    assert named("A dog eats a hot dog.") == [("dog", (1,)), ("hot dog", (4, 5))]
    assert named("Hot dogs on the table") == [("hot dog", (0, 1)), ("dining table", (4,))]
    assert named("they dine") == []
    # Adjacent words of one category are one thing.
    assert named("the dining table") == [("dining table", (1, 2))]
    (table,) = masks.word_masks("a table")
    assert not table.mask.any()
    # Nor is it one where the picture knows hot dogs alone.
    assert CategoryMasks(LABELS, {"hot dog": 58}).word_masks("a dog runs") == []
    # A pause parts what it stands between.
    assert named("it is hot, dog.") == [("dog", (3,))]
    assert named("a dog. Dog") == [("dog", (1,)), ("dog", (2,))]


def test_an_adjective_is_no_thing() -> None:
    masks = CategoryMasks(LABELS, {"orange": 18, "traffic light": 58})

    def named(answer: str) -> list[tuple[str, tuple[int, ...]]]:
        return [(entry.name, entry.words) for entry in masks.word_masks(answer)]

    assert named("a man in an orange jacket sells an orange.") == [("orange", (8,))]
    assert named("a light blue bus under a traffic light") == [("traffic light", (6, 7))]


def test_of_names_with_one_head_that_in_the_picture_is_meant() -> None:
    masks = CategoryMasks(LABELS, {"traffic light": 10, "desk light": 18, "fork": 58})
    found = masks.word_masks("two lights and a fork")
    assert [(entry.name, entry.mask.any()) for entry in found] == [
        ("desk light", True),
        ("fork", True),
    ]


def test_coco_has_its_eighty_categories() -> None:
    assert len(COCO_CATEGORIES) == 80
    numbers = {"person": 1, "stop sign": 13, "hot dog": 58, "tv": 72, "toothbrush": 90}
    assert {name: COCO_CATEGORIES[name] for name in numbers} == numbers


def test_a_broken_sample_fails_alone_and_by_name(tmp_path: Path) -> None:
    samples = load_samples("grandf", root=write_list(tmp_path))
    (tmp_path / "p/a.jpg").unlink()
    (tmp_path / "m/b.png").unlink()
    with pytest.raises(ValueError, match=r"sample 'p-a': expected a picture .*a\.jpg"):
        samples[0]
    with pytest.raises(ValueError, match=r"sample 'p-b': expected a mask in .*b\.png"):
        samples[1]
    assert samples[2].id == "p-c"
    Image.new("RGB", (12, 8)).save(tmp_path / "m/c.png")
    with pytest.raises(ValueError, match=r"sample 'p-c': expected a grey mask"):
        samples[2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("coco", "expected --root"),
        ("imagenet", "PACKAGE:NAME such as demo:val, got 'imagenet'"),
        ("no_such_package:val", "expected the package 'no_such_package'"),
        ("json:val", "expected a function evaluation_samples"),
        ("demo:mars", "expected one of val, crowded"),
    ],
)
def test_an_unknown_set_is_refused_in_plain_words(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_samples(name)


@pytest.mark.parametrize(
    "text", [None, "{", "[[1]]", '{"images": 3}', '[[1, "c", "m.png", {"dog": 1}]]']
)
def test_another_layout_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "anno.json").write_text(text)
    with pytest.raises(ValueError, match="anno"):
        load_samples("openpsg", root=tmp_path)


def test_a_packages_own_set_is_loaded() -> None:
    samples = load_samples("demo:val", count=3)
    assert [sample.id for sample in samples] == ["val-0000", "val-0001", "val-0002"]


def test_function_words_are_those_of_the_published_evaluation() -> None:
    for word in ("the", "A", "and", "there", "which", "my", "can", "it"):
        assert is_function_word(word), word
    assert is_function_word("it's") and is_function_word("can't")
    for word in ("of", "on", "to", "two", "is", "red", "dog"):
        assert not is_function_word(word), word
    assert function_words_of("The dog and its ball, on a mat.") == [0, 2, 3, 6]


def test_nouns_come_in_the_singular() -> None:
    lemmas = {"dogs": "dog", "men": "man", "skis": "ski", "Buses,": "bus", "pizza": "pizza"}
    assert {word: noun_lemma(word) for word in lemmas} == lemmas
    assert [noun_lemma(word) for word in ("rings", "king's", "wing")] == ["ring", "king", "wing"]
    for word in ("red", "sitting", "many", "large", "the", "3", "."):
        assert noun_lemma(word) is None, word
    assert noun_words("a red circle is left of a pizza .") == [2, 7]
