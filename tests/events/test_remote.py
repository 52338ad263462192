"""Log directories that are URLs: what fsspec reaches through TensorBoard's file system."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator

import fsspec
import numpy as np
import pytest
from tensorboard import default, program

from mmx_core.cli import main
from mmx_core.cli.errors import CommandError
from mmx_core.cli.logdir import check_target
from mmx_core.events import (
    ExplanationWriter,
    LoggingWarning,
    add_explanation,
    guard,
    read_explanations,
)
from tb_mmx_plugin.loader import MMXLoader
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import START_SECONDS, fetch

LOGDIR = "memory://remote/runs"


@pytest.fixture(scope="module")
def logged() -> Iterator[str]:
    """A run in fsspec's file system in memory, which this process alone can see."""
    with ExplanationWriter(f"{LOGDIR}/one", strict=True) as writer:
        for step in (1, 2):
            writer.add_explanation("val/7", make_explanation(), step)
    yield LOGDIR
    fsspec.filesystem("memory").rm("/remote", recursive=True)


def test_a_run_that_was_written_to_a_url_is_read_from_it(logged, tmp_path):
    found = list(read_explanations(logged))
    assert [(e.run, e.tag, e.step) for e in found] == [("one", "mmx/val/7", s) for s in (1, 2)]
    add_explanation(tmp_path, "val/7", make_explanation(), 1)
    (local,) = read_explanations(tmp_path)
    np.testing.assert_array_equal(found[0].heatmap, local.heatmap)


def test_the_command_line_lists_it(logged, capsys):
    assert main(["list", logged, "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["run"], run["samples"][0]["steps"]) == ("one", 2)


def test_tensorboard_shows_what_is_at_a_url(logged):
    plugins = [p for p in default.get_static_plugins() if "MMX" not in str(p)]
    board = program.TensorBoard([*plugins, MMXLoader])
    arguments = ["--port=0", "--host=127.0.0.1", "--load_fast=false", "--reload_interval=0"]
    board.configure(["", f"--logdir={logged}", *arguments])
    base = f"{board.launch().rstrip('/')}/data/plugin/mmx"
    deadline = time.monotonic() + START_SECONDS
    while not json.loads(fetch(f"{base}/index")[2])["runs"]:
        assert time.monotonic() < deadline, fetch(f"{base}/index")
        time.sleep(0.1)
    query = urllib.parse.urlencode({"run": "one", "tag": "mmx/val/7", "step": 2})
    status, _, body = fetch(f"{base}/header?{query}")
    assert status == 200, body
    assert json.loads(body)["answer"] == make_explanation().answer


def test_a_web_servers_directory_is_refused_in_plain_words(capsys):
    """TensorBoard's walk over one never ends."""
    with pytest.raises(ValueError, match="copy or mount"):
        read_explanations("http://127.0.0.1:1/runs")
    assert main(["list", "http://127.0.0.1:1/runs"]) != 0
    assert "LOGDIR: expected a directory, or a URL" in capsys.readouterr().err


def test_a_web_server_takes_no_log_and_that_is_said_in_plain_words(monkeypatch):
    monkeypatch.setattr(guard, "_warned", set())
    with pytest.raises(ValueError, match="a web server takes no files"):
        ExplanationWriter("https://127.0.0.1:1/runs")
    with pytest.warns(LoggingWarning, match="a web server takes no files"):
        add_explanation("http://127.0.0.1:1/runs", "val/7", make_explanation(), 1, strict=False)


@pytest.mark.parametrize("scheme", ["nosuch", "s3"])
def test_a_url_that_nothing_here_can_read_is_refused_with_the_reason(scheme, capsys):
    """The package for s3 is not among those that the tests install."""
    with pytest.raises(ValueError, match=f"got '{scheme}://place/runs' .*(not known|s3fs)"):
        read_explanations(f"{scheme}://place/runs")
    assert main(["list", f"{scheme}://place/runs"]) == 2
    assert "mmx: LOGDIR: expected a URL that TensorBoard can read" in capsys.readouterr().err


def test_a_host_that_does_not_answer_is_told_in_a_sentence(capsys):
    assert main(["list", "ftp://127.0.0.1:1/runs"]) == 2
    assert "mmx: LOGDIR: expected a directory that can be read" in capsys.readouterr().err


def test_an_archive_that_is_not_there_is_no_directory(tmp_path, capsys):
    url = f"zip::file://{tmp_path}/none.zip"
    with pytest.raises(FileNotFoundError):
        read_explanations(url)
    assert main(["list", url]) == 2
    assert "mmx: LOGDIR: expected a directory" in capsys.readouterr().err


def test_a_url_that_makes_no_sense_and_a_damaged_archive_are_refused_with_the_reason(
    tmp_path, capsys
):
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    for url, reason in (
        ("file:///a::file:///b", "chained"),
        (f"zip::file://{tmp_path}/bad.zip", "zip file"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_explanations(url)
        assert main(["list", url]) == 2
        with pytest.raises(CommandError, match=f"--logdir: .*{reason}"):
            check_target(url)
        assert "mmx: LOGDIR: expected a URL that TensorBoard can read" in capsys.readouterr().err


def test_a_url_that_is_given_again_and_again_holds_its_image_once():
    for step in (1, 2, 3):
        add_explanation("memory://again/run", "val/7", make_explanation(), step, strict=True)
    (start,) = fsspec.filesystem("memory").ls("/again/run", detail=False)
    files = fsspec.filesystem("memory").ls(start, detail=False)
    image = make_explanation().image.hash
    assert len(files) == 3 and sum(f".{image}." in name for name in files) == 1
    assert [bool(e.image) for e in read_explanations("memory://again")] == [True] * 3
    fsspec.filesystem("memory").rm("/again", recursive=True)


def test_a_url_of_files_is_a_directory(tmp_path):
    with ExplanationWriter(tmp_path / "one", strict=True) as writer:
        writer.add_explanation("val/7", make_explanation(), 3)
    assert [e.step for e in read_explanations(f"file://{tmp_path}")] == [3]
