"""Wiki-VISA (arXiv 2412.14457): questions, screenshots of Wikipedia, and the box of the evidence.

``wiki-visa`` (``test``) or ``wiki-visa:train``; the set's Parquet files (with ``pyarrow``)::

    ROOT/data/test-00000-of-00007.parquet     or ROOT/test-*.parquet, ROOT/default/test/0000.parquet

or the same rows as JSON lines, whose ``image`` is a path below ROOT::

    ROOT/test.jsonl      "id", "question", "short_answer", "image", "image_size": [width, height],
                         "bounding_box": [left, top, right, bottom]

A box is in pixels of a page of ``image_size``, often several thousand high; a picture that is
stored smaller has it where it is at the same share of width and height. It is the evidence of the
whole answer, which is measured as one map.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmx_core.evaluation.published.entries import (
    NO_PICTURE,
    NO_REFERENCE,
    Entry,
    LeftOut,
    Request,
    upright_size,
)
from mmx_core.evaluation.published.shapes import from_box
from mmx_core.sample import Sample
from mmx_core.text.categories import WholeMask

NO_BOX = "no box within the page"
_USUAL = "test"
_COLUMNS = ("id", "question", "short_answer", "image_size", "bounding_box")
Row = Mapping[str, Any]
Fetch = Callable[[], Path | bytes]


def read(request: Request) -> Iterator[Entry | LeftOut]:
    """The entries of one part, in its order."""
    part = request.part or _USUAL
    for row, fetch in _rows(request.root, part):
        name = str(row["id"])
        answer = str(row["short_answer"] or "").strip()
        box = _within(row["bounding_box"], row["image_size"])
        if fetch is None:
            yield LeftOut(name, NO_PICTURE)
        elif box is None:
            yield LeftOut(name, NO_BOX)
        elif request.references and not answer:
            yield LeftOut(name, NO_REFERENCE)
        else:
            told = answer if request.references else None
            page = tuple(float(side) for side in row["image_size"])
            yield Entry(name, partial(_sample, name, fetch, str(row["question"]), told, box, page))


def _rows(root: Path, part: str) -> Iterator[tuple[Row, Fetch | None]]:
    places = ("data/{}-*", "{}-*", "{}/*", "default/{}/*")
    patterns = [f"{place.format(part)}.parquet" for place in places]
    found = next((files for p in patterns if (files := sorted(root.glob(p)))), [])
    lines = root / f"{part}.jsonl"
    if found:
        _require_all(found)
        for path in found:
            yield from _of_parquet(path)
    elif lines.is_file():
        # Of what Unicode calls an end of line JSON leaves some in its texts as they are.
        for number, line in enumerate(lines.read_text(encoding="utf-8").split("\n"), start=1):
            try:
                row = json.loads(line) if line.strip() else None
            except ValueError as error:
                raise ValueError(f"{lines}:{number}: expected JSON, got {error}") from None
            if row is not None:
                path = root / str(row["image"])
                yield row, partial(Path, path) if path.is_file() else None
    else:
        raise ValueError(
            f"expected {', '.join(patterns)} or {lines.name} in {root}, found none; --root is the "
            "directory that holds them"
        )


def _require_all(files: Sequence[Path]) -> None:
    """That none of the files is missing of which each name tells how many there are."""
    told = re.search(r"-of-(\d+)\.parquet$", files[0].name)
    if told and len(files) != int(told[1]):
        raise ValueError(
            f"expected {int(told[1])} files such as {files[0].name} in {files[0].parent}, got "
            f"{len(files)}; download the rest"
        )


def _of_parquet(path: Path) -> Iterator[tuple[Row, Fetch | None]]:
    """Rows without their pictures, which are read one by one: a file holds half a gigabyte."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ValueError(
            f"expected pyarrow, to read {path.name}; install it (pip install pyarrow), or write "
            f"the rows to {path.name.split('-')[0]}.jsonl with their pictures beside it"
        ) from error
    file = ParquetFile(path)
    for group in range(file.metadata.num_row_groups):
        rows = file.read_row_group(group, columns=list(_COLUMNS)).to_pylist()
        for place, row in enumerate(rows):
            yield row, partial(_picture, path, group, place)


def _picture(path: Path, group: int, place: int) -> bytes:
    from pyarrow.parquet import ParquetFile

    found = ParquetFile(path).read_row_group(group, columns=["image"])["image"][place].as_py()
    content = (found or {}).get("bytes")
    if not content:
        raise ValueError(f"expected a picture in {path}, row group {group}, row {place}, got none")
    return bytes(content)


def _within(box: Any, page: Any) -> tuple[float, ...] | None:
    """A box cut at the page's edges; None where nothing is left, or where there is no box."""
    if box is None or len(box) != 4 or page is None or len(page) != 2:
        return None
    width, height = (float(side) for side in page)
    left, top, right, bottom = (float(side) for side in box)
    left, right = max(left, 0.0), min(right, width)
    top, bottom = max(top, 0.0), min(bottom, height)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _sample(
    name: str,
    fetch: Fetch,
    question: str,
    answer: str | None,
    box: Sequence[float],
    page: Sequence[float],
) -> Sample:
    picture = fetch()
    width, height = upright_size(picture)
    across, down = width / page[0], height / page[1]
    left, top, right, bottom = box
    scaled = (left * across, top * down, right * across, bottom * down)
    evidence = WholeMask(from_box(scaled, height, width))
    return Sample(name, picture, question, answer, masks=evidence)
