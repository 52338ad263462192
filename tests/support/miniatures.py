"""Miniatures of published sets as they lie on a disk, with every trap of the real ones.

Pictures are 12 wide and 8 high unless a comment says otherwise. Run lengths in letters were worked
out by hand from COCO's rule: five bits a letter from "0" on, the lowest first, 32 more where
another letter follows; from the fourth count on the difference from the count two before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 12, 8


def write_picture(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """A plain picture, ``size`` as width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 20, 200)).save(path)


def write_json(path: Path, content: Any) -> None:
    """A file of annotations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """``(8, 12)`` bool, the pixels from the first of each pair up to the second."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


# Outside 16 (two columns), then 4 inside and 4 outside in each of three columns, then the rest.
# 16 = 10000b takes two letters, for its highest bit would be a sign: 16 + 32 -> "`", 0 -> "0".
# 4 -> "4"; 4 -> "4" (the third count, as it is); 4 - 4 = 0 -> "0", three times "0"; then the last:
# 96 - 16 - 20 = 60, less the 4 two before it: 56 = 1 * 32 + 24 -> "h" (24 + 32 + 48), "1".
THREE_COLUMNS = {"size": [8, 12], "counts": "`044000h1"}
THREE_COLUMNS_MASK = box(2, 0, 5, 4)
# A crowd: outside 88, inside 8: the last column.
CROWD = {"size": [8, 12], "counts": [88, 8]}
CROWD_MASK = box(11, 0, 12, 8)


