"""Starts that calls with a path share: each appends to a file, and closes it (wire_format.md)."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event

from mmx_core.events.marks import Mark, marks
from mmx_core.events.record_file import frame_record, read_heads
from mmx_core.events.runs import UNMARKED, Going, start_of, time_of
from mmx_core.events.sinks import EventFile, fixed_logdir
from mmx_core.events.starts import MOST_STARTS, names_in, new_start, tell_of_many
from mmx_core.events.tags import IMAGE_PREFIX, check_run

try:
    import fcntl
except ImportError:  # Windows: each call writes a file of its own there
    fcntl = None  # type: ignore[assignment]

_SHARED = ".mmx-shared"
_LOCK_SECONDS = 10.0
_LOCK_PAUSE = 0.01


def append(
    logdir: str | os.PathLike[str],
    events: Sequence[tuple[str, Event]],
    *,
    going: Going | None = UNMARKED,
) -> None:
    """Appends single events to a run for a caller who keeps no writer open.

    A thousand calls, of one process or of a thousand, must not leave a thousand files, of which
    TensorBoard's data server would die. So they share the files of a few starts: each locks one
    that is whole and where the tag's steps ascend, and goes on in it; else another start begins.
    What was logged already begins a training of its own. Once there are many, all calls go on in a
    last one: there what is logged again replaces, and of steps that go back TensorBoard shows the
    last alone.

    Args:
        logdir: The run's directory, or a URL that TensorBoard can write to.
        events: With each the tag of its first value; images (``mmx/images/HASH``), which come
            before, are left out where they are there.
        going: How these go on from other starts; None where they hold no explanation, so that they
            may stand in any.

    Raises:
        ValueError: As for :class:`~mmx_core.events.starts.StartFile`.
        OSError: They could not be written.
    """
    check_run(os.fspath(logdir))
    run = fixed_logdir(logdir)
    if fcntl is None or "://" in run:
        _write_apart(run, events, going)
        return
    starts = _shared_starts(run)
    alike = list(_alike_starts(starts, going))
    if len(alike) == 1 and _append_to(alike[0], events):
        return
    mark = going or UNMARKED
    tag, event = events[-1]
    logged = {path: _steps_of(path, tag) for path in alike}
    held = next((at for at, path in enumerate(alike) if event.step in logged[path]), None)
    if held is not None and mark.kind == "add":
        alike = alike[: held + 1]  # what replaces must not stand before what it replaces
    elif held is not None and going is not None:
        alike, mark = [], Going("from", 0)
    # Where the least is left between: so as few starts as can be take steps in whatever order.
    alike.sort(key=lambda path: max(logged[path], default=-math.inf), reverse=True)
    if any(_append_to(path, events) for path in alike):
        return
    if len(starts) >= MOST_STARTS:
        tell_of_many(run)
        if _going_of(starts[0]).kind == "add" and _append_to(starts[0], events, anyhow=True):
            return
        mark = Going("add")
    file = EventFile(new_start(run, mark), suffix=_SHARED)
    try:
        for _, event in events:
            file.write(event)
    finally:
        file.close()


def begin_shared(logdir: str | os.PathLike[str], going: Going) -> None:
    """Begins a start that later calls of :func:`append` go on in.

    Raises:
        ValueError: As for :class:`~mmx_core.events.starts.StartFile`.
        OSError: It could not be made.
    """
    check_run(os.fspath(logdir))
    run = fixed_logdir(logdir)
    with marks.made(run) as made:
        file = EventFile(new_start(run, going), suffix=_SHARED)
        file.open()
        file.close()
        made(Mark(going, joinable=False))


def _append_to(path: str, events: Sequence[tuple[str, Event]], *, anyhow: bool = False) -> bool:
    """Whether the events could go on in this file; all of them do, or none.

    Args:
        path: Of a shared file.
        events: As for :func:`append`.
        anyhow: Even if the steps do not ascend.
    """
    try:
        with open(path, "r+b") as file, _locked(file) as held:
            size = os.fstat(file.fileno()).st_size
            last: dict[str, int] = {}
            whole = 0
            for end, tag, step in read_heads(file, size) if held else ():
                whole, last[tag] = end, max(step, last.get(tag, step))
            # In use, deleted meanwhile, or a killed process has left half a record at its end.
            if whole != size or not size or not os.fstat(file.fileno()).st_nlink:
                return False
            new = [
                (tag, event)
                for tag, event in events
                if not (tag.startswith(IMAGE_PREFIX) and tag in last)
            ]
            # What is added again takes its own place; the fast loader drops whatever goes back.
            least = 0 if _going_of(path).kind == "add" else 1
            goes_back = any(tag in last and event.step < last[tag] + least for tag, event in new)
            if goes_back and not anyhow:
                return False
            try:
                file.seek(size)
                file.write(b"".join(frame_record(event.SerializeToString()) for _, event in new))
                file.flush()
            except BaseException:
                with suppress(OSError):  # no half record on a full disk
                    os.ftruncate(file.fileno(), size)
                raise
    except FileNotFoundError:  # deleted meanwhile
        return False
    return True


@contextmanager
def _locked(file: Any) -> Iterator[bool]:
    """An exclusive lock, which closing the file lets go; False where none can be had."""
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                yield False
                return
            time.sleep(_LOCK_PAUSE)
        except OSError:  # a file system without locks
            yield False
            return
        else:
            yield True
            return


def _shared_starts(run: str) -> list[str]:
    """The shared files of the newest starts, the newest first, back to one that is not shared."""
    found: list[str] = []
    for name in sorted((name for name in names_in(run) if time_of(name) is not None), reverse=True):
        folder = os.path.join(run, name)
        files = sorted(name for name in names_in(folder) if name.endswith(_SHARED))
        if not files:
            break
        found.append(os.path.join(folder, files[-1]))
    return found


def _alike_starts(starts: Sequence[str], going: Going | None) -> Iterator[str]:
    """Those of the latest training in which events that go on like that may stand."""
    for path in starts:
        there = _going_of(path)
        if going is None or _alike(there, going):
            yield path
        else:
            return
        if there.kind == "from":
            return


def _going_of(path: str) -> Going:
    return start_of(os.path.basename(os.path.dirname(path))).going


def _steps_of(path: str, tag: str) -> set[int]:
    """The steps that a file holds of a tag."""
    try:
        with open(path, "rb") as file:
            heads = read_heads(file, os.fstat(file.fileno()).st_size)
            return {step for _, there, step in heads if there == tag}
    except FileNotFoundError:  # deleted meanwhile
        return set()


def _alike(there: Going, going: Going) -> bool:
    """Whether an event that goes on in one way may stand in a start that does in another."""
    return there.kind == going.kind or (going.kind == "unmarked" and there.kind == "from")


def _write_apart(run: str, events: Sequence[tuple[str, Event]], going: Going | None) -> None:
    """A file of its own within the newest shared start: where nothing can be appended."""
    shared = next(_alike_starts(_shared_starts(run)[:1], going), None)
    folder = new_start(run, going or UNMARKED) if shared is None else os.path.dirname(shared)
    names = [tag for tag, _ in events if tag.startswith(IMAGE_PREFIX)]
    # A file's name tells later calls which image it holds.
    held = f".{names[0].removeprefix(IMAGE_PREFIX)[:64]}" if len(names) == 1 else ""
    there = bool(held) and any(f"{held}{_SHARED}" in name for name in names_in(folder))
    file = EventFile(folder, suffix=("" if there else held) + _SHARED)
    try:
        for tag, event in events:
            if not (there and tag.startswith(IMAGE_PREFIX)):
                file.write(event)
    finally:
        file.close()
