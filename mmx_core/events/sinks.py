"""Where events go: an event file of our own, or a summary writer that the user has open."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol, TypeVar, runtime_checkable

from tensorboard.compat import tf
from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata

from mmx_core.events.guard import warn_once
from mmx_core.events.place import expanded
from mmx_core.events.record_file import frame_record
from mmx_core.events.tags import check_run
from mmx_core.explanation import Explanation

_FILE_TIME = re.compile(r"events\.out\.tfevents\.([0-9]{10})(?:\.([0-9]{9})(?![0-9]))?")
_LOGGED_ATTRIBUTE = "_mmx_logged_images"
_LAST_ATTRIBUTE = "_mmx_last_steps"
_HELD_AS = ("experiment", "tracker")
"""What loggers of Lightning and trackers of accelerate call what they write to."""
WEB_SERVERS = ("http://", "https://")


class Sink(Protocol):
    """What the writer needs of a destination."""

    @property
    def logged_images(self) -> set[str]:
        """Hashes of the images that are there; the caller adds what it writes."""

    def write(self, event: Event) -> None:
        """Writes one event; raises OSError where it cannot."""

    def flush(self) -> None:
        """Brings what was written to the disk."""


@runtime_checkable
class Board(Protocol):
    """A tool that takes explanations whole, and shows them in its own way."""

    def add_explanation(
        self, tag: str, explanation: Explanation, step: int, *, scalars: bool
    ) -> None:
        """Sends an explanation; ``tag`` is ``SET/SAMPLE``."""

    def add_metrics(self, set_name: str, figures: Mapping[str, float], step: int) -> None:
        """Sends a set's means, by metric."""

    def flush(self) -> None:
        """Sends what is waiting."""


class EventFile:
    """An event file that is written synchronously, so that errors arise where they happen.

    TensorBoard's own writer works in a thread and numbers its files; sorted by name, the eleventh
    file of one second precedes the third, and the fast loader then drops steps. Names here carry
    nanoseconds instead, and follow those in the directory even where the clock has gone back. The
    file is opened by the first event.

    Args:
        logdir: Directory, or a URL that TensorBoard can write to.
        suffix: Appended to the file's name.

    Raises:
        ValueError: It is a web server's.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, suffix: str = "") -> None:
        self.logdir = fixed_logdir(logdir)
        self.logged_images: set[str] = set()
        self._suffix = suffix
        self.path = ""
        self._file: Any = None
        self._closed = False

    def open(self) -> None:
        """Makes the file, unless it is there."""
        if self._file is None:
            self._file = self._open()

    def write(self, event: Event) -> None:
        """Appends an event; a file that failed is left, and the next event opens another."""
        if self._closed:
            raise OSError(f"the writer of {self.logdir} is closed")
        try:
            self.open()
            self._file.write(frame_record(event.SerializeToString()))
        except Exception:
            # Half a record may be on the disk: whatever followed it could not be read.
            self._file = None
            self.logged_images.clear()
            raise

    def forget_if_gone(self) -> bool:
        """Whether the file was deleted or moved, ``path`` with it: the next event opens another."""
        if self._file is None or is_there(self.path):
            return False
        self._file = None
        self.logged_images.clear()
        return True

    def flush(self) -> None:
        """Brings what was written to the disk."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; closing again does nothing."""
        self._closed = True
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> Any:
        tf.io.gfile.makedirs(self.logdir)
        seconds, nanoseconds = _time_of_next_file(self.logdir)
        # Two that follow the same file at the same moment would else have one name. The host's,
        # which others put here, is nobody's business where a log is passed on.
        unique = f"{secrets.token_hex(4)}.{os.getpid()}"
        name = f"events.out.tfevents.{seconds:010d}.{nanoseconds:09d}.{unique}{self._suffix}"
        path = os.path.join(self.logdir, name)
        file = tf.io.gfile.GFile(path, "wb")
        start = Event(
            wall_time=time.time(),
            file_version="brain.Event:2",
            source_metadata=SourceMetadata(writer="mmx_core"),
        )
        try:
            file.write(frame_record(start.SerializeToString()))
        except Exception:
            # On a full disk every event would leave another empty file behind.
            with suppress(OSError):
                os.remove(path)
            raise
        self.path = path
        return file


def is_there(path: str) -> bool:
    """Whether there is such a file; of a URL, where each look would take a request, it is said."""
    return "://" in path or os.path.exists(path)


def _time_of_next_file(logdir: str) -> tuple[int, int]:
    """Seconds and nanoseconds: now, or just after the latest event file that is there.

    Files are read in the order of their names, and the last record of a step is the one shown.
    """
    now = divmod(time.time_ns(), 1_000_000_000)
    latest = max((_time_of_file(name) for name in tf.io.gfile.listdir(logdir)), default=now)
    if latest < now:
        return now
    seconds, nanoseconds = latest
    return (seconds, nanoseconds + 1) if nanoseconds < 999_999_999 else (seconds + 1, 0)


def _time_of_file(name: str) -> tuple[int, int]:
    """Of an event file's name; without nanoseconds of its own it is the last of its second."""
    found = _FILE_TIME.match(name)
    if found is None:
        return (0, 0)
    return int(found[1]), int(found[2] or 999_999_999)


def fixed_logdir(logdir: str | os.PathLike[str]) -> str:
    """The directory as it is meant now, whatever the program changes to later.

    Raises:
        ValueError: It is a web server's.
    """
    path = expanded(logdir)
    if path.startswith(WEB_SERVERS):
        raise ValueError(
            "logdir: expected a directory, or a URL that can be written to, got "
            f"{path!r}; a web server takes no files"
        )
    return path if "://" in path else os.path.abspath(path)


