"""Logging explanations as TensorBoard events (wire_format.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Union

from tensorboard.compat import tf
from tensorboard.compat.proto.event_pb2 import Event

from mmx_core.events.background import Background, held_bytes, snapshot
from mmx_core.events.bounds import fitted
from mmx_core.events.given import check_explanation, check_hash, checked_step, checked_time
from mmx_core.events.guard import guarded
from mmx_core.events.privacy import is_private, private_explanation, private_tag
from mmx_core.events.records import explanation_event, image_event, means_event, means_of
from mmx_core.events.runs import UNMARKED, Going
from mmx_core.events.shared import append, begin_shared
from mmx_core.events.sinks import Board, Sink, UnknownLogger, sink_of
from mmx_core.events.starts import StartFile
from mmx_core.events.tags import IMAGE_PREFIX, image_hash, means_prefix, sample_tags
from mmx_core.explanation import Explanation

_LOGGING, _METRICS, _RESUME = "logging an explanation", "logging metrics", "marking a resumed run"

Path = Union[str, "os.PathLike[str]"]


def add_explanation(
    writer: Any,
    tag: str,
    explanation: Explanation,
    global_step: int,
    *,
    wall_time: float | None = None,
    scalars: bool | None = None,
    replaces: bool = False,
    strict: bool | None = None,
    private: bool | None = None,
) -> None:
    """Logs one explanation, its index record and its metrics, and flushes.

    An :class:`ExplanationWriter` with a background does so later, and returns at once. Metrics also
    go out as scalars ``mmx_sample_metrics/SET/SAMPLE/METRIC``. Errors while logging are warned
    about once per kind and do not stop the caller. TensorBoard keeps a tag's steps of a summary
    writer only as they ascend: log checkpoints in order. (Ours, and paths, take them in any.)

    Args:
        writer: A torch ``SummaryWriter``, a tensorboardX one, Lightning's ``TensorBoardLogger``,
            accelerate's TensorBoard tracker, an :class:`ExplanationWriter`, a run of wandb, MLflow,
            trackio, Aim or ClearML (docs/integrations.md), or the path of a run's directory. Calls
            with a path share an event file in a directory of their own below it, from however many
            processes; in a loop an :class:`ExplanationWriter` is faster.
        tag: ``SET/SAMPLE``; a name without a slash goes to the set ``default``.
        explanation: What to log.
        global_step: The checkpoint's training step.
        wall_time: Seconds since the epoch; now by default.
        scalars: Whether metrics go out as scalars, too; as the writer says by default, else True.
        replaces: With a path, that this takes the place of what an earlier program has logged under
            this tag and step. Otherwise a second program that logs them again is taken for another
            training, and shown as a run of its own.
        strict: Raise errors; None reads the environment variable ``MMX_STRICT``.
        private: Leave out the paths of files (docs/privacy.md). None takes the writer's setting, or
            what ``MMX_PRIVATE`` says, or does so where it is uploaded.

    Raises:
        TypeError: The writer or the explanation is of another type; raised in any case.
    """
    board = isinstance(_checked_sink(writer), Board)
    check_explanation(explanation)
    if scalars is None:
        scalars = getattr(writer, "scalars", True) is True
    if isinstance(writer, ExplanationWriter):
        writer.given += 1
    with guarded(_LOGGING, strict=strict):
        # Here, where the caller sees which call it was, though encoding may come later.
        step, now = checked_step(global_step), checked_time(wall_time)
        sample_tags(tag)
        explanation = fitted(explanation)
        if _is_private(writer, private, uploaded=board):
            explanation, tag = private_explanation(explanation), private_tag(tag)
        images = [entry.image for entry in explanation.images if entry.image is not None]
        for image in images:
            check_hash(image)
        if isinstance(writer, (str, os.PathLike)):
            going = Going("add") if replaces else UNMARKED
            append(writer, _events_of(tag, explanation, step, now, scalars), going=going)
            return
        queue = _queue(writer, strict)
        if queue is None:
            with _sink(writer) as sink:
                _write_explanation(sink, tag, explanation, step, now, scalars)
        else:
            # The caller may go on to change its arrays.
            own = snapshot(explanation)
            write = partial(_write_explanation, writer.file, tag, own, step, now, scalars)
            queue.submit(_LOGGING, write, size=held_bytes(own))


def add_metrics(
    writer: Any,
    set_name: str,
    explanations: Sequence[Explanation] | Mapping[str, float],
    global_step: int,
    *,
    wall_time: float | None = None,
    strict: bool | None = None,
) -> None:
    """Logs the means over a set as scalars ``mmx_metrics/SET/METRIC``, mean grounding among them.

    Args:
        writer: As for :func:`add_explanation`.
        set_name: The set's name.
        explanations: The set's explanations at this step; a metric's mean is over those that
            have it. Or the means themselves, by metric.
        global_step: The checkpoint's training step.
        wall_time: Seconds since the epoch; now by default.
        strict: Raise errors; None reads the environment variable ``MMX_STRICT``.

    Raises:
        TypeError: The writer is of another type.
    """
    _checked_sink(writer)
    with guarded(_METRICS, strict=strict):
        step, now = checked_step(global_step), checked_time(wall_time)
        figures = explanations if isinstance(explanations, Mapping) else means_of(explanations)
        event = means_event(set_name, figures, step=step, wall_time=now)
        if isinstance(writer, (str, os.PathLike)):
            append(writer, [(means_prefix(set_name), event)], going=None)
            return
        queue = _queue(writer, strict)
        if queue is None:
            with _sink(writer) as sink:
                if isinstance(sink, Board):
                    sink.add_metrics(set_name, figures, step)
                else:
                    sink.write(event)
        else:
            queue.submit(_METRICS, partial(writer.file.write, event))


def mark_resume(writer: Any, step: int, *, strict: bool | None = None) -> None:
    """Marks that a training goes on from ``step``: what was logged at that step or later is void.

    Call it once after loading a checkpoint and before logging again. At step 0 it marks a training
    of its own: what earlier ones logged into the same directory is shown apart.

    Args:
        writer: An :class:`ExplanationWriter`, or the path of a run's directory.
        step: First step that is trained again.
        strict: Raise errors; None reads the environment variable ``MMX_STRICT``.

    Raises:
        TypeError: The writer is of another type. The marker of a summary writer would erase what
            others have logged beside it: give ``purge_step`` to its own constructor instead.
    """
    if not isinstance(writer, (ExplanationWriter, str, os.PathLike)):
        raise TypeError(
            "writer: expected an ExplanationWriter or a run's directory, got "
            f"{type(writer).__name__}; a SummaryWriter marks a resumed run itself: give it "
            f"purge_step={step} when it is made"
        )
    with guarded(_RESUME, strict=strict):
        first = checked_step(step, "step")
        if first < 0:
            raise ValueError(f"step: expected at least 0 to resume from, got {first}")
        going = Going("from", first)
        if not isinstance(writer, ExplanationWriter):
            begin_shared(writer, going)
            return
        queue = _queue(writer, strict)
        if queue is None:
            writer.file.begin(going)
        else:
            queue.submit(_RESUME, partial(writer.file.begin, going))
            queue.wait()  # or another's writer might be closed before this one has joined it


class ExplanationWriter:
    """Writes explanations into an event file of its own below a run's directory.

    A context manager. Others may write into the same directory at the same time: neither their
    records nor ours are lost. Programs that log one after the other into a run are shown as one
    run as long as they log other steps; see :meth:`mark_resume`.

    With ``background`` calls return at once, and encoding and writing happen in order on a thread:
    arrays are copied first, so that the caller may change its own. What waits is bounded in number
    and bytes, and who is faster than the disk waits. An error is told (see ``strict``) by the next
    call, ``flush``, ``close`` or at the program's end, which waits for what is still to be written;
    a killed process loses what ``flush`` has not waited for.

    A forked child may go on logging: its records go to an event file of its own.

    Args:
        logdir: The run's directory, or a URL that TensorBoard can write to. The file is made by
            the first event, in ``LOGDIR/mmx-TIME-ID``.
        scalars: Whether the metrics of single samples go out as scalars, too.
        strict: Raise errors while logging; None reads the environment variable ``MMX_STRICT``. A
            call that raises an earlier one's error has not logged its own.
        background: Do not wait for encoding and writing.
        private: Leave out the paths of files; see :func:`add_explanation`.

    Raises:
        ValueError: The URL is a web server's; or the directory has a name that TensorBoard cannot
            read blobs of.

    Example:
        >>> with ExplanationWriter("runs/one") as writer:
        ...     writer.add_explanation("val/0007", explanation, global_step=300)
    """

    def __init__(
        self,
        logdir: Path,
        *,
        scalars: bool = True,
        strict: bool | None = None,
        background: bool = False,
        private: bool | None = None,
    ) -> None:
        self.file = StartFile(logdir)
        self.logdir = self.file.logdir
        self.scalars = scalars
        self.private = is_private(private, self.logdir)
        self.strict = strict
        self._in_background = background
        self._closed = False
        self._open()

    @property
    def missing(self) -> int:
        """How many of the ``given`` explanations are not in the log: not written, or deleted."""
        return self.given - self.file.explanations

    def _queue(self) -> Background | None:
        """What to hand events to; None where the caller writes them.

        Raises:
            OSError: The writer is closed.
        """
        if self._process != os.getpid():
            # Forked: the parent writes what was waiting, and goes on with its file.
            self.file = StartFile(self.logdir)
            self._open()
        if self._closed:
            raise OSError(f"the writer of {self.logdir} is closed")
        return self._background

    def _open(self) -> None:
        # Now, because TensorBoard's lazy import fails where a second thread or a fork comes amid.
        _ = tf.io
        self._process = os.getpid()
        self.given = 0
        self._background = Background(self.file.flush) if self._in_background else None

    def add_explanation(
        self,
        tag: str,
        explanation: Explanation,
        global_step: int,
        *,
        wall_time: float | None = None,
    ) -> None:
        """Logs one explanation; see :func:`add_explanation`."""
        add_explanation(
            self, tag, explanation, global_step, wall_time=wall_time, strict=self.strict
        )

    def add_metrics(
        self,
        set_name: str,
        explanations: Sequence[Explanation] | Mapping[str, float],
        global_step: int,
        *,
        wall_time: float | None = None,
    ) -> None:
        """Logs a set's means; see :func:`add_metrics`."""
        add_metrics(
            self, set_name, explanations, global_step, wall_time=wall_time, strict=self.strict
        )

    def mark_resume(self, step: int) -> None:
        """Marks that the training goes on from a step; see :func:`mark_resume`."""
        mark_resume(self, step, strict=self.strict)

    def flush(self) -> None:
        """Brings what was logged to the disk; without a background each call has done so."""
        if self._closed:
            return
        with guarded(_LOGGING, strict=self.strict):
            queue = self._queue()
            if queue is None:
                self.file.flush()
            else:
                queue.wait()
                queue.tell(strict=self.strict)

    def close(self) -> None:
        """Closes the event file once all is written; logging afterwards is an error."""
        if self._closed:
            return
        with guarded(_LOGGING, strict=self.strict):
            queue = self._queue()
            self._closed = True
            if queue is not None:
                # Who interrupts this leaves the file open, and the thread goes on writing.
                queue.close()
            self.file.close()
            if queue is not None:
                queue.tell(strict=self.strict)

    def __enter__(self) -> ExplanationWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _is_private(writer: Any, private: bool | None, *, uploaded: bool) -> bool:
    if private is None and isinstance(writer, ExplanationWriter):
        return writer.private
    paths = (str, os.PathLike)
    place = writer if isinstance(writer, paths) else getattr(writer, "log_dir", None)
    return is_private(private, place if isinstance(place, paths) else None, uploaded=uploaded)


