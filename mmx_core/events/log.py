"""The one reader of event files: what a logdir holds, undecoded, run by run (wire_format.md)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.memory import is_out_of_memory
from mmx_core.events.runs import Training, start_of, trainings
from mmx_core.events.tags import PLUGIN, PREFIX, image_hash, natural_key
from mmx_core.events.wire import decode_explanation, decode_image
from mmx_core.explanation import EncodedImage, Explanation

_BLOB_MAGIC = b"MMXB"


@dataclass(frozen=True)
class Damage:
    """A record that could not be read.

    Attributes:
        run: Its run.
        tag: Its tag; a file's path where the file itself is damaged.
        step: Its step; None for a file or image.
        reason: What was found wrong.
        silent: Whether it is as it should be in a log that is being written: a file that ends
            within a record, as that of a killed process or a running one.
    """

    run: str
    tag: str
    step: int | None
    reason: str
    silent: bool = False


_MOST_LINKS = 64
"""Links to one directory that are followed: any that lead on to each other would be without end."""
_Identity = tuple[int, int] | None

Report = Callable[[Damage], None]
Wanted = Callable[[str, int], bool]


@dataclass(frozen=True)
class LoggedStep:
    """One record: its blobs (wire_format.md) and when it was logged, in seconds since the epoch."""

    wall_time: float
    blobs: list[bytes]

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(map(len, self.blobs))


@dataclass
class LoggedRun:
    """What a run has logged; a step logged twice keeps its later record.

    Attributes:
        run: The run's name, ``"."`` for the logdir itself.
        bytes_on_disk: Size of the run's event files.
        samples: Records by tag (``mmx/SET/SAMPLE``) and step.
        images: Blobs by content hash.
        folders: The directories of its starts, as TensorBoard names them, in their order.
    """

    run: str
    bytes_on_disk: int = 0
    samples: dict[str, dict[int, LoggedStep]] = field(default_factory=dict)
    images: dict[str, list[bytes]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    def decode(self, tag: str, step: int, report: Report) -> Explanation:
        """Decodes one record.

        Args:
            tag: One of ``samples``.
            step: One of the tag's.
            report: Called where the image is damaged, once each; ``image`` is None then, as where
                it was not logged.

        Raises:
            DamagedBlob: The record is damaged.
            UnsupportedVersion: It was written by a newer version.
        """

        def find(name: str) -> EncodedImage | None:
            try:
                return decode_image(self.images[name], name) if name in self.images else None
            except (DamagedBlob, UnsupportedVersion) as error:
                report(Damage(self.run, f"image {name}", None, str(error)))
                del self.images[name]
                return None

        blobs = self.samples[tag][step].blobs
        return decode_explanation(blobs, images=find, run=self.run, tag=tag, step=step)

    def take(self, tag: str, step: int, record: LoggedStep) -> None:
        """Takes in one record of the run's tags."""
        name = image_hash(tag)
        if name is not None:
            self.images[name] = record.blobs
        else:
            self.samples.setdefault(tag, {})[step] = record


def runs_of(logdir: str) -> dict[str, dict[str, str]]:
    """The directories with event files, by run and by TensorBoard's name, naturally sorted."""
    found: dict[str, dict[str, str]] = {}
    for path in _folders(logdir):
        folder = os.path.relpath(path, logdir).replace(os.sep, "/")
        found.setdefault(start_of(folder).run, {})[folder] = path
    return {run: found[run] for run in sorted(found, key=natural_key)}


