"""Where a start of ours writes: a directory of its own below the run's (runs.py says why)."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from weakref import WeakSet

from tensorboard.compat import tf
from tensorboard.compat.proto.event_pb2 import Event

from mmx_core.events.guard import LogLost, warn_once
from mmx_core.events.marks import Mark, marks
from mmx_core.events.probe import probe_directory
from mmx_core.events.record_file import read_heads
from mmx_core.events.runs import UNMARKED, Going, start_name, time_of
from mmx_core.events.sinks import EventFile, fixed_logdir, is_there
from mmx_core.events.tags import PREFIX, check_run, image_hash

# Of files in one directory the data server opens each; a process may open a thousand.
MOST_STARTS = 64


class _Part:
    """A start of a writer: its file, and by an event's first tag the last step."""

    def __init__(self, folder: str) -> None:
        self.file = EventFile(folder)
        self.last: dict[str, int] = {}

    def before(self, tag: str) -> float:
        """The tag's last step; before all steps where it has none."""
        return self.last.get(tag, -math.inf)


class StartFile:
    """The event file of one writer in a run's directory; a sink.

    TensorBoard's loaders keep a tag's steps of one start only as they ascend. What goes back stands
    in another start of the writer's, as few as can be, and those before it stay open.

    Where somebody deletes or moves the file while it is written, another is begun, with its images
    again, and the next :meth:`flush` says so.

    Args:
        logdir: The run's directory, or a URL that TensorBoard can write to.

    Attributes:
        trouble: What has cost the log records last.

    Raises:
        ValueError: The URL is a web server's, or TensorBoard could not read explanations of a run
            of this name.
    """

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        check_run(os.fspath(logdir))
        self.logdir = fixed_logdir(logdir)
        self._going = UNMARKED
        self._parts: list[_Part] = []
        self._mark = marks.last(self.logdir)  # that the parts come after
        self._joined = False
        self._closed = False
        self._lost: LogLost | None = None
        self._explanations: Counter[str] = Counter()
        self.trouble = ""
        _open.add(self)

    def write(self, event: Event) -> None:
        """Appends an event; raises OSError where it cannot."""
        tag = event.summary.value[0].tag if event.summary.value else ""
        self.append([(tag, event)])

    def append(self, events: Sequence[tuple[str, Event]]) -> None:
        """Appends events that belong together; raises OSError where it cannot.

        Args:
            events: With each the tag of its first value. Images, which come before, are left out
                where they are there.
        """
        if self._closed:
            raise OSError(f"the writer of {self.logdir} is closed")
        tag, last = events[-1]
        try:
            part = self._part_for(tag, last.step)
            for name, event in events:
                image = image_hash(name)
                if image not in part.file.logged_images:
                    part.file.write(event)
                if image is not None:
                    part.file.logged_images.add(image)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            raise
        part.last[tag] = last.step
        if self._mark is not None:
            self._mark.logged[tag] = self, last.step
        self._explanations[part.file.path] += _is_explanation(tag)

    @property
    def explanations(self) -> int:
        """How many explanations were written that are still there."""
        return sum(count for path, count in self._explanations.items() if is_there(path))

    @property
    def folders(self) -> set[str]:
        """The directories of its starts."""
        return {part.file.logdir for part in self._parts}

    def flush(self) -> None:
        """Brings what was written to the disk.

        Raises:
            LogLost: What was written before is gone; what came after is there.
        """
        for part in self._parts:
            self._look(part)
            part.file.flush()
        lost, self._lost = self._lost, None
        if lost is not None:
            raise lost

    def begin(self, going: Going) -> None:
        """Leaves this start for another, which goes on in that way.

        It is made at once: should this program end before its first event, those who go on from
        what it has done must not be taken to go on from what was there before it. Where another
        writer of the same training has made it already, this one goes on in its training.
        """
        with marks.made(self.logdir) as made:
            there = marks.last(self.logdir)
            mine = there is self._mark and bool(self._parts or self._joined)
            if there is not None and there.joinable and there.going == going and not mine:
                self._leave(Going("add"), there)
                self._joined = True
                return
            mark = Mark(going)
            self._leave(going, mark)
            self._begun(going).file.open()
            made(mark)

    def close(self) -> None:
        """Closes the file; closing again does nothing."""
        self._closed = True
        _open.discard(self)
        if self._mark is not None and (self._parts or self._joined):
            self._mark.joinable = False
        for part in self._parts:
            part.file.close()

    def _leave(self, going: Going, mark: Mark | None) -> None:
        for part in self._parts:
            part.file.close()
        self._parts, self._going, self._mark, self._joined = [], going, mark, False

    def _begun(self, going: Going) -> _Part:
        self._parts.append(_Part(new_start(self.logdir, going)))
        return self._parts[-1]

    def _part_for(self, tag: str, step: int) -> _Part:
        """Where the tag's steps ascend, with the least left between."""
        last = marks.last(self.logdir)
        if last is not self._mark:
            # Another writer has made a mark since: what stood before it would be void.
            self._leave(Going("add") if self._parts or self._joined else self._going, last)
        elif self._joined and last is not None and last.has(tag, step, apart_from=self):
            self.begin(last.going)
        if not self._parts:
            self._begun(self._going)
        for part in self._parts:
            self._look(part)
        fitting = [part for part in self._parts if part.before(tag) <= step]
        if fitting:
            return max(fitting, key=lambda part: part.before(tag))
        if len(self._parts) < MOST_STARTS:
            return self._begun(Going("add"))
        tell_of_many(self.logdir)
        return self._parts[-1]

    def _look(self, part: _Part) -> None:
        if part.file.forget_if_gone():
            gone = part.file.path
            self._lost = LogLost(
                f"{gone} was deleted or moved while it was written, with "
                f"{self._explanations.pop(gone, 0)} explanations; what follows goes into another "
                "file there"
            )
            self.trouble = str(self._lost)


