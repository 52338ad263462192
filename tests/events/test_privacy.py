"""Paths and user names stay out of a private log, and of one that is uploaded."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmx_core import read_explanations
from mmx_core.events import ExplanationWriter, add_explanation
from mmx_core.events.blob import decode_json
from mmx_core.events.privacy import is_private, is_uploaded, private_explanation, private_tag
from mmx_core.export.arrays import metadata_json
from mmx_core.export.standalone import standalone_html
from tests.support.explanations import make_explanation

HOME = "/home/alice"
MODEL = f"{HOME}/models/qwen-tuned"


def told() -> object:
    """Explained by a script of alice's, with a model of hers."""
    return replace(
        make_explanation(id=f"{HOME}/pictures/cat.jpg"),
        provenance={
            "model": {"class": "Qwen2VL", "name": MODEL, "parameters": 3},
            "settings": {"scales": [1.0], "template": Path(HOME) / "chat.jinja"},
            "logged_at": {"file": f"{HOME}/work/train.py", "line": 7},
        },
    )


def bytes_of(folder: Path) -> bytes:
    """What was logged, unpacked."""
    (read,) = read_explanations(folder)
    return repr((read.id, read.provenance)).encode()


def test_a_private_log_names_files_and_lines_but_no_directory(tmp_path):
    add_explanation(tmp_path, "val/cat", told(), 0, private=True)
    (read,) = read_explanations(tmp_path)
    assert read.id == "cat.jpg"
    assert read.provenance["model"]["name"] == "qwen-tuned"
    assert read.provenance["logged_at"] == {"file": "train.py", "line": 7}
    assert read.provenance["settings"] == {"scales": [1.0], "template": "chat.jinja"}


def test_samples_that_are_called_by_their_paths_are_told_apart_without_them(tmp_path):
    paths = (f"{HOME}/one/cat.jpg", f"{HOME}/two/cat.jpg", "C:\\Users\\alice\\cat.jpg")
    for path in paths:
        add_explanation(tmp_path, f"val/{path}", told(), 0, private=True)
    add_explanation(tmp_path, "val/animals/cat.jpg", told(), 0, private=True)
    tags = {read.tag for read in read_explanations(tmp_path)}
    assert len(tags) == 4 and "mmx/val/animals/cat.jpg" in tags
    assert all(tag.startswith("mmx/val/") and "cat.jpg" in tag for tag in tags)
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("events.*"))
    assert b"alice" not in files


@pytest.mark.parametrize("background", [False, True])
def test_a_writer_keeps_its_setting_and_a_call_may_have_another(tmp_path, background):
    with ExplanationWriter(tmp_path, private=True, background=background) as writer:
        writer.add_explanation("val/cat", told(), 0)
        add_explanation(writer, "val/cat", told(), 1, private=False)
    first, second = read_explanations(tmp_path)
    assert "alice" not in repr((first.id, first.provenance))
    assert second.provenance["model"]["name"] == MODEL


def test_paths_are_logged_unless_somebody_asks_for_privacy(tmp_path):
    add_explanation(tmp_path, "val/cat", told(), 0)
    assert b"alice" in bytes_of(tmp_path)


def test_the_environment_asks_for_it_and_an_argument_goes_before(tmp_path, monkeypatch):
    monkeypatch.setenv("MMX_PRIVATE", "1")
    assert is_private() and not is_private(False)
    add_explanation(tmp_path, "val/cat", told(), 0)
    assert b"alice" not in bytes_of(tmp_path)
    monkeypatch.setenv("MMX_PRIVATE", "0")
    assert not is_private()


def test_a_log_in_a_clone_of_a_hub_repository_is_private_by_default(tmp_path):
    for name, address in (("hub", "https://huggingface.co/alice/m"), ("other", "https://x.org/m")):
        clone = tmp_path / name
        subprocess.run(["git", "init", "-q", clone], check=True)
        subprocess.run(["git", "-C", clone, "remote", "add", "origin", address], check=True)
        add_explanation(clone / "runs" / "one", "val/cat", told(), 0)
    assert b"alice" not in bytes_of(tmp_path / "hub")
    assert b"alice" in bytes_of(tmp_path / "other")
    assert not is_uploaded(tmp_path)
    assert not is_private(False, tmp_path / "hub")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Qwen/Qwen2-VL-2B", "Qwen/Qwen2-VL-2B"),
        ("/data/alice/model/", "model"),
        ("C:\\Users\\alice\\model", "model"),
        ("\\\\host\\share\\model", "model"),
        ("~/model", "model"),
        ("../alice/model", "model"),
        ("file:///home/alice/model", "model"),
        ("checkpoints/step-3", "checkpoints/step-3"),
        ("share", "share"),
        ("", ""),
        ("/", ""),
    ],
)
def test_a_path_is_known_by_how_it_begins(text, left):
    made = replace(make_explanation(), provenance={"settings": {"name": [text]}})
    assert private_explanation(made).provenance == {"settings": {"name": [left]}}


def test_the_home_directory_is_not_named_within_other_text_either(monkeypatch):
    monkeypatch.setenv("HOME", HOME)
    made = replace(make_explanation(), provenance={"note": f"read from {HOME}/x"})
    assert private_explanation(made).provenance == {"note": "read from x"}


