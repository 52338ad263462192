"""Runs that are deleted or replaced, and a server that is started anew, while somebody looks."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from mmx_core.events.records import explanation_event, image_event
from mmx_core.events.sinks import EventFile
from mmx_core.events.wire import decode_explanation, encode_explanation
from tests.faults.panel import (
    TAG,
    Panel,
    panel_at,
    panel_over,
    plugin_with_loader,
    served,
    tiny,
)
from tests.plugin.test_data import unframe
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import serve

PATIENCE_SECONDS = 20


def write(folder, *, seed: int, steps=(0, 1, 2)) -> None:
    file = EventFile(folder)
    file.write(image_event(tiny(seed).image, wall_time=time.time()))
    for step in steps:
        made = tiny(seed, id=f"{seed}")
        file.write(explanation_event("val/1", made, step=step, wall_time=time.time()))
    file.close()


def eventually(met: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def looking(panel: Panel) -> Iterator[list[BaseException]]:
    """Opens everything over and over; what should not have been answered is collected."""
    wrong: list[BaseException] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                for run, tags in panel.index().items():
                    panel.ask("records", run=run)
                    for tag in tags:
                        panel.ask("blobs", run=run, tag=tag, step=[0, 1, 2])
                        panel.ask("header", run=run, tag=tag, step=0)
                    panel.ask("image", run=run, hash=tiny(1).image.hash)
            except BaseException as error:
                wrong.append(error)
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield wrong
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("route", ["blobs", "header"])
def test_a_step_logged_anew_between_two_reads_of_its_blobs_is_read_again(
    tmp_path, monkeypatch, route
):
    """Its blobs have the same keys: the header would be the old one's, the maps the new one's."""
    write(tmp_path, seed=1, steps=[0])
    panel = panel_whose_reads_log_anew(tmp_path, monkeypatch, times=1)
    if route == "blobs":
        (shown,) = panel.shown(".").values()
        assert shown.id == "2"
        np.testing.assert_array_equal(shown.heatmap, decoded(tiny(2, id="2")).heatmap)
    else:
        assert json.loads(panel.ask("header", run=".", tag=TAG, step=0)[2])["id"] == "2"


def test_a_step_logged_anew_with_fewer_blobs_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    """Those that the first record had more are gone, which is no reason to refuse the step."""
    large = make_explanation(3, 3, ((1.0, (2, 2)), (2.0, (4, 4))), id="large")
    file = EventFile(tmp_path)
    file.write(explanation_event("val/1", large, step=0, wall_time=1.0))
    file.close()
    panel = panel_whose_reads_log_anew(tmp_path, monkeypatch, times=1)
    (shown,) = panel.shown(".").values()
    assert shown.id == "2"


def test_a_step_that_is_dropped_while_it_is_read_is_not_kept(tmp_path, monkeypatch):
    write(tmp_path, seed=1, steps=[0, 1])
    plugin, multiplexer = plugin_with_loader(tmp_path)
    read_blob = MultiplexerDataProvider.read_blob

    def drop_and_read(self, *arguments, **options):
        monkeypatch.setattr(MultiplexerDataProvider, "read_blob", read_blob)
        file = EventFile(tmp_path)  # as a summary writer with purge_step=1 does
        for _ in range(2):
            start = SessionLog(status=SessionLog.START)
            file.write(Event(step=1, wall_time=3.0, session_log=start))
        file.close()
        multiplexer.Reload()
        return read_blob(self, *arguments, **options)

    monkeypatch.setattr(MultiplexerDataProvider, "read_blob", drop_and_read)
    _, _, body = panel_over(plugin).ask("blobs", run=".", tag=TAG, step=[0, 1])
    first, second = unframe(body)
    assert first["step"] == 0 and "error" not in first
    assert second["error"] == "Step 1 is not among those that TensorBoard kept."


def test_a_step_that_is_logged_anew_at_every_read_is_refused_in_words(tmp_path, monkeypatch):
    write(tmp_path, seed=1, steps=[0])
    panel = panel_whose_reads_log_anew(tmp_path, monkeypatch, times=100)
    status, _, body = panel.ask("header", run=".", tag=TAG, step=0)
    assert (status, body) == (404, b"This step is being logged anew; ask again.")


def panel_whose_reads_log_anew(folder, monkeypatch, *, times) -> Panel:
    """Once a blob has been read, its step is logged again and loaded."""
    plugin, multiplexer = plugin_with_loader(folder)
    read, left, lock = MultiplexerDataProvider.read_blob, [times], threading.Lock()

    def read_and_log_anew(self, *arguments, **options):
        with lock:
            blob = read(self, *arguments, **options)
            if left[0]:
                left[0] -= 1
                write(folder, seed=2, steps=[0])
                multiplexer.Reload()
        return blob

    monkeypatch.setattr(MultiplexerDataProvider, "read_blob", read_and_log_anew)
    return panel_over(plugin)


def decoded(explanation):
    """As it is after a journey through the wire format."""
    return decode_explanation(encode_explanation(explanation))


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_a_run_deleted_and_replaced_while_it_is_looked_at_shows_its_new_content(tmp_path, fast):
    for run in ("stays", "goes"):
        write(tmp_path / run, seed=1)
    with served(tmp_path, load_fast=fast) as panel, looking(panel) as wrong:
        assert panel.ids("goes") == dict.fromkeys((0, 1, 2), "1")
        shutil.rmtree(tmp_path / "goes")
        time.sleep(1.5)  # a reload sees it gone
        assert panel.ids("stays") == dict.fromkeys((0, 1, 2), "1")
        write(tmp_path / "goes", seed=2)
        assert eventually(lambda: panel.ids("goes") == dict.fromkeys((0, 1, 2), "2"))
    assert wrong == []


def test_a_client_that_polls_while_the_server_is_started_anew_gets_data_again(tmp_path):
    write(tmp_path / "run", seed=1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [f"--port={port}"]
    panel = panel_at(f"http://127.0.0.1:{port}")
    answers: list[str] = []
    done = threading.Event()

    def poll() -> None:
        while not done.wait(0.05):
            try:
                answers.append(str(panel.index().get("run", {}).get(TAG, "empty")))
            except (urllib.error.URLError, http.client.HTTPException, OSError):
                answers.append("none")
            except json.JSONDecodeError as error:
                answers.append(f"wrong: {error}")

    client = threading.Thread(target=poll)
    client.start()
    try:
        with serve(tmp_path, arguments=arguments):
            assert eventually(lambda: "[0, 1, 2]" in answers[-1:])
        write(tmp_path / "run", seed=2, steps=(3,))
        assert eventually(lambda: "none" in answers[-1:])
        with serve(tmp_path, arguments=arguments):
            assert eventually(lambda: "[0, 1, 2, 3]" in answers[-1:])
            assert panel.ids("run") == {0: "1", 1: "1", 2: "1", 3: "2"}
    finally:
        done.set()
        client.join()
    assert set(answers) <= {"none", "empty", "[0, 1, 2]", "[0, 1, 2, 3]"}
