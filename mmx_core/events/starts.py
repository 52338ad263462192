"""Where a start of ours writes: a directory of its own below the run's (runs.py says why)."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from tensorboard.compat import tf
from tensorboard.compat.proto.event_pb2 import Event

from mmx_core.events.guard import LogLost, warn_once
from mmx_core.events.probe import probe_directory
from mmx_core.events.record_file import frame_record, read_heads
from mmx_core.events.runs import UNMARKED, Going, start_name, start_of, time_of
from mmx_core.events.sinks import EventFile, fixed_logdir, is_there
from mmx_core.events.tags import IMAGE_PREFIX, PREFIX, check_run, image_hash

try:
    import fcntl
except ImportError:  # Windows: each call writes a file of its own there
    fcntl = None  # type: ignore[assignment]

_SHARED = ".mmx-shared"
# Of files in one directory the data server opens each; a process may open a thousand.
_MOST_STARTS = 64
_LOCK_SECONDS = 10.0
_LOCK_PAUSE = 0.01


class StartFile:
    """The event file of one writer in a run's directory; a sink.

    Where somebody deletes or moves the file while it is written, another is begun, with its images
    again, and the next :meth:`flush` says so.

    Args:
        logdir: The run's directory, or a URL that TensorBoard can write to.
        going: How this start goes on from those that are there.

    Attributes:
        trouble: What has cost the log records last.

    Raises:
        ValueError: The URL is a web server's, or TensorBoard could not read explanations of a run
            of this name.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, going: Going = UNMARKED) -> None:
        check_run(os.fspath(logdir))
        self.logdir = fixed_logdir(logdir)
        self._going = going
        self._file: EventFile | None = None
        self._closed = False
        self._lost: LogLost | None = None
        self._explanations: Counter[str] = Counter()
        self.trouble = ""

    @property
    def logged_images(self) -> set[str]:
        """Hashes of the images that this start holds."""
        return self._opened().logged_images

    def write(self, event: Event) -> None:
        """Appends an event; raises OSError where it cannot."""
        if self._closed:
            raise OSError(f"the writer of {self.logdir} is closed")
        try:
            file = self._opened()
            file.write(event)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            raise
        tag = event.summary.value[0].tag if event.summary.value else ""
        self._explanations[file.path] += tag.startswith(PREFIX) and image_hash(tag) is None

    @property
    def explanations(self) -> int:
        """How many explanations were written that are still there."""
        return sum(count for path, count in self._explanations.items() if is_there(path))

    def flush(self) -> None:
        """Brings what was written to the disk.

        Raises:
            LogLost: What was written before is gone; what came after is there.
        """
        if self._file is not None:
            self._look()
            self._file.flush()
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost

    def begin(self, going: Going) -> None:
        """Leaves this start for another, which goes on in that way.

        It is made at once: should this program end before its first event, those who go on from
        what it has done must not be taken to go on from what was there before it.
        """
        if self._file is not None:
            self._file.close()
        self._file, self._going = None, going
        self._opened().open()

    def close(self) -> None:
        """Closes the file; closing again does nothing."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def _opened(self) -> EventFile:
        if self._file is None:
            self._file = EventFile(new_start(self.logdir, self._going))
        self._look()
        return self._file

    def _look(self) -> None:
        if self._file is not None and self._file.forget_if_gone():
            gone = self._file.path
            self._lost = LogLost(
                f"{gone} was deleted or moved while it was written, with "
                f"{self._explanations.pop(gone, 0)} explanations; what follows goes into another "
                "file there"
            )
            self.trouble = str(self._lost)


def new_start(logdir: str, going: Going) -> str:
    """The path of a directory for a start that follows those that are there; not made yet."""
    moment = datetime.now(timezone.utc)
    times = [time for name in _names(logdir) if (time := time_of(name)) is not None]
    if times and max(times) >= moment:  # the clock has gone back
        moment = max(times)
        with suppress(OverflowError):  # somebody's clock was at the end of the year 9999
            moment += timedelta(microseconds=1)
    return os.path.join(logdir, start_name(moment, going))


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
        ValueError: As for :class:`StartFile`.
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
    if len(starts) >= _MOST_STARTS:
        _tell_of_many(run)
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
        ValueError: As for :class:`StartFile`.
        OSError: It could not be made.
    """
    check_run(os.fspath(logdir))
    file = EventFile(new_start(fixed_logdir(logdir), going), suffix=_SHARED)
    file.open()
    file.close()


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
    for name in sorted((name for name in _names(run) if time_of(name) is not None), reverse=True):
        folder = os.path.join(run, name)
        files = sorted(name for name in _names(folder) if name.endswith(_SHARED))
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


def _tell_of_many(run: str) -> None:
    warn_once(
        "logging an explanation by a path",
        run,
        f"has begun {_MOST_STARTS} starts in {run}, because steps went back or came again. From "
        "here on what is logged again replaces, and of steps that go back TensorBoard shows only "
        "the last; read_explanations reads all. Log steps in ascending order, one program at a "
        "time, or with replaces=True",
    )


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
    there = bool(held) and any(f"{held}{_SHARED}" in name for name in _names(folder))
    file = EventFile(folder, suffix=("" if there else held) + _SHARED)
    try:
        for tag, event in events:
            if not (there and tag.startswith(IMAGE_PREFIX)):
                file.write(event)
    finally:
        file.close()


def _names(folder: str) -> list[str]:
    if not tf.io.gfile.isdir(folder):
        return []
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]


def has_logged(logdir: str | os.PathLike[str]) -> bool:
    """Whether a run's directory holds event files, or starts."""
    return any(
        time_of(name) is not None or "tfevents" in name for name in _names(os.fspath(logdir))
    )


def check_writable(logdir: str | os.PathLike[str]) -> None:
    """Refuses a run's directory that nothing can be logged to; nothing is left behind.

    Raises:
        ValueError: As for :class:`StartFile`.
        OSError: It cannot be made or written, or the disk is full.
    """
    path = StartFile(logdir).logdir
    if "://" in path:
        return
    try:
        probe_directory(path)
    except OSError as error:
        error.strerror = f"logdir: expected a directory that can be written ({error.strerror})"
        raise
