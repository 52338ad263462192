"""Reading explanations back from a logdir: all of them, none sampled away."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.tags import PLUGIN, PREFIX, image_hash, natural_key
from mmx_core.events.wire import decode_explanation, decode_image
from mmx_core.explanation import EncodedImage, Explanation

if TYPE_CHECKING:
    import pandas

_Wanted = TypeVar("_Wanted")


class DamagedRecordWarning(UserWarning):
    """A record of an event file could not be read and was skipped."""


@dataclass(frozen=True)
class Damage:
    """A record that could not be read.

    Attributes:
        run: Its run.
        tag: Its tag; a file's path where the file itself is damaged.
        step: Its step; None for a file or image.
        reason: What was found wrong.
    """

    run: str
    tag: str
    step: int | None
    reason: str


@dataclass
class RunRecords:
    """The undecoded records of one run; a step logged twice keeps its later record.

    Attributes:
        run: The run's name.
        explanations: Blobs by tag, step and source.
        images: Blobs by content hash.
    """

    run: str
    explanations: dict[tuple[str, int, int], list[bytes]] = field(default_factory=dict)
    images: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, tag: str, step: int, blobs: Iterable[bytes], *, source: int = 0) -> None:
        """Takes in one record; those of different sources do not replace each other."""
        name = image_hash(tag)
        if name is not None:
            self.images[name] = list(blobs)
        else:
            self.explanations[tag, step, source] = list(blobs)

    def restart(self, step: int) -> None:
        """Drops what was logged at that step or later, as TensorBoard does on a restart."""
        self.explanations = {key: b for key, b in self.explanations.items() if key[1] < step}

    def decode(self, report: Callable[[Damage], None]) -> Iterator[Explanation]:
        """Decodes one explanation at a time, by tag and step; damage is reported and skipped."""
        decoded: dict[str, EncodedImage | None] = {}

        def find(name: str) -> EncodedImage | None:
            if name not in decoded:
                decoded[name] = None
                if name in self.images:
                    try:
                        decoded[name] = decode_image(self.images[name], name)
                    except (DamagedBlob, UnsupportedVersion) as error:
                        report(Damage(self.run, f"image {name}", None, str(error)))
            return decoded[name]

        for key in sorted(self.explanations, key=lambda key: (natural_key(key[0]), *key[1:])):
            tag, step, _ = key
            blobs = self.explanations[key]
            try:
                yield decode_explanation(blobs, images=find, run=self.run, tag=tag, step=step)
            except (DamagedBlob, UnsupportedVersion) as error:
                report(Damage(self.run, tag, step, str(error)))


class Explanations:
    """The explanations of a logdir, decoded while being iterated over.

    Each iteration reads the event files anew, run by run (a run's compressed records are in memory
    meanwhile).

    Args:
        logdir: As for :func:`read_explanations`, as are the others.
        run: See there.
        tag: See there.
        step: See there.

    Attributes:
        damaged: What the last iteration could not read. A file that ends within a record, as that
            of a killed process or a running one, is among it; only that is not warned about.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        *,
        run: str | Container[str] | None = None,
        tag: str | Container[str] | None = None,
        step: int | Container[int] | None = None,
    ) -> None:
        self.logdir = os.fspath(logdir)
        self._run, self._tag, self._step = run, tag, step
        self.damaged: list[Damage] = []

    def __iter__(self) -> Iterator[Explanation]:
        self.damaged = []
        for run, folder in _runs(self.logdir):
            if _wanted(run, self._run):
                yield from self._read(run, folder).decode(self._report)

    def __repr__(self) -> str:
        return f"Explanations({self.logdir!r})"

    def to_pandas(self) -> pandas.DataFrame:
        """One row per answer token of every explanation; needs the extra ``analysis``.

        Returns:
            The frames of :meth:`Explanation.to_pandas`, one below the other.
        """
        return to_pandas(self)

    def _read(self, run: str, folder: str) -> RunRecords:
        from tensorboard.compat.proto.event_pb2 import SessionLog

        records = RunRecords(run)
        plugins: dict[str, str] = {}
        for event in self._events(run, folder):
            if event.session_log.status == SessionLog.START:
                records.restart(event.step)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                # Only a tag's first record needs to name its plugin.
                if plugins.setdefault(value.tag, plugin) != PLUGIN:
                    continue
                if image_hash(value.tag) is not None or (
                    _wanted_tag(value.tag, self._tag) and _wanted(event.step, self._step)
                ):
                    records.add(value.tag, event.step, value.tensor.string_val)
        return records

    def _events(self, run: str, folder: str) -> Iterator[Any]:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from tensorboard.backend.event_processing import io_wrapper
        from tensorboard.compat import tf
        from tensorboard.compat.proto.event_pb2 import Event

        from mmx_core.events.record_file import read_records

        try:
            paths = io_wrapper.ListDirectoryAbsolute(folder)
        except (OSError, tf.errors.OpError) as error:
            self._report(Damage(run, folder, None, f"cannot be listed: {error}"))
            return
        for path in sorted(filter(io_wrapper.IsTensorFlowEventsFile, paths), key=natural_key):

            def report(reason: str, path: str = path) -> None:
                self._report(Damage(run, path, None, reason))

            def report_cut(reason: str, path: str = path) -> None:
                self.damaged.append(Damage(run, path, None, reason))

            try:
                for record in read_records(path, report, report_cut):
                    try:
                        yield Event.FromString(record)
                    except DecodeError as error:
                        report(f"not an event: {error}")
            except (OSError, tf.errors.OpError) as error:  # deleted meanwhile, not readable
                report(f"cannot be read: {error}")

    def _report(self, damage: Damage) -> None:
        self.damaged.append(damage)
        warn_damage(damage)


