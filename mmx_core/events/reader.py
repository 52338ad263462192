"""Reading explanations back from a logdir: all of them, none sampled away."""

from __future__ import annotations

import os
import warnings
from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.log import Damage, LoggedRun, Report, read_runs, runs_of
from mmx_core.events.place import expanded
from mmx_core.events.tags import PREFIX, shown_name
from mmx_core.explanation import Explanation

if TYPE_CHECKING:
    import pandas

_Wanted = TypeVar("_Wanted")


class DamagedRecordWarning(UserWarning):
    """A record of an event file could not be read and was skipped."""


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
        self.logdir = expanded(logdir)
        self._run, self._tag, self._step = run, tag, step
        self.damaged: list[Damage] = []

    def __iter__(self) -> Iterator[Explanation]:
        self.damaged = []
        for name, folders in runs_of(self.logdir).items():
            for part in self._parts(name, folders):
                for run in read_runs(part, self._report, wanted=self._is_wanted):
                    if len(part) < len(folders) or _wanted(run.run, self._run):
                        yield from decoded(run, self._report)

    def __len__(self) -> int:
        raise TypeError(
            "read_explanations reads while it is iterated over, and does not know how many come; "
            "keep them first: found = list(mmx_core.read_explanations(logdir))"
        )

    def __getitem__(self, index: Any) -> Explanation:
        raise TypeError(
            f"read_explanations reads while it is iterated over, and has no [{index!r}]; keep them "
            "first: found = list(mmx_core.read_explanations(logdir)), or ask for some with its "
            "arguments run, tag and step"
        )

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __repr__(self) -> str:
        return f"Explanations({self.logdir!r})"

    def to_pandas(self) -> pandas.DataFrame:
        """One row per answer token of every explanation; needs the extra ``analysis``.

        Returns:
            The frames of :meth:`Explanation.to_pandas`, one below the other.
        """
        return to_pandas(self)

    def _parts(self, name: str, folders: dict[str, str]) -> Iterator[dict[str, str]]:
        """What of a run's directory to read: the whole, or single starts that are asked for."""
        # An earlier training's name begins with the directory's.
        if (
            _wanted(name, self._run)
            or not isinstance(self._run, str)
            or self._run.startswith(f"{name} (")
        ):
            yield folders
            return
        for folder in folders.keys() & {self._run}:
            yield {folder: folders[folder]}

    def _is_wanted(self, tag: str, step: int) -> bool:
        return _wanted_tag(tag, self._tag) and _wanted(step, self._step)

    def _report(self, damage: Damage) -> None:
        self.damaged.append(damage)
        if not damage.silent:
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
            below the logdir, ``"."`` for the logdir itself. Where several trainings were logged
            into it, that is the latest; the others' names have their time behind it.
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
    check_logdir(expanded(logdir))
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


def decoded(run: LoggedRun, report: Report) -> Iterator[Explanation]:
    """Decodes a run's explanations one at a time, by tag and step; damage is reported."""
    for tag, steps in run.samples.items():
        for step in steps:
            try:
                yield run.decode(tag, step, report)
            except (DamagedBlob, UnsupportedVersion) as error:
                report(Damage(run.run, tag, step, str(error)))


def _wanted(value: _Wanted, wanted: _Wanted | Container[_Wanted] | None) -> bool:
    if wanted is None or value == wanted:
        return True
    return not isinstance(wanted, (str, int)) and value in wanted  # type: ignore[operator]


def _wanted_tag(tag: str, wanted: str | Container[str] | None) -> bool:
    """Whether a stored tag is asked for: as it is stored, or as a person writes it."""
    names = (tag, tag.removeprefix(PREFIX), shown_name(tag), PREFIX + shown_name(tag))
    return any(_wanted(name, wanted) for name in names)
