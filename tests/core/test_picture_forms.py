"""A picture is taken in the same forms, and refused in the same words, wherever one is given."""

from __future__ import annotations

import base64
import io
import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmx_core import Sample, Video
from mmx_core.cli.many import read_samples
from mmx_core.images import frames_of, load_rgb
from mmx_core.stages.conversation import conversation_of
from mmx_core.stages.prepare import loaded

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def saved(kind: str) -> bytes:
    file = io.BytesIO()
    PICTURE.save(file, kind, lossless=True)
    return file.getvalue()


PNG = saved("PNG")
IN_BASE64 = base64.b64encode(PNG).decode()
ADDRESS = f"data:image/png;base64,{IN_BASE64}"
NAME = "ä b/x%.png"
QUOTED = "%C3%A4%20b/x%25.png"

FORMS: dict[str, Callable[[Path], Any]] = {
    "PIL image": lambda _: PICTURE,
    "array": lambda _: PIXELS,
    "path": lambda at: at / NAME,
    "relative path": lambda _: NAME,
    "address of a file": lambda at: f"file://{at}/{QUOTED}",
    "address of a file, unquoted": lambda at: f"file://{at}/{NAME}",
    "relative address": lambda _: f"file://{QUOTED}",
    "data address": lambda _: ADDRESS,
    "data address, quoted": lambda _: ADDRESS.replace("+", "%2B").replace("=", "%3D"),
    "base64": lambda _: IN_BASE64,
    "base64 of addresses": lambda _: {"base64": IN_BASE64.translate(str.maketrans("+/", "-_"))},
    "bytes": lambda _: PNG,
    "WebP in base64": lambda _: base64.b64encode(saved("WEBP")).decode(),
    "undecoded row": lambda _: {"bytes": PNG, "path": None},
    "undecoded row of a path": lambda _: {"bytes": None, "path": NAME},
    "part with base64": lambda _: {"base64": IN_BASE64},
    "Anthropic's": lambda _: {"source": {"type": "base64", "data": IN_BASE64}},
    "OpenAI's": lambda _: {"image_url": {"url": ADDRESS}},
    "OpenAI's of a path": lambda _: {"image_url": {"url": NAME}},
    "address as url": lambda _: {"url": NAME},
}


def parts(form: Any) -> list[dict[str, Any]]:
    """The chat parts that carry a picture of this form."""
    found = [{"type": "image", "image": form}]
    return [*found, {"type": "image", **form}, form] if isinstance(form, dict) else found


def asked(part: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [part, {"type": "text", "text": "describe"}]}]


def samples(form: Any) -> list[Sample]:
    """A sample for each place where a picture may be given."""
    return [
        Sample("alone", form, "describe"),
        Sample("listed", (form,), "describe"),
        Sample("table", np.array([form, None], object)[:1], "describe"),
        Sample("video", Video([form]), "describe"),
        *(Sample("part", messages=asked(part)) for part in parts(form)),
        *(
            Sample("table", messages=np.array(asked(part)))  # type: ignore[arg-type]
            for part in parts(form)
        ),
    ]


def seen_of(sample: Sample) -> Any:
    """The pixels that the model is shown."""
    (given,) = conversation_of(sample).pictures
    return np.asarray(frames_of(loaded(given))[0])


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_taken_in_every_form_in_every_place(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).parent.mkdir()
    (tmp_path / NAME).write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    made = samples(FORMS[form](tmp_path))
    monkeypatch.chdir("/")  # where a sample was made its paths begin
    for sample in made:
        assert np.array_equal(seen_of(sample), PIXELS), sample.id


@pytest.mark.parametrize("form", ["relative path", "relative address", "OpenAI's of a path"])
def test_the_pictures_of_a_file_of_samples_lie_beside_it(form: str, tmp_path: Path) -> None:
    (tmp_path / NAME).parent.mkdir()
    (tmp_path / NAME).write_bytes(PNG)
    given = FORMS[form](tmp_path)
    rows: list[dict[str, Any]] = [
        {"id": "image", "image": given, "prompt": "describe"},
        {"id": "images", "images": [given], "prompt": "describe"},
        *({"messages": asked(part)} for part in parts(given)),
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    told = dict.fromkeys(("image", "video", "prompt", "messages", "turn", "answer", "why_not"))
    options = Namespace(data=str(tmp_path / "s.jsonl"), batch_size=1, set=None, tag=None, **told)
    for sample in read_samples(options):
        (path,) = conversation_of(sample).pictures
        assert Path(str(path)) == tmp_path / NAME


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("https://example.org/x.png", "got the address 'https://example.org/x.png'; load it first"),
        ({"url": "s3://bucket/x.png"}, "got the address 's3://bucket/x.png'; load it first"),
        ("data:image/png;base64,AAAA", "expected an image in base64, got 'data:image"),
        ("data:image/svg+xml,<svg/>", "expected an image in base64"),
        ({"base64": "AAAA"}, "expected an image in base64, got 'AAAA'"),
        (b"hello", "expected an image file's bytes, got b'hello'"),
        ({"source": {"type": "file", "file_id": "7"}}, "under one of image, image_url, source"),
        ("A" * 5000, "got 50[0-9]{2} letters: "),
    ],
)
def test_what_is_no_picture_is_refused_in_the_same_words_everywhere(form: Any, told: str) -> None:
    for sample in samples(form):
        with pytest.raises(ValueError, match=told):
            seen_of(sample)


def test_a_part_whose_picture_is_not_found_is_told_where_it_was_looked_for() -> None:
    with pytest.raises(ValueError, match=r"0 image\(s\); a part's own is under .*, got file, size"):
        conversation_of(Sample("s", messages=asked({"type": "image", "file": "x", "size": 3})))


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff"])
def test_a_picture_whose_file_is_closed_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    PICTURE.save(path)
    with Image.open(path) as unread:
        pass
    shut = Image.open(path)
    shut.load()
    shut.close()
    file = io.BytesIO(path.read_bytes())
    gone = Image.open(file)
    file.close()
    for picture in (unread, shut, gone):
        with pytest.raises(ValueError, match=r"whose file is closed; call \.load\(\) within"):
            load_rgb(picture)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "bmp", "tiff"])
def test_a_file_that_breaks_off_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"closed.{kind}"
    data = saved(kind.upper())
    path.write_bytes(data[: len(data) * 3 // 4])
    for given in (path, str(path)) if kind != "png" else (path, str(path), Image.open(path)):
        with pytest.raises(OSError, match=rf"closed\.{kind}"):
            load_rgb(given)
