"""Which directories make up a run: every start of a writer has one of its own (wire_format.md).

A directory in which somebody else's event file grows is no place for ours: TensorBoard's loader in
Python never returns to a file once there is a later one, and a marker of ours would erase what they
logged. So each start logs into ``RUN/mmx-TIME-ID``, and who reads takes them together again. The
directory's name says how it goes on from the others, so that nobody has to open a file to know.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from mmx_core.events.tags import natural_key

_START = re.compile(
    r"mmx-(?P<time>[0-9]{8}T[0-9]{6}\.[0-9]{6})-(?P<id>[0-9a-f]{6})"
    r"(?:-(?P<word>add)|-from-(?P<first>[0-9]{1,19}))?"
)
_TIME = "%Y%m%dT%H%M%S.%f"
ROOT = "."

Steps = Mapping[str, Collection[int]]


@dataclass(frozen=True)
class Going:
    """How a start goes on from those before it.

    Attributes:
        kind: ``from``: what the run logged at step ``first`` or later does not count any more; from
            step 0 it is a training of its own. ``add``: it belongs to the latest training, and
            replaces records of the same tag and step. ``unmarked``: it belongs to the latest
            training, but one of its own where it logs a tag's step that is there already.
        first: The step, for ``from``.
    """

    kind: Literal["from", "add", "unmarked"] = "unmarked"
    first: int = 0


UNMARKED = Going()


@dataclass(frozen=True)
class Start:
    """A directory with event files.

    Attributes:
        folder: Its path below the logdir, which is what TensorBoard calls a run.
        run: The run it belongs to.
        time: When it began, sortable; empty for the run's own directory, where a summary writer of
            the user's, or a version before these directories, has logged.
        going: How it goes on.
    """

    folder: str
    run: str
    time: str = ""
    going: Going = UNMARKED


@dataclass
class Training:
    """Starts that make up one training: what is shown as one run.

    Attributes:
        run: Its name: the directory's for the latest one, with the time for earlier ones.
        folders: Its starts' directories, in their order.
        sources: By tag and step the directory that holds the record that counts.
    """

    run: str
    folders: list[str] = field(default_factory=list)
    sources: dict[str, dict[int, str]] = field(default_factory=dict)

    def goes_on(self, start: Start, steps: Steps) -> bool:
        """Whether a later start belongs to this training."""
        if start.going.kind == "unmarked":
            return all(self.sources.get(tag, {}).keys().isdisjoint(steps[tag]) for tag in steps)
        return start.going.kind == "add" or start.going.first > 0

    def take(self, start: Start, steps: Steps) -> None:
        """Takes in a start that belongs to it."""
        self.folders.append(start.folder)
        if start.going.kind == "from":
            first = start.going.first
            for tag, sources in list(self.sources.items()):
                kept = {step: folder for step, folder in sources.items() if step < first}
                self.sources[tag] = kept
                if not kept:
                    del self.sources[tag]
        for tag, logged in steps.items():
            self.sources.setdefault(tag, {}).update(dict.fromkeys(logged, start.folder))


def start_name(time: datetime, going: Going = UNMARKED) -> str:
    """The name of a new start's directory.

    Args:
        time: When it begins, aware of its time zone. To follow the starts that are there even
            where the clock has gone back, see :func:`time_of`.
        going: How it goes on.
    """
    stamp = time.astimezone(timezone.utc).strftime(_TIME)
    mark = {"from": f"-from-{going.first}", "add": "-add", "unmarked": ""}[going.kind]
    return f"mmx-{stamp}-{secrets.token_hex(3)}{mark}"


def time_of(name: str) -> datetime | None:
    """When the start whose directory has this name began; None for other directories."""
    found = _START.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found["time"], _TIME).replace(tzinfo=timezone.utc)
    except ValueError:  # a 13th month: somebody else's name after all
        return None


def start_of(folder: str) -> Start:
    """What a directory's path below the logdir says; always with ``/`` between its parts."""
    parent, _, name = folder.rpartition("/")
    found = _START.fullmatch(name)
    if found is None or time_of(name) is None:
        return Start(folder, folder)
    going = Going("add") if found["word"] else UNMARKED
    if found["first"] is not None:
        going = Going("from", int(found["first"]))
    return Start(folder, parent or ROOT, found["time"], going)


def trainings(logged: Mapping[str, Steps]) -> list[Training]:
    """Takes directories together: which records count, and under which run's name.

    Args:
        logged: By directory (as TensorBoard names it) the tags and steps of its explanations.

    Returns:
        Naturally sorted by run; of one run the latest training first.
    """
    by_run: dict[str, list[Start]] = {}
    for folder in logged:
        start = start_of(folder)
        by_run.setdefault(start.run, []).append(start)
    taken = set(by_run)
    found: list[Training] = []
    for run in sorted(by_run, key=natural_key):
        parts: list[tuple[str, Training]] = []
        for start in sorted(by_run[run], key=lambda start: (start.time, start.folder)):
            if not parts or not parts[-1][1].goes_on(start, logged[start.folder]):
                parts.append((start.time, Training(run)))
            parts[-1][1].take(start, logged[start.folder])
        for time, training in parts[:-1]:
            training.run = _unique(f"{run} ({_readable(time)})", taken)
            taken.add(training.run)
        found += [training for _, training in reversed(parts)]
    return found


def sources(folders: Sequence[str], logged: Mapping[str, Steps]) -> dict[str, dict[int, str]]:
    """By tag and step the directory whose record counts.

    Args:
        folders: Of one training, in their order.
        logged: As for :func:`trainings`; of some tags alone, perhaps.
    """
    training = Training("")
    for folder in folders:
        training.take(start_of(folder), logged.get(folder, {}))
    return training.sources


def _readable(time: str) -> str:
    """Of a start's time, which for the run's own directory nobody knows."""
    if not time:
        return "earlier"
    return f"{datetime.strptime(time, _TIME):%Y-%m-%d %H:%M:%S}"


def _unique(name: str, taken: Collection[str]) -> str:
    number, wanted = 2, name
    while wanted in taken:
        wanted, number = f"{name} #{number}", number + 1
    return wanted