def left(text: str) -> str:
    made = replace(make_explanation(), provenance={"note": text})
    return private_explanation(made).provenance["note"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("could not open '/Users/bob lee/m.bin' (no such file)", "could not open 'm.bin' (no"),
        ("loaded C:\\Users\\Bob Lee\\m.bin, D:/bob/y", "loaded m.bin, y"),
        ("from \\\\bobs-host\\bob\\m.bin or //bobs-host/bob/m", "from m.bin or m"),
        ("see file:///home/bob/x.png and file:/C:/Users/bob/y", "see x.png and y"),
        ("PATH=/home/bob/bin:/opt/bob/x --model=~bob/m", "PATH=bin:x --model=m"),
        ("/home/bob/a.py: error in /home/eve/b.py", "a.py: error in b.py"),
        ("/home/bob", "~"),
        ("the home C:\\Users\\bob", "the home ~"),
        ("https://huggingface.co/org/model", "https://huggingface.co/org/model"),
        ("org/model and/or 3/4 of s3://bucket/key", "org/model and/or 3/4 of s3://bucket/key"),
        ("<|im_start|> </s> {% if x %}/{% endif %}", "<|im_start|> </s> {% if x %}/{% endif %}"),
    ],
)
def test_paths_amid_other_text_are_cut_and_nothing_else_is(text, expected):
    assert left(text).startswith(expected)


USERS = st.from_regex(r"[A-Z][a-z]{3,8}[0-9]{3}( [A-Z][a-z]{2,5}[0-9])?", fullmatch=True)
PLACES = (
    "/home/{}/",
    "/Users/{}/",
    "C:\\Users\\{}\\",
    "c:/users/{}/",
    "\\\\host\\{}\\",
    "/mnt/{}/",
)
PLACES += ("file:///home/{}/", "file:///C:/Users/{}/", "//host/{}/", "/data/x/{}/y/")
WORDS = st.sampled_from(["read", "from:", "error", "in", "(2)", "x=", "org/model", "3/4", '"', "'"])


@given(USERS, st.sampled_from(PLACES), st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=4))
def test_no_user_is_named_by_a_path_in_any_text(user, place, before, after):
    path = place.format(user) + "model.bin"
    text = " ".join([*before, path, *after])
    assert user not in left(text) and user.split()[0] not in left(text)
    assert left(path) == "model.bin"
    assert user not in private_tag(f"val/{text}")


@given(st.lists(st.sampled_from(["a", "/", "\\", " ", ":", "'", "~", "C:", "file:"]), max_size=60))
def test_what_is_cut_once_stays_as_it_is_or_loses_more(parts):
    once = left("".join(parts))
    assert len(left(once)) <= len(once) <= len("".join(parts))


def test_long_texts_are_cut_in_no_time():
    before = time.process_time()
    for piece in ("/a a a a a", "a/", "/", "\\", "'/", "~a ", "C:/ ", "//a b c d/e", "file:"):
        left("x " + piece * 5000)
    assert time.process_time() - before < 5


def git(*arguments) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *names, *map(str, arguments)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("address", "uploaded"),
    [
        ("https://huggingface.co/a/m", True),
        ("https://user:token@hf.co/a/m", True),
        ("git@hf.co:a/m", True),
        ("ssh://git@huggingface.co/a/m", True),
        ("https://github.com/a/huggingface.co.git", False),
        ("https://nothf.co/a/m", False),
        ("https://hf.co.example.org/a", False),
    ],
)
def test_a_hub_clone_is_known_by_its_remote_from_submodules_and_worktrees(
    tmp_path, address, uploaded
):
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for folder in (inner, outer):
        git("init", "-q", folder)
        git("-C", folder, "commit", "-q", "--allow-empty", "-m", "x")
    git("-C", outer, "submodule", "add", "-q", inner, "part")
    git("-C", outer, "worktree", "add", "-q", tmp_path / "tree")
    assert (outer / "part" / ".git").is_file() and (tmp_path / "tree" / ".git").is_file()
    git("-C", outer, "remote", "add", "origin", address)
    for folder in (outer, tmp_path / "tree", outer / "part"):
        assert is_uploaded(folder / "runs") is uploaded
    assert not is_uploaded(inner)
    git("-C", outer / "part", "remote", "set-url", "origin", "git@hf.co:a/part")
    assert is_uploaded(outer / "part" / "runs")


def test_what_is_exported_privately_has_no_paths_though_the_log_has(tmp_path, monkeypatch):
    (tmp_path / "log").mkdir()
    add_explanation(tmp_path / "log", "val/cat", told(), 0)
    (read,) = read_explanations(tmp_path / "log")
    assert "alice" in metadata_json(read) and "alice" in page_texts(read)
    assert "alice" not in page_texts(read, private=True)
    monkeypatch.setenv("MMX_PRIVATE", "1")
    assert "alice" not in metadata_json(read) and "alice" not in page_texts(read)
    assert json.loads(metadata_json(read))["provenance"]["logged_at"]["file"] == "train.py"


def page_texts(explanation, **settings) -> str:
    """All that a page says in JSON."""
    page = standalone_html([explanation], bundle="", **settings)
    data = json.loads(page.partition('id="mmx-data">')[2].partition("</script>")[0])
    headers = [decode_json(b64decode(entry["blobs"][0])) for entry in data["explanations"]]
    return json.dumps([headers, {**data, "explanations": []}])
