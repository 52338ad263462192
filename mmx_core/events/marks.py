"""Which training the writers of this program log: those that mark the same one belong together.

A training may have several writers, such as a callback for each set of probe samples. Each marks
where it begins or goes on; were each mark another training, the last would void the others.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mmx_core.events.runs import Going


@dataclass(eq=False)
class Mark:
    """Where a training began or went on.

    Attributes:
        going: As its start says.
        joinable: Whether another writer that marks the same means this one: until one of its
            writers is closed.
        logged: By tag the writer that has logged it since, and the last step.
    """

    going: Going
    joinable: bool = True
    logged: dict[str, tuple[object, int]] = field(default_factory=dict)

    def has(self, tag: str, step: int, *, apart_from: object) -> bool:
        """Whether another writer was as far already, by which the two are not one training's."""
        writer, last = self.logged.get(tag, (apart_from, step))
        return writer is not apart_from and step <= last


class Marks:
    """The last mark of each run's directory in this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As in a forked child, whose trainings are its own."""
        self._making = threading.RLock()
        self._last: dict[str, Mark] = {}

    def last(self, logdir: str) -> Mark | None:
        """The mark that whoever logs there now comes after."""
        return self._last.get(logdir)

    @contextmanager
    def made(self, logdir: str) -> Iterator[Callable[[Mark], None]]:
        """No other is made meanwhile; what is given to the function becomes the last one."""
        with self._making:
            yield lambda mark: self._last.__setitem__(logdir, mark)


marks = Marks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=marks.forget)
