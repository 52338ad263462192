"""Logging in the background: bounded, in order, never silent, and drained whatever happens."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from mmx_core.events import (
    ExplanationWriter,
    LoggingWarning,
    add_explanation,
    guard,
    read_explanations,
)
from mmx_core.events import (
    writer as writing,
)
from mmx_core.events.background import Background, held_bytes, snapshot
from mmx_core.explanation import Alternative, ContextWord, EncodedImage, ExplainedImage
from tests.support.explanations import assert_close, make_explanation
from tests.support.odd_explanations import make_several_images

ROOT = Path(__file__).parents[2]
SECONDS = 20


@pytest.fixture
def quiet(monkeypatch):
    """As in production: errors become warnings, none of which was shown yet."""
    monkeypatch.setenv("MMX_STRICT", "0")
    monkeypatch.setattr(guard, "_warned", set())


class Gate:
    """A job that lasts until it is let go."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.opened.wait(SECONDS)


def held_up(queue: Background, *, size: int = 0) -> Gate:
    """A queue's worker is busy until the gate is opened."""
    gate = Gate()
    queue.submit("waiting", gate, size=size)
    assert gate.entered.wait(SECONDS)
    return gate


def submitted_elsewhere(queue: Background, job, size: int = 0) -> threading.Event:
    """Set once another thread has got its job into the queue."""
    taken = threading.Event()

    def submit() -> None:
        queue.submit("waiting", job, size=size)
        taken.set()

    threading.Thread(target=submit, daemon=True).start()
    return taken


def steps_of(logdir) -> list[int]:
    return [explanation.step for explanation in read_explanations(logdir)]


def test_what_is_logged_is_the_same_and_in_order(tmp_path):
    with ExplanationWriter(tmp_path, background=True) as writer:
        for step in range(0, 400, 100):
            writer.add_explanation("val/1", make_explanation(seed=step), step)
        writer.mark_resume(200)
        writer.add_explanation("val/1", make_explanation(seed=7), 200)
        writer.flush()
        read = list(read_explanations(tmp_path))
    assert [explanation.step for explanation in read] == [0, 100, 200]
    assert_close(read[1], make_explanation(seed=100))
    assert_close(read[2], make_explanation(seed=7))


def test_the_caller_neither_encodes_nor_writes(tmp_path, monkeypatch):
    threads = []

    def encode(*arguments, **settings):
        threads.append(threading.current_thread())
        return explanation_event(*arguments, **settings)

    explanation_event = writing.explanation_event
    monkeypatch.setattr(writing, "explanation_event", encode)
    with ExplanationWriter(tmp_path, background=True) as writer:
        writer.add_explanation("val/1", make_explanation(), 0)
    assert threads and threading.current_thread() not in threads