_open: WeakSet[StartFile] = WeakSet()


def new_start(logdir: str, going: Going) -> str:
    """The path of a directory for a start that follows those that are there; not made yet."""
    moment = datetime.now(timezone.utc)
    times = [time for name in names_in(logdir) if (time := time_of(name)) is not None]
    if times and max(times) >= moment:  # the clock has gone back
        moment = max(times)
        with suppress(OverflowError):  # somebody's clock was at the end of the year 9999
            moment += timedelta(microseconds=1)
    return os.path.join(logdir, start_name(moment, going))


def tell_of_many(run: str) -> None:
    """Warns, once for a run, that steps are logged in an order that needs too many starts."""
    warn_once(
        "logging an explanation",
        run,
        f"has begun {MOST_STARTS} starts in {run}, because steps went back or came again. From "
        "here on what is logged again replaces, and of steps that go back TensorBoard shows only "
        "the last; read_explanations reads all. Log steps in ascending order, one program at a "
        "time, or with replaces=True",
    )


def names_in(folder: str) -> list[str]:
    """What a directory holds; nothing where there is none."""
    if not tf.io.gfile.isdir(folder):
        return []
    return [name.rstrip("/") for name in tf.io.gfile.listdir(folder)]


def has_logged(logdir: str | os.PathLike[str], *, open_too: bool = True) -> bool:
    """Whether explanations were logged into a run's directory; of a URL, whether a start was begun.

    Args:
        logdir: The run's.
        open_too: Whether those count that stand in a start of a writer that this program has open.
    """
    run = fixed_logdir(logdir)
    opened = {folder for file in list(_open) for folder in file.folders}
    starts = [os.path.join(run, name) for name in names_in(run) if time_of(name) is not None]
    starts = [folder for folder in starts if open_too or folder not in opened]
    if "://" in run:
        return bool(starts)
    # In the run's own directory a summary writer logs, the user's or a framework's, or has
    # logged a version before there were starts.
    return any(_hold_explanations(folder) for folder in (*starts, run))


def _hold_explanations(folder: str) -> bool:
    files = (os.path.join(folder, name) for name in names_in(folder) if "tfevents" in name)
    return any(_is_explanation(tag) for path in files for tag in _tags_of(path))


def _tags_of(path: str) -> Iterable[str]:
    """The first tag of each event, as far as the file can be read."""
    with suppress(OSError), open(path, "rb") as file:
        for _, tag, _ in read_heads(file, os.fstat(file.fileno()).st_size):
            yield tag


def _is_explanation(tag: str) -> bool:
    return tag.startswith(PREFIX) and image_hash(tag) is None


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