def _folders(logdir: str) -> Iterator[str]:
    """As TensorBoard finds them, though no link is followed to where it stands itself.

    Raises:
        OSError: One cannot be listed.
        UnicodeError: The name of one is not UTF-8.
    """
    from tensorboard.backend.event_processing import io_wrapper

    if "://" in logdir:
        yield from io_wrapper.GetLogdirSubdirectories(logdir)
        return

    def report(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # deleted meanwhile
            raise error

    names: Counter[_Identity] = Counter()
    above: dict[str, frozenset[_Identity]] = {logdir: frozenset()}
    for folder, inner, files in os.walk(logdir, onerror=report, followlinks=True):
        folder.encode()
        if any(map(io_wrapper.IsTensorFlowEventsFile, files)):
            yield folder
        line = above.pop(folder) | {_identity(folder)}
        for path in [os.path.join(folder, name) for name in inner]:
            above[path] = line
            if os.path.islink(path):
                target = _identity(path)
                names[target] += 1
                if target in line or names[target] > _MOST_LINKS:
                    inner.remove(os.path.basename(path))


def _identity(path: str) -> _Identity:
    """Which directory a path leads to; None where it is gone."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def read_runs(
    folders: dict[str, str], report: Report, *, wanted: Wanted = lambda tag, step: True
) -> list[LoggedRun]:
    """Reads the starts of one directory into memory, compressed as they are.

    Args:
        folders: Paths, or URLs that TensorBoard can read, by TensorBoard's name of them.
        report: Called with what cannot be read.
        wanted: Which records are kept; the others count alone for what belongs together.

    Returns:
        Its trainings (:func:`~mmx_core.events.runs.trainings`), the latest first; those without an
        explanation, too.
    """
    read = {name: _read_folder(name, path, report, wanted) for name, path in folders.items()}
    return joined(read)


def joined(read: Mapping[str, LoggedRun]) -> list[LoggedRun]:
    """Takes starts together: one run per training, naturally sorted, the latest of a run first.

    Args:
        read: What each directory holds, by TensorBoard's name of it.
    """
    return [
        _run_of(training, read) for training in trainings({n: r.samples for n, r in read.items()})
    ]


def _run_of(training: Training, read: Mapping[str, LoggedRun]) -> LoggedRun:
    run = LoggedRun(training.run, folders=training.folders)
    for folder in training.folders:
        run.bytes_on_disk += read[folder].bytes_on_disk
        run.images |= read[folder].images
    for tag in sorted(training.sources, key=natural_key):
        sources = sorted(training.sources[tag].items())
        kept = {step: read[folder].samples[tag][step] for step, folder in sources}
        kept = {step: record for step, record in kept.items() if record is not _UNWANTED}
        if kept:
            run.samples[tag] = kept
    return run


_UNWANTED = LoggedStep(0.0, [])


def _read_folder(name: str, path: str, report: Report, wanted: Wanted) -> LoggedRun:
    from tensorboard.compat.proto.event_pb2 import SessionLog

    logged = LoggedRun(name)
    named: set[str] = set()
    for event in _events(logged, path, report):
        if event.session_log.status == SessionLog.START:
            _restart(logged, event.step)
        for value in event.summary.value:
            if not _is_ours(value, named):
                continue
            if image_hash(value.tag) is not None or wanted(value.tag, event.step):
                record = LoggedStep(event.wall_time, list(value.tensor.string_val))
            else:
                record = _UNWANTED
            logged.take(value.tag, event.step, record)
    return logged


def _is_ours(value: Any, named: set[str]) -> bool:
    """Whether a value holds an explanation or an image.

    Only a tag's first record needs to name its plugin. But a scalar could once have the tag of a
    sample, and TensorBoard gives a tag to whoever comes first: what a value holds counts, too.

    Args:
        value: Of an event's summary.
        named: Tags that have been named as ours; added to.
    """
    if not value.tag.startswith(PREFIX):
        return False
    if value.metadata.plugin_data.plugin_name == PLUGIN:
        named.add(value.tag)
        return True
    strings = value.tensor.string_val
    return bool(strings) and (value.tag in named or strings[0].startswith(_BLOB_MAGIC))


def _restart(logged: LoggedRun, first: int) -> None:
    """Drops what was logged at that step or later, as TensorBoard does on a restart."""
    for tag, steps in list(logged.samples.items()):
        kept = {step: record for step, record in steps.items() if step < first}
        logged.samples[tag] = kept
        if not kept:
            del logged.samples[tag]


def _events(logged: LoggedRun, folder: str, report: Report) -> Iterator[Any]:
    """All events of a directory; whatever is gone, locked away or damaged is reported.

    Raises:
        MemoryError: None was left, by which nothing in the log is damaged.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorboard.backend.event_processing import io_wrapper
    from tensorboard.compat import tf
    from tensorboard.compat.proto.event_pb2 import Event

    from mmx_core.events.record_file import read_records

    run = start_of(logged.run).run
    try:
        paths = io_wrapper.ListDirectoryAbsolute(folder)
    except (OSError, tf.errors.OpError) as error:
        report(Damage(run, folder, None, f"cannot be listed: {error}"))
        return
    for path in sorted(filter(io_wrapper.IsTensorFlowEventsFile, paths), key=natural_key):

        def damaged(reason: str, path: str = path) -> None:
            report(Damage(run, path, None, reason))

        def cut(reason: str, path: str = path) -> None:
            report(Damage(run, path, None, reason, silent=True))

        try:
            logged.bytes_on_disk += tf.io.gfile.stat(path).length
            for record in read_records(path, damaged, cut):
                try:
                    yield Event.FromString(record)
                except DecodeError as error:
                    if is_out_of_memory(error):
                        raise MemoryError(str(error)) from error
                    damaged(f"not an event: {error}")
        except (OSError, tf.errors.OpError) as error:  # deleted meanwhile, not readable
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            damaged(f"cannot be read: {error}")