def test_no_thread_is_left_once_all_is_written(tmp_path):
    writer = ExplanationWriter(tmp_path, background=True)
    writer.add_explanation("val/1", make_explanation(), 0)
    writer.flush()
    deadline = time.monotonic() + SECONDS
    while any(thread.name == "mmx-logging" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_is_faster_than_the_disk_waits_by_number():
    done: list[int] = []
    queue = Background(settle=lambda: None, max_waiting=3)
    gate = held_up(queue)
    for number in range(3):
        queue.submit("counting", lambda number=number: done.append(number))
    taken = submitted_elsewhere(queue, lambda: done.append(3))
    assert not taken.wait(0.2) and not done
    gate.opened.set()
    assert taken.wait(SECONDS)
    queue.wait()
    assert done == [0, 1, 2, 3]


def test_who_is_faster_than_the_disk_waits_by_bytes_those_being_written_among_them():
    queue = Background(settle=lambda: None, max_bytes=100)
    gate = held_up(queue, size=60)
    queue.submit("counting", lambda: None, size=40)
    taken = submitted_elsewhere(queue, lambda: None, size=1)
    assert not taken.wait(0.2)
    gate.opened.set()
    assert taken.wait(SECONDS)
    queue.wait()


def test_what_is_larger_than_the_bound_is_taken_alone():
    queue = Background(settle=lambda: None, max_bytes=100)
    queue.submit("counting", lambda: None, size=1000)
    gate = held_up(queue, size=1000)
    taken = submitted_elsewhere(queue, lambda: None, size=1000)
    assert not taken.wait(0.2)
    gate.opened.set()
    assert taken.wait(SECONDS)
    queue.wait()


def test_many_threads_lose_nothing():
    done: list[tuple[int, int]] = []
    queue = Background(settle=lambda: None, max_waiting=4)

    def log(who: int) -> None:
        for number in range(200):
            queue.submit("counting", partial(done.append, (who, number)))
            if number % 20 == 0:
                queue.wait()

    threads = [threading.Thread(target=log, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    queue.wait()
    assert len(done) == 800
    for who in range(4):
        assert [number for thread, number in done if thread == who] == list(range(200))


def test_who_waits_does_not_wait_for_what_others_log_without_a_pause():
    settled, done, stop = [], [], threading.Event()
    queue = Background(settle=lambda: settled.append(len(done)))

    def log() -> None:
        while not stop.is_set():
            queue.submit("counting", lambda: done.append(time.sleep(0.001)))

    others = threading.Thread(target=log)
    others.start()
    try:
        while not queue._waiting:
            time.sleep(0.001)
        mine = threading.Event()
        queue.submit("counting", mine.set)
        waiting = threading.Thread(target=queue.wait, daemon=True)
        waiting.start()
        waiting.join(SECONDS / 4)
        assert not waiting.is_alive() and mine.is_set() and settled
    finally:
        stop.set()
        others.join()
    queue.wait()
    assert settled[-1] == len(done)


def test_closing_waits_for_those_who_are_being_let_in_and_lets_in_nobody_else():
    settled, done = [], []
    queue = Background(settle=lambda: settled.append(len(done)), max_waiting=1)
    gate = held_up(queue)
    queue.submit("counting", lambda: done.append(0))
    taken = [submitted_elsewhere(queue, partial(done.append, number)) for number in (1, 2, 3)]
    deadline = time.monotonic() + SECONDS
    while len(queue._entering) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    closing = threading.Thread(target=queue.close, daemon=True)
    closing.start()
    while not queue._closed:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    with pytest.raises(OSError, match="was closed meanwhile"):
        queue.submit("counting", lambda: done.append(4))
    assert closing.is_alive()
    gate.opened.set()
    closing.join(SECONDS)
    assert not closing.is_alive() and not queue._waiting
    assert all(event.is_set() for event in taken)
    assert sorted(done) == [0, 1, 2, 3] and settled[-1] == 4


def test_a_call_that_another_thread_closes_amid_says_so_and_all_others_are_there(tmp_path):
    writer = ExplanationWriter(tmp_path, background=True, strict=True)
    logged: list[int] = []
    refusals: list[str] = []

    def log(step: int) -> None:
        try:
            writer.add_metrics("val", [], step)
            logged.append(step)
        except OSError as error:
            refusals.append(str(error))

    threads = [threading.Thread(target=log, args=(step,)) for step in range(1, 41)]
    for thread in threads:
        thread.start()
    writer.close()
    for thread in threads:
        thread.join(SECONDS)
    steps: set[int] = set()
    for file in tmp_path.rglob("events.*"):  # none where all were refused
        events = LegacyEventFileLoader(str(file)).Load()
        steps |= {event.step for event in events if not event.file_version}
    assert steps == set(logged)
    assert len(logged) + len(refusals) == 40 and all("closed" in told for told in refusals)


def test_two_writers_that_begin_at_once_where_the_clock_has_gone_back_share_no_file(tmp_path):
    """Their directories are named after the one from the future, which both follow."""
    (tmp_path / "mmx-99990101T000000.000000-0a0a0a").mkdir()
    writers = [ExplanationWriter(tmp_path, background=True) for _ in range(8)]
    for name, writer in enumerate(writers):
        writer.add_explanation(f"val/{name}", make_explanation(), 0)
    for writer in writers:
        writer.close()
    assert [e.tag for e in read_explanations(tmp_path)] == [f"mmx/val/{n}" for n in range(8)]
    assert len(list(tmp_path.iterdir())) == 9


def test_the_queue_lets_go_of_what_it_has_written(tmp_path):
    class Array(np.ndarray):
        """One that can be watched."""

    writer = ExplanationWriter(tmp_path, background=True)
    explanation = make_explanation()
    watched = explanation.relevance.view(Array)
    writer.add_explanation("val/1", dataclasses.replace(explanation, relevance=watched), 0)
    gone = weakref.ref(watched)
    writer.flush()
    del watched, explanation
    gc.collect()
    assert gone() is None


def test_the_caller_may_change_its_arrays_meanwhile(tmp_path):
    explanation = make_explanation(metrics={"obj_iou": 0.5})
    with ExplanationWriter(tmp_path, background=True) as writer:
        gate = held_up(writer._queue())
        writer.add_explanation("val/1", explanation, 0)
        explanation.heatmap[:] = -1
        explanation.base.map[:] = -1
        explanation.relevance[:] = -1
        explanation.metrics["obj_iou"] = -1.0
        gate.opened.set()
    (read,) = read_explanations(tmp_path)
    assert_close(read, make_explanation(metrics={"obj_iou": 0.5}))


def arrays_of(value) -> list[np.ndarray]:
    """All arrays, at any depth."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, (tuple, list)):
        return [array for item in value for array in arrays_of(item)]
    if dataclasses.is_dataclass(value):
        return [
            array
            for field in dataclasses.fields(value)
            for array in arrays_of(getattr(value, field.name))
        ]
    return []


def test_a_snapshot_shares_no_array_and_is_counted_whole():
    made = make_explanation()
    shares, words = (np.ones((len(made.tokens), 1), np.float32) for _ in range(2))
    maps = made.heatmap[0].copy()
    beside = Alternative(3, made.candidates[3][0], (maps,), 0.5, influence=words[0].copy())
    made = dataclasses.replace(
        made,
        alternatives=(beside,),
        image_grounding=shares,
        context_words=(ContextWord(1, 1, "red"),),
        influence=words,
        estimate=made.relevance.copy(),
        used=(made.base.map.copy(),),
    )
    own = snapshot(made)
    theirs, ours = arrays_of(made), arrays_of(own)
    assert len(ours) == len(theirs) > 10
    assert not any(np.shares_memory(a, b) for a in ours for b in theirs)
    assert own.provenance is not made.provenance and own.metrics is not made.metrics
    total = sum(array.nbytes for array in theirs) + len(made.image.data)
    assert 0.9 * total < held_bytes(own)


def test_every_picture_that_waits_counts_as_the_bytes_of_its_file():
    unknown = tuple(ExplainedImage(None, index) for index in range(3))
    bare = dataclasses.replace(make_several_images(3), images=unknown)
    files = [EncodedImage(bytes(size), "png", 24, 16, "0" * 16) for size in (1_000_000, 300_000)]
    images = (*(ExplainedImage(file, index) for index, file in enumerate(files)), unknown[2])
    pictured = dataclasses.replace(bare, images=images)
    assert held_bytes(pictured) - held_bytes(bare) == 1_300_000
    assert snapshot(pictured).images is images  # bytes cannot change: they are not copied


def test_pictures_alone_keep_a_fast_caller_waiting(tmp_path):
    large = EncodedImage(bytes(100_000_000), "png", 24, 16, "0" * 16)
    pictured = dataclasses.replace(make_explanation(), images=(ExplainedImage(large),))
    size = held_bytes(snapshot(pictured))
    release, queue = threading.Event(), Background(settle=lambda: None)
    for _ in range(2):
        queue.submit("holding", release.wait, size=size)
    third = threading.Thread(
        target=queue.submit, args=("holding", release.wait), kwargs={"size": size}
    )
    third.start()
    third.join(0.3)
    assert third.is_alive()  # 300 MB of pictures are more than the 256 MiB that may wait
    release.set()
    third.join(10)
    queue.close()
    assert not third.is_alive()


def test_an_error_warns_once_with_the_callers_line_and_the_run_goes_on(tmp_path, quiet):
    folder = tmp_path / "run"
    folder.write_text("in the way")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ExplanationWriter(folder, background=True) as writer:
            for step in range(4):
                writer.add_explanation("val/1", make_explanation(), step)
                writer.flush()
            folder.unlink()
            writer.add_explanation("val/1", make_explanation(), 4)
    (warning,) = caught
    assert warning.category is LoggingWarning
    assert "logging an explanation failed" in str(warning.message)
    assert warning.filename == __file__
    assert steps_of(tmp_path) == [4]


@pytest.mark.parametrize("call", ["add", "flush", "close"])
def test_an_error_raises_at_the_next_call_where_it_is_strict(tmp_path, call):
    (tmp_path / "run").write_text("in the way")
    writer = ExplanationWriter(tmp_path / "run", strict=True, background=True)
    writer.add_explanation("val/1", make_explanation(), 0)
    writer._queue().wait()
    calls = {
        "add": lambda: add_explanation(writer, "val/1", make_explanation(), 1, strict=True),
        "flush": writer.flush,
        "close": writer.close,
    }
    with pytest.raises(OSError, match="run"):
        calls[call]()
    writer.close()
    with pytest.raises(OSError, match="is closed"):
        writer.add_explanation("val/1", make_explanation(), 2)


def test_errors_of_a_long_run_are_not_collected(tmp_path, quiet):
    (tmp_path / "run").write_text("in the way")
    queue = Background(settle=lambda: None)

    def fail() -> None:
        raise OSError(28, "No space left on device")

    for _ in range(1000):
        queue.submit("counting", fail)
    queue.wait()
    assert len(queue._errors) == 1
    with pytest.warns(LoggingWarning, match="counting failed.*No space left"):
        queue.tell()


def test_where_no_thread_can_be_had_the_caller_writes(tmp_path, monkeypatch):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with ExplanationWriter(tmp_path, background=True) as writer:
        for step in range(3):
            writer.add_explanation("val/1", make_explanation(), step)
    assert steps_of(tmp_path) == [0, 1, 2]


def test_an_interrupt_of_work_that_the_caller_does_itself_holds_nobody_up(monkeypatch):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def interrupt() -> None:
        raise KeyboardInterrupt

    queue, done = Background(settle=lambda: None, max_bytes=100), []
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(KeyboardInterrupt):
            queue.submit("counting", interrupt, size=100)
    gate = held_up(queue)
    taken = submitted_elsewhere(queue, lambda: done.append(1), size=100)
    assert taken.wait(SECONDS)
    gate.opened.set()
    queue.wait()
    assert done == [1]


def run_script(script: str, *arguments, **environment: str) -> subprocess.CompletedProcess[str]:
    head = (
        "import atexit, os, signal, sys, time\n"
        "from mmx_core.events import ExplanationWriter\n"
        "from tests.support.explanations import make_explanation\n"
        "writer = ExplanationWriter(sys.argv[1], background=True)\n"
        "def log(*steps):\n"
        "    for step in steps:\n"
        "        writer.add_explanation('val/1', make_explanation(), step)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


@pytest.mark.parametrize(
    "script",
    [
        "log(*range(40))",
        "log(*range(40)); sys.exit(0)",
        "log(*range(40)); del writer",
        "atexit.register(log, *range(20, 40)); log(*range(20))",
    ],
    ids=["falls off its end", "sys.exit", "forgets the writer", "logs in a handler of its exit"],
)
def test_a_program_that_closes_nothing_loses_nothing(tmp_path, script):
    result = run_script(script, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert steps_of(tmp_path) == list(range(40))


def test_a_program_that_fails_loses_nothing_that_it_logged(tmp_path):
    result = run_script("log(*range(40)); raise ValueError('diverged')", tmp_path)
    assert result.returncode == 1 and "diverged" in result.stderr
    assert steps_of(tmp_path) == list(range(40))


def test_an_error_that_no_call_could_tell_is_told_at_the_end(tmp_path):
    (tmp_path / "run").write_text("in the way")
    result = run_script("log(0)", tmp_path / "run", MMX_STRICT="0")
    assert result.returncode == 0
    assert result.stderr.count("logging an explanation failed") == 1


@pytest.mark.parametrize("strict", ["0", "1"])
def test_at_the_end_every_writer_tells_its_own_error(tmp_path, strict):
    """Of two kinds, since of one kind a process warns once."""
    (tmp_path / "run").write_text("in the way")
    script = (
        "import pathlib; log(0)\n"
        "name = pathlib.Path(sys.argv[1]).with_name('x' * 300)\n"
        "writer = ExplanationWriter(name, background=True)\n"
        "log(1)"
    )
    result = run_script(script, tmp_path / "run", MMX_STRICT=strict)
    assert result.returncode == 0
    assert "Not a directory" in result.stderr and "File name too long" in result.stderr


INTERRUPTED = """
import threading
from mmx_core.events.sinks import EventFile
write, begun = EventFile.write, threading.Event()
def write_slowly(*arguments):
    begun.set()
    time.sleep(0.02)  # as on a disk that is busy
    write(*arguments)
EventFile.write = write_slowly
log(*range(20))
begun.wait()
# What runs behind a script may have been started with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
"""


@pytest.mark.parametrize("call", ["flush", "close"])
def test_an_impatient_interrupt_while_it_is_waited_for_loses_nothing(tmp_path, call):
    result = run_script(f"{INTERRUPTED}writer.{call}()", tmp_path)
    assert result.returncode == -signal.SIGINT and "KeyboardInterrupt" in result.stderr
    assert "failed" not in result.stderr
    assert steps_of(tmp_path) == list(range(20))


PREEMPTED = """
import threading
from mmx_core.events.background import Background
gate, queue = threading.Event(), Background(lambda: None, max_waiting=1)
def leave(*_):
    gate.set()
    queue.close()
    sys.exit(3)
def preempt():
    while not (len(queue._waiting) > 1 and queue._entering):
        time.sleep(0.01)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
signal.signal(signal.SIGTERM, leave)
threading.Thread(target=preempt).start()
for _ in range(3):  # the last waits for room
    queue.submit("waiting", gate.wait)
"""


def test_a_signals_handler_may_close_what_the_call_below_it_waits_for(tmp_path):
    assert run_script(PREEMPTED, tmp_path).returncode == 3


def test_a_killed_process_loses_only_what_it_had_not_flushed(tmp_path):
    script = "log(*range(20)); writer.flush(); log(*range(20, 30)); os.kill(os.getpid(), 9)"
    result = run_script(script, tmp_path)
    assert result.returncode == -signal.SIGKILL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        steps = steps_of(tmp_path)
    assert steps == list(range(len(steps))) and len(steps) >= 20


FORK = """
writer.flush()
log(*range(10))  # the thread is at work, and may hold its lock
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        if child % 2:
            writer.add_explanation(f'child/{child}', make_explanation(), 100 + child)
            writer.flush()
            writer.close()
        sys.exit(0)
    children.append(pid)
    log(10 + child)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
writer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_children_neither_hang_nor_write_what_is_their_parents(tmp_path):
    result = run_script(FORK, tmp_path)
    assert result.returncode == 0, result.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is interleaved
        read = [(e.tag, e.step) for e in read_explanations(tmp_path)]
    children = [("mmx/child/1", 101), ("mmx/child/3", 103)]
    assert read == [*children, *(("mmx/val/1", step) for step in range(14))]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_is_not_shared_with_a_child_without_a_background_either(tmp_path):
    script = "writer = ExplanationWriter(sys.argv[1])" + FORK
    result = run_script(script, tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.iterdir())) == 3