def _queue(writer: Any, strict: bool | None) -> Background | None:
    """What to hand events to, its earlier errors told; None to write them here."""
    queue = writer._queue() if isinstance(writer, ExplanationWriter) else None
    if queue is not None:
        queue.tell(strict=strict)
    return queue


def _events_of(
    tag: str, explanation: Explanation, step: int, wall_time: float, scalars: bool
) -> list[tuple[str, Event]]:
    """An explanation's events in the order they are written, each with its first tag."""
    event = explanation_event(tag, explanation, step=step, wall_time=wall_time, scalars=scalars)
    images = {entry.image.hash: entry.image for entry in explanation.images if entry.image}
    return [
        *(
            (IMAGE_PREFIX + name, image_event(image, wall_time=wall_time))
            for name, image in images.items()
        ),
        (sample_tags(tag).explanation, event),
    ]


def _write_explanation(
    sink: Sink | StartFile | Board,
    tag: str,
    explanation: Explanation,
    step: int,
    wall_time: float,
    scalars: bool,
) -> None:
    """Encodes and writes an explanation, and before it those of its images that are new."""
    if isinstance(sink, Board):
        sink.add_explanation(tag, explanation, step, scalars=scalars)
        return
    events = _events_of(tag, explanation, step, wall_time, scalars)
    if isinstance(sink, StartFile):
        return sink.append(events)
    for name, event in events:
        image = image_hash(name)
        if image is None:
            sink.write(event)
        elif image not in sink.logged_images:
            sink.write(event)
            sink.logged_images.add(image)


@contextmanager
def _sink(writer: Any) -> Iterator[Sink | StartFile | Board]:
    """The writer's sink, flushed afterwards."""
    sink = writer.file if isinstance(writer, ExplanationWriter) else sink_of(writer)
    yield sink
    sink.flush()


def _checked_sink(writer: Any) -> Sink | Board | None:
    """A logger's; None for our own writers and paths, and where the logger is in trouble."""
    if isinstance(writer, (ExplanationWriter, str, os.PathLike)):
        return None
    try:
        return sink_of(writer)
    except UnknownLogger:
        raise
    except Exception:
        return None  # a full disk, say: told where it is written to
