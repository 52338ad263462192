"""A log's explanations as they were logged: undecoded blobs with their wall times."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.reader import Damage
from mmx_core.events.tags import PLUGIN, PREFIX, image_hash, natural_key
from mmx_core.events.wire import decode_explanation, decode_image
from mmx_core.explanation import EncodedImage, Explanation

Report = Callable[[Damage], None]


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
    """

    run: str
    bytes_on_disk: int = 0
    samples: dict[str, dict[int, LoggedStep]] = field(default_factory=dict)
    images: dict[str, list[bytes]] = field(default_factory=dict)

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


def run_folders(logdir: str) -> dict[str, str]:
    """The directories with event files by run name, naturally sorted."""
    from tensorboard.backend.event_processing import io_wrapper

    folders = {
        os.path.relpath(folder, logdir): folder
        for folder in io_wrapper.GetLogdirSubdirectories(logdir)
    }
    return {run: folders[run] for run in sorted(folders, key=natural_key)}


def read_run(run: str, folder: str, report: Report) -> LoggedRun:
    """Reads a run into memory, compressed as it is.

    Args:
        run: Its name.
        folder: Its directory, or a URL that TensorBoard can read.
        report: Called with what cannot be read.
    """
    from tensorboard.compat.proto.event_pb2 import SessionLog

    logged = LoggedRun(run)
    plugins: dict[str, str] = {}
    for event in _events(logged, folder, report):
        if event.session_log.status == SessionLog.START:
            _restart(logged, event.step)
        for value in event.summary.value:
            # Only a tag's first record needs to name its plugin.
            own = value.metadata.plugin_data.plugin_name
            if plugins.setdefault(value.tag, own) != PLUGIN or not value.tag.startswith(PREFIX):
                continue
            blobs, name = list(value.tensor.string_val), image_hash(value.tag)
            if name is not None:
                logged.images[name] = blobs
            else:
                steps = logged.samples.setdefault(value.tag, {})
                steps[event.step] = LoggedStep(event.wall_time, blobs)
    tags = sorted(logged.samples, key=natural_key)
    logged.samples = {tag: dict(sorted(logged.samples[tag].items())) for tag in tags}
    return logged


def _restart(logged: LoggedRun, first: int) -> None:
    """Drops what was logged at that step or later, as TensorBoard does on a restart."""
    for tag, steps in list(logged.samples.items()):
        kept = {step: record for step, record in steps.items() if step < first}
        logged.samples[tag] = kept
        if not kept:
            del logged.samples[tag]


def _events(logged: LoggedRun, folder: str, report: Report) -> Iterator[Any]:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorboard.backend.event_processing import io_wrapper
    from tensorboard.compat import tf
    from tensorboard.compat.proto.event_pb2 import Event

    from mmx_core.events.record_file import read_records

    paths = io_wrapper.ListDirectoryAbsolute(folder)
    for path in sorted(filter(io_wrapper.IsTensorFlowEventsFile, paths), key=natural_key):
        logged.bytes_on_disk += tf.io.gfile.stat(path).length

        def damaged(reason: str, path: str = path) -> None:
            report(Damage(logged.run, path, None, reason))

        for record in read_records(path, damaged):
            try:
                yield Event.FromString(record)
            except DecodeError as error:
                damaged(f"not an event: {error}")