class UnknownLogger(TypeError):
    """Nothing registered knows what was given."""


Recognise = Callable[[Any], "Sink | Board | None"]
"""Takes what a user gave as a writer; gives where its events go, or None where it is unknown."""
_Recognise = TypeVar("_Recognise", bound=Recognise)
_LOGGERS: list[Recognise] = []
_REGISTERED_BY = {
    name: f"mmx_core.integrations.{name}"
    for name in ("wandb", "mlflow", "trackio", "aim", "clearml")
}
"""By the package of what a user gives, the module that registers for it: it is imported then."""


def logger(recognise: _Recognise) -> _Recognise:
    """Decorator: explanations can be logged to what this function recognises.

    Example:
        >>> @mmx_core.events.logger
        ... def of_my_tracker(writer):
        ...     return SummaryWriterSink(writer.board) if isinstance(writer, MyTracker) else None
    """
    _LOGGERS.append(recognise)
    return recognise


def sink_of(writer: Any) -> Sink | Board:
    """Where a user's logger writes to; what was registered last is asked first.

    Raises:
        UnknownLogger: Nothing registered knows it.
        ValueError: TensorBoard could not read explanations of its directory's name.
    """
    for package in _packages(writer):
        if package in _REGISTERED_BY:
            import_module(_REGISTERED_BY[package])
    for recognise in reversed(_LOGGERS):
        sink = recognise(writer)
        if sink is not None:
            return sink
    raise UnknownLogger(
        "writer: expected a torch SummaryWriter, a tensorboardX SummaryWriter, a Lightning logger "
        "or accelerate tracker of TensorBoard, a run of "
        f"{', '.join(_REGISTERED_BY)}, an ExplanationWriter or a logdir path, got "
        f"{type(writer).__name__}; @mmx_core.events.logger adds another"
    )


def _packages(writer: Any) -> Iterator[str]:
    """Whose the logger is, and what it may hold; the packages themselves are not imported."""
    if isinstance(writer, ModuleType):
        yield writer.__name__
        return
    for one in (writer, *(getattr(writer, name, None) for name in _HELD_AS)):
        yield type(one).__module__.partition(".")[0]


class SummaryWriterSink:
    """A torch ``SummaryWriter`` or a tensorboardX one.

    Args:
        inner: The user's; which images it has got is remembered on it. None writes nothing.

    Raises:
        ValueError: TensorBoard could not read explanations of its directory's name.
    """

    def __init__(self, inner: Any) -> None:
        directory = getattr(inner, "log_dir", None) or getattr(inner, "logdir", None)
        if isinstance(directory, (str, os.PathLike)):
            check_run(os.fspath(directory))
        self._writer = inner
        self.logged_images: set[str] = set()
        if inner is not None:
            self.logged_images = inner.__dict__.setdefault(_LOGGED_ATTRIBUTE, set())
            self._last: dict[str, int] = inner.__dict__.setdefault(_LAST_ATTRIBUTE, {})

    def write(self, event: Event) -> None:
        """Writes an event, or hands it to the writer's thread."""
        file_writer = None if self._writer is None else self._writer._get_file_writer()
        if file_writer is None:
            return
        self._tell_if_it_goes_back(event)
        if type(file_writer).__module__.split(".")[0] != "tensorboardX":
            file_writer.add_event(event, event.step, event.wall_time)
            return
        # tensorboardX accepts only the classes of its own generated protocol buffers.
        from tensorboardX.proto.event_pb2 import Event as OtherEvent

        native = OtherEvent.FromString(event.SerializeToString())
        file = getattr(getattr(file_writer, "event_writer", None), "_ev_writer", None)
        if file is None:
            file_writer.add_event(native, event.step, event.wall_time)
        else:
            # Its thread hides errors and, once dead (a full disk), lets the queue block for ever;
            # its flush leaves what is queued. The file below takes a lock of its own.
            file.write_event(native)

    def flush(self) -> None:
        """Brings what was written to the disk."""
        if self._writer is not None:
            self._writer.flush()

    def _tell_if_it_goes_back(self, event: Event) -> None:
        tag = event.summary.value[0].tag if event.summary.value else ""
        last = self._last.get(tag, event.step)
        if event.step < last:
            warn_once(
                "logging to a summary writer",
                "a step went back",
                f"has gone back from step {last} to {event.step} of {tag}: TensorBoard keeps a "
                "tag's steps of one file only as they ascend, and shows none of those above. Log "
                "checkpoints in ascending order, or give an ExplanationWriter or a run's directory "
                "in place of the summary writer, which take them in any",
            )
        self._last[tag] = event.step


@logger
def summary_writer(writer: Any) -> Sink | None:
    """The writer itself, Lightning's ``experiment`` or the ``tracker`` of accelerate's.

    They are known by what they can do.
    """
    for one in (writer, *(getattr(writer, name, None) for name in _HELD_AS)):
        if hasattr(one, "_get_file_writer") and hasattr(one, "add_scalar"):
            return SummaryWriterSink(one)
    return None


@logger
def of_another_process(writer: Any) -> Sink | None:
    """What accelerate gives to all processes but the main one: nothing is written."""
    elsewhere = type(writer).__module__ == "accelerate.tracking" and not hasattr(writer, "tracker")
    return SummaryWriterSink(None) if elsewhere else None
