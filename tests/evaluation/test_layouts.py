"""Published sets as their own files have them: miniatures with the traps of the real ones."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core.evaluation.load import load_samples
from mmx_core.evaluation.published import LAYOUTS, PublishedSet
from mmx_core.evaluation.published.entries import upright_size
from mmx_core.evaluation.published.shapes import from_polygon, mask_of
from mmx_core.images import load_rgb
from mmx_core.metrics.localisation import localisation
from mmx_core.metrics.registry import ScoredAnswer, word_scores
from mmx_core.sample import Sample, WordMask
from mmx_core.text.categories import NamedMasks
from mmx_core.text.lexicon import head_of
from tests.support import miniatures
from tests.support.miniatures import CROWD_MASK, THREE_COLUMNS_MASK, box

WRITERS = {
    "coco": miniatures.write_coco,
    "grandf": miniatures.write_grandf,
    "openpsg": miniatures.write_psg,
    "clevr-xai": miniatures.write_clevr_xai,
    "wiki-visa": miniatures.write_visa,
}
FILES = {
    "coco": "annotations/instances_val2017.json",
    "grandf": "GranDf/annotations/train/GranDf_HA_GCG_train.json",
    "openpsg": "psg/psg.json",
    "clevr-xai": "CLEVR-XAI_simple_questions.json",
    "wiki-visa": "test.jsonl",
}


def by_name(sample: Sample, answer: str) -> dict[str, np.ndarray]:
    return {entry.name: entry.mask for entry in sample.word_masks(answer)}


def named(sample: Sample, answer: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(entry.name, entry.words) for entry in sample.word_masks(answer)]


def ids(samples: object) -> list[str]:
    assert isinstance(samples, PublishedSet)
    return [samples.id_of(index) for index in range(len(samples))]


def test_run_lengths_in_letters_and_in_numbers_are_one_mask() -> None:
    # Down the columns: 16 outside, 4 inside and 4 outside three times over, the rest outside.
    numbers = {"size": [8, 12], "counts": [16, 4, 4, 4, 4, 4, 60]}
    assert np.array_equal(mask_of(numbers, 8, 12), THREE_COLUMNS_MASK)
    assert np.array_equal(mask_of(miniatures.THREE_COLUMNS, 8, 12), THREE_COLUMNS_MASK)
    as_bytes = {"size": [8, 12], "counts": miniatures.THREE_COLUMNS["counts"].encode()}
    assert np.array_equal(mask_of(as_bytes, 8, 12), THREE_COLUMNS_MASK)
    # A difference below zero: 0, 10, 5, 2 (2 - 10 = -8 -> "H"), 79 (79 - 5 = 74 -> "Z", "2").
    falling = np.repeat([False, True, False, True, False], [0, 10, 5, 2, 79]).reshape(12, 8).T
    assert np.array_equal(mask_of({"size": [8, 12], "counts": "0:5HZ2"}, 8, 12), falling)


def test_a_polygon_holds_the_pixels_whose_middle_it_holds() -> None:
    assert np.array_equal(from_polygon([2, 1, 6, 1, 6, 4, 2, 4], 8, 12), box(2, 1, 6, 4))
    assert np.array_equal(
        from_polygon([2.4, 0.6, 6.4, 0.6, 6.4, 4, 2.4, 4], 8, 12), box(2, 1, 6, 4)
    )
    # Beyond the picture it is cut off; what has its middle on a right edge is not within.
    assert np.array_equal(from_polygon([10, -3, 20, -3, 20, 2, 10, 2], 8, 12), box(10, 0, 12, 2))
    triangle = from_polygon([0, 0, 4, 4, 0, 4], 8, 12)
    assert [int(row.sum()) for row in triangle] == [0, 1, 2, 3, 0, 0, 0, 0]
    assert not from_polygon([0, 0, 3, 3], 8, 12).any()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [12, 8], "counts": [96]}, r"expected size \[8, 12\], got \[12, 8\]"),
        ({"size": [8, 12], "counts": [90, 5]}, "expected 96 pixels .* got 95 in 2 runs"),
        ({"size": [8, 12], "counts": [100, -4]}, "runs of 0 or more"),
        ({"size": [8, 12], "counts": "~"}, "expected COCO's letters"),
        ({"size": [8, 12], "counts": "P"}, "expected COCO's letters"),
        ([[1, 2, 3]], "polygon: expected x, y"),
        ("abc", "expected run lengths or polygons, got str"),
    ],
)
def test_a_broken_segmentation_says_what_was_expected(segmentation: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_of(segmentation, 8, 12)


def test_coco_s_instances_are_together_what_their_name_stands_for(tmp_path: Path) -> None:
    samples = load_samples("coco", root=miniatures.write_coco(tmp_path))
    assert ids(samples) == ["000000000042", "000000000007", "000000000005"]
    sample = samples[0]
    assert sample.answer is None and sample.mask_shapes() == {"labels": (8, 12)}
    said = "Two dogs and a hot dog, people, and a bear"
    assert named(sample, said) == [("dog", (1,)), ("hot dog", (4, 5)), ("person", (6,))]
    masks = by_name(sample, said)
    # Its two parts; what lies over it takes nothing from it.
    assert np.array_equal(masks["dog"], box(2, 1, 6, 4) | box(8, 5, 10, 7))
    assert np.array_equal(masks["hot dog"], box(4, 2, 8, 6))
    # The person and the crowd.
    assert np.array_equal(masks["person"], THREE_COLUMNS_MASK | CROWD_MASK)
    # What is not in the picture has an empty mask.
    (bear,) = sample.word_masks("a teddy bear")
    assert (bear.name, bear.mask.any()) == ("teddy bear", False)
    with pytest.raises(ValueError, match=r"sample '000000000005': run lengths: expected size"):
        samples[2]


def test_of_coco_s_captions_the_first_is_the_reference(tmp_path: Path) -> None:
    samples = load_samples("coco", root=miniatures.write_coco(tmp_path), references=True)
    assert samples[0].answer == "A dog eats a hot dog."
    assert samples.left_out["no reference answer"] == ["000000000007"]


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("coco", {"listed before": ["000000000042"], "no picture": ["000000000009"]}),
        ("grandf", {"no picture": ["sa_gone"], "no mask": ["sa_2"]}),
        ("openpsg", {"no picture": ["109"], "no mask": ["110"]}),
        ("clevr-xai", {"no picture": ["simple-000001"]}),
        ("clevr-xai:complex_unique_firstnonempty", {"no mask": ["complex-000001"]}),
        (
            "wiki-visa",
            {"no box within the page": ["below", "beside", "none"], "no picture": ["gone"]},
        ),
    ],
)
def test_what_cannot_be_explained_is_left_out_and_counted(
    tmp_path: Path, name: str, left_out: dict[str, list[str]]
) -> None:
    root = WRITERS[name.partition(":")[0]](tmp_path)
    samples = load_samples(name, root=root)
    assert samples.left_out == left_out
    assert len(set(ids(samples))) == len(samples) > 0
    # The first that can be: nothing behind it is looked at.
    (first,) = load_samples(name, root=root, count=1)
    assert first.id == ids(samples)[0]


def test_a_phrase_of_grandf_is_where_its_caption_has_it(tmp_path: Path) -> None:
    root = miniatures.write_grandf(tmp_path)
    samples = load_samples("grandf", root=root, references=True)
    assert ids(samples) == ["sa_1", "sa_1-3"]
    sample = samples[0]
    answer = "A man sells a hot dog to a man in a red coat, and a dog waits."
    assert sample.answer == answer
    assert named(sample, answer) == [
        ("A man", (0, 1)),
        ("a hot dog", (3, 4, 5)),
        ("a man in a red coat", (7, 8, 9, 10, 11, 12)),
        ("a dog", (14, 15)),
    ]
    masks = by_name(sample, answer)
    # Two masks of one man overlap in the first column.
    assert np.array_equal(masks["A man"], box(0, 0, 2, 8))
    assert np.array_equal(masks["a hot dog"], THREE_COLUMNS_MASK)


def test_the_model_s_words_are_matched_with_the_heads_of_grandf_s_phrases(tmp_path: Path) -> None:
    sample = load_samples("grandf", root=miniatures.write_grandf(tmp_path))[0]
    said = "Some men, a coat, a dog and hot dogs"
    assert named(sample, said) == [("man", (1,)), ("dog", (5,)), ("dog", (8,))]
    # Both men, since nobody says which.
    assert np.array_equal(by_name(sample, said)["man"], box(0, 0, 2, 8) | CROWD_MASK)


def test_the_head_of_a_phrase_is_what_it_names() -> None:
    heads = {
        "A man": "man",
        "two men in red coats": "man",
        "a woman wearing a large hat": "woman",
        "an orange and white cat": "cat",
        "a glass of orange juice": "glass",
        "the parked cars": "car",
        "a white building with windows": "building",
        "the old building": "building",
        "a fishing boat": "boat",
        "a man painting a building": "man",
        "a group of people": "people",
        "two pairs of scissors on a table": "scissors",
        "nobody": "nobody",
    }
    assert {phrase: head_of(phrase) for phrase in heads} == heads


def test_psg_s_segments_are_told_by_all_three_bytes(tmp_path: Path) -> None:
    samples = load_samples("openpsg", root=miniatures.write_psg(tmp_path))
    assert ids(samples) == ["107", "108"]
    said = "people and a horse under the sky"
    masks = by_name(samples[0], said)
    assert named(samples[0], said) == [("person", (0,)), ("horse", (3,)), ("sky", (6,))]
    assert np.array_equal(masks["person"], box(0, 2, 5, 6))
    assert np.array_equal(masks["horse"], box(6, 4, 12, 8))
    assert np.array_equal(masks["sky"], box(0, 0, 12, 2))
    assert ids(load_samples("openpsg:train", root=tmp_path)) == ["111"]


def test_psg_s_relations_are_written_out_as_a_reference(tmp_path: Path) -> None:
    samples = load_samples("openpsg", root=miniatures.write_psg(tmp_path), references=True)
    assert samples.left_out["no reference answer"] == ["108"]
    sample = samples[0]
    answer = "The person is riding the horse. The sky is over the horse."
    assert sample.answer == answer
    entries = sample.word_masks(answer)
    placed = [("person", (1,)), ("horse", (5,)), ("sky", (7,)), ("horse", (11,))]
    assert [(entry.name, entry.words) for entry in entries] == placed
    # Of two people the one that rides.
    assert np.array_equal(entries[0].mask, box(0, 2, 3, 6))


def test_a_mask_of_clevr_xai_covers_the_picture_it_was_made_smaller_from(tmp_path: Path) -> None:
    root = miniatures.write_clevr_xai(tmp_path)
    samples = load_samples("clevr-xai", root=root)
    assert ids(samples) == ["simple-000000", "simple-000003"]
    sample = samples[0]
    assert sample.prompt == "What is the small yellow sphere made of?"
    (evidence,) = sample.word_masks("It is made of metal")
    assert (evidence.words, evidence.whole) == ((0, 1, 2, 3, 4), True)
    assert np.array_equal(evidence.mask, box(6, 2, 12, 4))
    several = "clevr-xai:complex_unique_firstnonempty"
    answers = [s.answer for s in load_samples(several, root=root, references=True)]
    assert answers == ["yes", "0"]
    with pytest.raises(ValueError, match=r"got .*unique_firstnonempty.* in"):
        load_samples("clevr-xai:complex_union", root=root)


def saying(orientation: int) -> bytes:
    picture, data = Image.new("RGB", (12, 8)), io.BytesIO()
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(data, format="JPEG", exif=exif)
    return data.getvalue()


@pytest.mark.parametrize("orientation", range(11))
def test_a_picture_has_the_size_that_it_is_explained_at_whatever_its_file_says(
    orientation: int,
) -> None:
    assert upright_size(saying(orientation)) == load_rgb(saying(orientation)).size


def test_a_picture_that_its_file_says_to_turn_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    turned = saying(6)  # its first row is at the right
    assert upright_size(turned) == (8, 12)
    root = miniatures.write_clevr_xai(tmp_path)
    (picture,) = root.glob("*/images/*.png")
    picture.write_bytes(turned)
    (evidence,) = load_samples("clevr-xai", root=root)[0].word_masks("It is made of metal")
    assert evidence.mask.shape == (12, 8)


def test_a_box_of_wiki_visa_is_where_it_is_on_its_tall_page(tmp_path: Path) -> None:
    samples = load_samples("wiki-visa", root=miniatures.write_visa(tmp_path))
    assert ids(samples) == ["tall", "half", "edge", "silent", "tall-8"]
    assert [sample.id for sample in samples] == ids(samples)

    def corners(sample: Sample) -> tuple[tuple[int, int], list[int]]:
        (evidence,) = sample.word_masks("Jane Austen")
        rows, columns = np.nonzero(evidence.mask)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return evidence.mask.shape, [int(edge) for edge in edges]

    assert corners(samples[0]) == ((600, 10), [2, 500, 8, 520])
    # Stored at half its size.
    assert corners(samples[1]) == ((300, 5), [1, 250, 4, 260])
    # Over the page's edges.
    assert corners(samples[2]) == ((600, 10), [0, 590, 10, 600])
    told = load_samples("wiki-visa", root=tmp_path, references=True)
    assert told[0].answer == "Jane Austen"
    assert told.left_out["no reference answer"] == ["silent"]


def test_wiki_visa_s_own_files_hold_the_same_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow, which reads Parquet")
    lines = load_samples("wiki-visa", root=miniatures.write_visa(tmp_path))
    rows = miniatures.visa_rows()
    for row in rows:
        path = tmp_path / row["image"]
        row["image"] = {"bytes": path.read_bytes() if path.exists() else None, "path": path.name}
    from pyarrow import parquet

    (tmp_path / "data").mkdir()
    for number, some in enumerate((rows[:6], rows[6:])):
        path = tmp_path / f"data/test-0000{number}-of-00002.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(some), path, row_group_size=2)
    samples = load_samples("wiki-visa", root=tmp_path)
    assert ids(samples) == ["tall", "half", "edge", "gone", "silent", "tall-8"]
    with pytest.raises(ValueError, match="sample 'gone': expected a picture"):
        samples[3]
    for name in ("tall", "half", "edge", "tall-8"):
        one, other = (each[ids(each).index(name)] for each in (samples, lines))
        assert Image.open(io.BytesIO(one.images)).size == Image.open(other.images).size
        (mask,), (same) = one.word_masks("it"), other.word_masks("it")
        assert np.array_equal(mask.mask, same[0].mask)


def test_a_download_that_broke_off_is_not_taken_for_the_set(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in (0, 1, 3):
        (tmp_path / f"data/test-0000{number}-of-00007.parquet").touch()
    with pytest.raises(ValueError, match=r"expected 7 files such as test-00000.*, got 3"):
        load_samples("wiki-visa", root=tmp_path)


def test_a_building_is_matched_though_it_may_be_a_form_of_a_verb() -> None:
    known = NamedMasks((8, 12), {"building": box(0, 0, 6, 8)}, ["building", "man"])
    said = "A man standing before a tall building, other buildings and a painting"
    found = [(entry.name, entry.words) for entry in known.word_masks(said)]
    assert found == [("man", (1,)), ("building", (6,)), ("building", (8,))]


def test_a_line_of_wiki_visa_ends_where_json_has_it_end(tmp_path: Path) -> None:
    miniatures.write_visa(tmp_path)
    rows = miniatures.visa_rows()
    rows[0]["question"] = "who\u2028wrote\x85it"
    told = "".join(f"{json.dumps(row, ensure_ascii=False)}\r\n" for row in rows)
    (tmp_path / "test.jsonl").write_text(told, encoding="utf-8", newline="")
    assert load_samples("wiki-visa", root=tmp_path)[0].prompt == "who\u2028wrote\x85it"


def test_a_broken_file_fails_alone_and_by_name(tmp_path: Path) -> None:
    miniatures.write_clevr_xai(tmp_path)
    (tmp_path / "ground_truth_simple_questions_single_object/0.npy").write_bytes(b"")
    samples = load_samples("clevr-xai", root=tmp_path)
    with pytest.raises(ValueError, match="sample 'simple-000000': No data left"):
        samples[0]
    assert samples[1].id == "simple-000003"


def test_a_relation_of_a_segment_that_is_not_there_fails_by_name(tmp_path: Path) -> None:
    path = miniatures.write_psg(tmp_path) / "psg/psg.json"
    content = json.loads(path.read_text())
    content["data"][0]["relations"] = [[0, 9, 1]]
    path.write_text(json.dumps(content))
    samples = load_samples("openpsg", root=tmp_path, references=True)
    # As an IndexError it would end a loop over the samples as if there were no more.
    with pytest.raises(ValueError, match="sample '107'"):
        list(samples)


def test_a_root_may_be_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = miniatures.write_psg(tmp_path) / "psg"
    monkeypatch.chdir(root)
    # Pictures lie beside it; and they are found wherever the program goes next.
    samples = load_samples("openpsg", root=".")
    assert ids(samples) == ["107", "108"]
    monkeypatch.chdir("/")
    assert samples[0].id == "107"


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_set_that_is_not_there_says_which_file_is_looked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"expected .*{Path(FILES[name]).name}"):
        load_samples(name, root=tmp_path)


@pytest.mark.parametrize("content", ["{", "3", '{"images": 3}', '[{"a": 1}]'])
@pytest.mark.parametrize("name", LAYOUTS)
def test_annotations_of_another_form_are_refused(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    with pytest.raises(ValueError, match="expected"):
        load_samples(name, root=tmp_path)


def test_a_span_is_measured_by_the_mean_of_its_maps_and_a_word_by_its_best() -> None:
    mask = box(0, 0, 6, 8)
    left, right = np.zeros((2, 8, 12), dtype=np.float32)
    left[:, :6], right[:, 6:] = 1, 3
    maps = np.stack([left, right])

    def scores(*, whole: bool) -> dict[str, list[float]]:
        entry = WordMask((0, 1), mask, "thing", whole=whole)
        return word_scores(ScoredAnswer(maps, [entry], [[0], [1]]))

    # One of two finds it; together the other side is higher.
    assert scores(whole=False)["pixel_ap"] == [1.0]
    found = localisation(maps.mean(axis=0), mask)
    assert found is not None and found.pixel_ap < 0.6
    assert scores(whole=True)["pixel_ap"] == [found.pixel_ap]
    assert scores(whole=True)["obj_iou"] == [0.0]


def test_of_a_span_function_words_are_left_out_where_there_are_others() -> None:
    mask = box(0, 0, 6, 8)
    named_, other = np.zeros((2, 8, 12), dtype=np.float32)
    named_[:, :6], other[:, 6:] = 1, 9
    entry = WordMask((0, 1), mask, "a dog", whole=True)

    def average_precision(functions: list[int]) -> list[float]:
        maps = np.stack([other, named_])
        answer = ScoredAnswer(maps, [entry], [[0], [1]], function_words=functions)
        return word_scores(answer)["pixel_ap"]

    assert average_precision([0]) == [1.0]
    assert average_precision([0, 1]) == average_precision([]) != [1.0]


def test_lines_that_are_no_json_are_told_by_number(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps(miniatures.visa_rows()[0]) + "\n{\n")
    with pytest.raises(ValueError, match=r"test\.jsonl:2: expected JSON"):
        load_samples("wiki-visa", root=tmp_path)
