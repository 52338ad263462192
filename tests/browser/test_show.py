"""`mmx show`: the panel by one command, without TensorBoard's page around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmx_core.cli import main
from mmx_core.events import add_explanation
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import ROOT


@contextmanager
def shown(place: Path) -> Iterator[str]:
    """The address that the command prints; an interrupt ends it without a word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mmx_core", "show", str(place), "--no-browser"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and all that they start, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


def test_an_event_file_is_shown_without_tensorboards_page(watched, tmp_path):
    add_explanation(tmp_path / "log", "val/7", make_explanation(), 3)
    (file,) = (tmp_path / "log").rglob("events.out.tfevents.*")
    with shown(file) as address:
        watched.page.goto(address)
        watched.page.locator("mmx-panel canvas").first.wait_for()
        watched.page.get_by_text("1 of 1 steps kept").wait_for()
        assert watched.page.locator("tb-webapp").count() == 0
        words = watched.page.locator('mmx-answer-strip [role="option"]')
        words.first.click()
        watched.page.wait_for_function("/p\\.mmx\\.token=0\\b/.test(location.hash)")
        watched.page.reload()
        watched.page.locator("mmx-panel canvas").first.wait_for()
        assert words.first.get_attribute("aria-selected") == "true", "as before the reload"
    assert not watched.troubles


def test_a_page_is_opened_as_it_is_and_what_is_neither_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.html").write_text("<!doctype html>")
    assert main(["show", str(tmp_path / "a.html"), "--no-browser"]) == 0
    assert capsys.readouterr().out == f"{(tmp_path / 'a.html').as_uri()}\n"
    (tmp_path / "a.txt").write_text("")
    for place, told in (
        (tmp_path / "a.txt", "PLACE: expected a logdir, an event file"),
        (tmp_path, "expected logged explanations, got none"),
        (tmp_path / "none", "PLACE: expected a logdir, an event file"),
    ):
        assert main(["show", str(place), "--no-browser"]) == 2
        assert told in capsys.readouterr().err