def read_explanations(
    logdir: str | os.PathLike[str],
    *,
    run: str | Container[str] | None = None,
    tag: str | Container[str] | None = None,
    step: int | Container[int] | None = None,
) -> Explanations:
    """Reads explanations back, lazily, over all runs below a logdir.

    Args:
        logdir: A directory or a URL that TensorBoard can read.
        run: Only this run, or the runs in this collection. A run's name is its directory's path
            below the logdir, ``"."`` for the logdir itself.
        tag: Only this tag (``"val/0007"`` or ``"mmx/val/0007"``), or those in this collection.
        step: Only this step, or those in this collection, such as a ``range``.

    Returns:
        An iterable of :class:`Explanation`, sorted by run, tag and step, with ``to_pandas()`` and,
        once iterated over, ``damaged``.

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: It is a URL that TensorBoard cannot read, such as a web server's.

    Example:
        >>> frame = read_explanations("runs/", tag="val/0007").to_pandas()
    """
    check_logdir(os.fspath(logdir))
    return Explanations(logdir, run=run, tag=tag, step=step)


def check_logdir(logdir: str) -> None:
    """Refuses what TensorBoard cannot list, at once.

    Raises:
        FileNotFoundError: There is no such directory.
        ValueError: It is a URL that TensorBoard cannot read, such as a web server's.
    """
    from tensorboard.compat import tf

    from mmx_core.events.sinks import WEB_SERVERS

    if logdir.startswith(WEB_SERVERS):
        raise ValueError(
            "logdir: expected a directory, or a URL whose directories TensorBoard can list, got "
            f"{logdir!r}; those of a web server it cannot: copy or mount them"
        )
    try:
        there = tf.io.gfile.isdir(logdir)
    except tf.errors.NotFoundError:
        there = False
    except Exception as error:
        if "://" not in logdir or isinstance(error, OSError):
            raise
        # The package for this kind of URL is missing, there is no such kind, or what holds the
        # directory (an archive) is damaged; fsspec says which.
        raise ValueError(
            f"logdir: expected a URL that TensorBoard can read, got {logdir!r} ({error})"
        ) from error
    if not there:
        raise FileNotFoundError(f"logdir: expected a directory, got {logdir!r}")


def to_pandas(explanations: Iterable[Explanation]) -> pandas.DataFrame:
    """One table of many explanations; needs the extra ``analysis``."""
    import pandas

    frames = [explanation.to_pandas() for explanation in explanations]
    if not frames:
        columns = ["run", "tag", "step", "token_index", "token", "probability", "grounding"]
        return pandas.DataFrame(columns=columns)
    return pandas.concat(frames, ignore_index=True)


def warn_damage(damage: Damage) -> None:
    """Warns about a skipped record, naming run, tag and step."""
    where = f"run {damage.run!r}, {damage.tag}"
    if damage.step is not None:
        where += f", step {damage.step}"
    warnings.warn(f"skipped {where}: {damage.reason}", DamagedRecordWarning, stacklevel=2)


def _runs(logdir: str) -> list[tuple[str, str]]:
    """Names and directories of the runs, naturally sorted."""
    from tensorboard.backend.event_processing import io_wrapper

    folders = io_wrapper.GetLogdirSubdirectories(logdir)
    named = [(os.path.relpath(folder, logdir), folder) for folder in folders]
    return sorted(named, key=lambda pair: natural_key(pair[0]))


def _wanted(value: _Wanted, wanted: _Wanted | Container[_Wanted] | None) -> bool:
    if wanted is None or value == wanted:
        return True
    return not isinstance(wanted, (str, int)) and value in wanted  # type: ignore[operator]


def _wanted_tag(tag: str, wanted: str | Container[str] | None) -> bool:
    return _wanted(tag, wanted) or _wanted(tag.removeprefix(PREFIX), wanted)