def write_coco(root: Path) -> Path:
    """COCO's own files: crowds, parts, letters, doubled images and captions, pictures elsewhere."""
    images = [
        # Of 2014 the file's name is longer; this picture lies in images/val2017.
        {"id": 42, "file_name": "COCO_val2014_000000000042.jpg", "height": 8, "width": 12},
        {"id": 7, "file_name": "000000000007.jpg", "height": 8, "width": 12},
        {"id": 42, "file_name": "COCO_val2014_000000000042.jpg", "height": 8, "width": 12},
        {"id": 9, "file_name": "000000000009.jpg", "height": 8, "width": 12},
        {"id": 5, "file_name": "000000000005.jpg", "height": 8, "width": 12},
    ]
    square, flat = [2, 1, 6, 1, 6, 4, 2, 4], [8, 5, 10, 5, 10, 7, 8, 7]
    annotations = [
        # A dog in two parts, behind something, and a scrap of two corners.
        _instance(42, 18, [square, flat, [0, 0, 3, 3]]),
        # A hot dog over the first part: pixels may be of both.
        _instance(42, 58, [[4, 2, 8, 2, 8, 6, 4, 6]]),
        _instance(42, 1, THREE_COLUMNS),
        _instance(42, 1, CROWD, crowd=1),
        # Of a size that is not the picture's.
        _instance(5, 18, {"size": [12, 8], "counts": [88, 8]}),
    ]
    categories = [
        {"id": 1, "name": "person"},
        {"id": 18, "name": "dog"},
        {"id": 58, "name": "hot dog"},
        {"id": 88, "name": "teddy bear"},
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_json(root / "annotations/instances_val2017.json", content)
    captions = [
        {"id": 3, "image_id": 42, "caption": " A dog eats a hot dog.\n"},
        {"id": 3, "image_id": 42, "caption": "Two dogs."},
        {"id": 4, "image_id": 5, "caption": "A dog."},
    ]
    write_json(root / "annotations/captions_val2017.json", {"annotations": captions})
    write_picture(root / "images/val2017/COCO_val2014_000000000042.jpg")
    write_picture(root / "val2017/000000000007.jpg")
    write_picture(root / "val2017/000000000005.jpg")
    return root


def _instance(image: int, category: int, segmentation: Any, *, crowd: int = 0) -> dict[str, Any]:
    return {
        "id": 1,
        "image_id": image,
        "category_id": category,
        "iscrowd": crowd,
        "segmentation": segmentation,
    }


def write_grandf(root: Path) -> Path:
    """GranD-f: quoted captions, phrases within others, masks that overlap, marks that are off."""
    caption = '"A man sells a hot dog to a man in a red coat, and a dog waits."'
    plain = caption.strip('"')
    left = {"size": [8, 12], "counts": [0, 8, 88]}
    both = {"size": [8, 12], "counts": [0, 16, 80]}

    def marked(phrase: str, *runs: Any) -> dict[str, Any]:
        begin = plain.index(phrase)
        return {"token_positives": [begin, begin + len(phrase)], "rle_masks": list(runs)}

    groundings = {
        "A man": marked("A man", left, both),
        "a hot dog": marked("a hot dog", THREE_COLUMNS),
        "a man in a red coat": marked("a man in a red coat", CROWD),
        # Marked where another phrase is.
        "a dog": {"token_positives": [0, 5], "rle_masks": [CROWD]},
        "nobody": {"token_positives": [0, 0], "rle_masks": []},
    }
    entries = [
        {"file_name": "sa_1.jpg", "caption": caption, "groundings": groundings},
        {"file_name": "sa_gone.jpg", "caption": caption, "groundings": groundings},
        {"file_name": "sa_2.jpg", "caption": "A sky.", "groundings": {}},
        # A picture with a second caption.
        {"file_name": "sa_1.jpg", "caption": "A man", "groundings": {"A man": groundings["A man"]}},
    ]
    write_json(root / "GranDf/annotations/train/GranDf_HA_GCG_train.json", entries)
    for name in ("sa_1", "sa_2"):
        write_picture(root / f"GranDf_HA_images/train/{name}.jpg")
    return root


def write_psg(root: Path) -> Path:
    """PSG: ids of three bytes, segments of one class, relations said twice, a list of held out."""
    ids = {"person": 3 + 256 * 2, "other": 3, "horse": 1 + 65536 * 9, "sky": 256 * 200}
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    labels[0:2, :] = ids["sky"]
    labels[2:6, 0:3], labels[2:6, 3:5] = ids["person"], ids["other"]
    labels[4:8, 6:12] = ids["horse"]
    colors = np.stack([labels % 256, labels // 256 % 256, labels // 65536], axis=-1)
    kinds = {"person": 0, "other": 0, "horse": 1, "sky": 3}
    segments = [
        {"id": number, "category_id": kinds[name], "iscrowd": int(name == "other"), "isthing": 1}
        for name, number in ids.items()
    ]
    # person riding horse, twice; person beside itself; sky over horse.
    relations = [[0, 2, 1], [0, 2, 1], [0, 0, 2], [3, 2, 0]]

    def entry(name: str, **changes: Any) -> dict[str, Any]:
        return {
            "image_id": name,
            "file_name": f"val2017/{int(name):012d}.jpg",
            "pan_seg_file_name": f"panoptic_val2017/{int(name):012d}.png",
            "height": HEIGHT,
            "width": WIDTH,
            "segments_info": segments,
            "annotations": [{"bbox": [0, 2, 3, 6], "category_id": 0}],
            "relations": relations,
            **changes,
        }

    content = {
        "data": [
            entry("107"),
            entry("108", relations=[]),
            entry("109"),
            entry("110"),
            entry("111"),
        ],
        "thing_classes": ["person", "horse"],
        "stuff_classes": ["window-blind", "sky-other-merged"],
        "predicate_classes": ["over", "riding", "beside"],
        # As text, and the last is for training.
        "test_image_ids": ["107", "108", "109", "110"],
    }
    write_json(root / "psg/psg.json", content)
    for number in (107, 108, 110, 111):
        write_picture(root / f"coco/val2017/{number:012d}.jpg")
    for number in (107, 108, 109, 111):
        path = root / f"coco/annotations/panoptic_val2017/{number:012d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colors.astype(np.uint8)).save(path)
    return root


def write_clevr_xai(root: Path) -> Path:
    """CLEVR-XAI: masks of another shape than the pictures, questions without one, bare answers."""

    def question(index: int, answer: Any, image: int = 0) -> dict[str, Any]:
        return {
            "question_index": index,
            "question": "What is the small yellow sphere made of?",
            "answer": answer,
            "image_filename": f"CLEVR_unique_{image:06d}.png",
            "program": [],
        }

    simple = [question(0, "metal"), question(1, "rubber", image=5), question(3, 2)]
    write_json(root / "CLEVR-XAI_simple_questions.json", {"info": {}, "questions": simple})
    complex_ones = [question(0, True), question(1, False), question(2, 0)]
    write_json(root / "CLEVR-XAI_complex_questions.json", {"info": {}, "questions": complex_ones})
    # Of a picture of 12 x 8 a mask of 4 x 4: a cell is 3 wide and 2 high.
    mask = np.zeros((4, 4), dtype=bool)
    mask[1, 2:] = True
    for folder, indices in (("simple_questions_single_object", (0, 1, 3)),
                            ("complex_questions_unique_firstnonempty", (0, 2))):  # fmt: skip
        for index in indices:
            path = root / f"ground_truth_{folder}/{index}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, mask)
        write_json(path.parent / "stats.json", {})
    write_picture(root / "CLEVR-XAI_v1.0_images_masks/images/CLEVR_unique_000000.png")
    return root


def visa_rows() -> list[dict[str, Any]]:
    """Wiki-VISA: a tall page, one stored at half its size, boxes over the edge, beside it, none."""

    def row(name: str, bounding_box: Any, **changes: Any) -> dict[str, Any]:
        return {
            "id": name,
            "question": "who wrote it",
            "short_answer": "Jane Austen",
            "long_answer_type": "p",
            "image": f"{name}.png",
            "image_size": [10, 600],
            "candidates": ["a", "b"],
            "pos_idx": 0,
            "bounding_box": bounding_box,
            **changes,
        }

    return [
        row("tall", [2, 500, 8, 520]),
        row("half", [2, 500, 8, 520]),
        row("edge", [-5, 590, 30, 700]),
        row("below", [0, 600, 10, 640]),
        row("beside", [-8, 500, -2, 520]),
        row("none", []),
        row("gone", [2, 500, 8, 520]),
        row("silent", [2, 500, 8, 520], short_answer=""),
        # A question that was asked of two pages.
        row("tall", [0, 0, 10, 20]),
    ]


def write_visa(root: Path) -> Path:
    """:func:`visa_rows` as JSON lines, the pictures beside them."""
    rows = visa_rows()
    (root / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for name in ("tall", "edge", "below", "beside", "none", "silent"):
        write_picture(root / f"{name}.png", (10, 600))
    write_picture(root / "half.png", (5, 300))
    return root
