"""Logging that the caller does not wait for: one thread behind a bounded queue, and what it needs.

The thread lives only while there is work. So nothing has to be closed for it to end, a program
that ends waits for the last record of its own accord (Python joins such threads), and most forks
happen while there is none.
"""

from __future__ import annotations

import atexit
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mmx_core.events.guard import guarded
from mmx_core.events.header import plain
from mmx_core.explanation import Explanation, ScaleExplanation
from mmx_core.kept_error import without_frames

MAX_WAITING = 64
MAX_HELD_BYTES = 256 * 1024 * 1024
# Roughly, of a token or a candidate with its text.
_BYTES_PER_ENTRY = 250
_SETTLING = "bringing the log to the disk"

Job = Callable[[], None]


class Background:
    """Does jobs in order on a thread of its own; whoever hands over too many waits.

    Args:
        settle: Brings what was written to the disk. Done after a job that no other waits behind,
            and where somebody waits for it.
        max_waiting: Jobs that may wait.
        max_bytes: What jobs that wait, and the one being done, may hold together. A larger job is
            taken once it is alone.
    """

    def __init__(
        self, settle: Job, *, max_waiting: int = MAX_WAITING, max_bytes: int = MAX_HELD_BYTES
    ) -> None:
        self._settle = settle
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, Job, int]] = deque()
        # Of the job being done.
        self._busy_bytes = 0
        self._thread: threading.Thread | None = None
        # Jobs, counted: begun, on the disk; and how many of them somebody waits for.
        self._begun = self._settled = self._wanted = 0
        # Callers within ``submit`` and their threads, and whether more may come.
        self._entering: dict[object, int] = {}
        self._closed = False
        # By activity and kind, so that a run that goes on for weeks does not collect them.
        self._errors: dict[tuple[str, str], Exception] = {}

    def submit(self, what: str, job: Job, *, size: int = 0) -> None:
        """Hands over a job; waits where the queue is full.

        Args:
            what: The activity, as :func:`~mmx_core.events.guard.guarded` names it.
            job: What to do. An error is kept for :meth:`tell`.
            size: Bytes that it holds until it is done.

        Raises:
            OSError: It was closed before.
        """
        me, works = object(), False
        try:
            with self._changed:
                if self._closed:
                    raise OSError("the writer was closed meanwhile")
                self._entering[me] = threading.get_ident()
                while not self._has_room(size):
                    self._changed.wait()
                # The thread first: whatever interrupts this (Ctrl-C), no job waits for none.
                works = self._thread is None and not self._start()
                self._waiting.append((what, job, size))
                if works:
                    self._thread = threading.current_thread()
                self._leave(me)
            if works:
                self._work()
        except BaseException:
            with self._changed:
                self._leave(me)
                if works:
                    self._end()  # or the others would wait for work that nobody does
            raise

    def wait(self) -> None:
        """Returns once all that was handed over before is done and on the disk."""
        with self._changed:
            wanted = self._begun + len(self._waiting)
            while self._is_elsewhere():
                if self._settled >= wanted and self._waiting:
                    return  # others log without a pause; else the thread is about to end
                if self._wanted <= self._settled:  # one after the other, so that none is put off
                    self._wanted = wanted
                self._changed.wait()

    def close(self) -> None:
        """Takes no more jobs, and returns once those of all who came before are on the disk."""
        with self._changed:
            self._closed = True
            # A signal's handler may close what the call below it waits to enter.
            here = threading.get_ident()
            while self._is_elsewhere() or any(at != here for at in self._entering.values()):
                self._changed.wait()

    def tell(self, *, strict: bool | None = None) -> None:
        """Warns about errors of jobs done since, or raises the first, as ``guarded`` does."""
        while True:
            with self._changed:
                if not self._errors:
                    _untold.discard(self)
                    return
                key = next(iter(self._errors))
                error = self._errors.pop(key)
            with guarded(key[0], strict=strict):
                raise error

    @property
    def inherited(self) -> bool:
        """Whether this is a forked child's copy: its thread is gone and its lock may be held."""
        return self._process != os.getpid()

    def _leave(self, who: object) -> None:
        self._entering.pop(who, None)
        self._changed.notify_all()

    def _is_elsewhere(self) -> bool:
        """Whether another thread than the caller's is at work."""
        return self._thread not in (None, threading.current_thread())

    def _has_room(self, size: int) -> bool:
        if self._thread is None:
            return True
        held = self._busy_bytes + sum(size for _, _, size in self._waiting)
        return len(self._waiting) < self._max_waiting and (
            held + size <= self._max_bytes or held == 0
        )

    def _start(self) -> bool:
        """Starts the thread; False where none can be had, and the caller does the work itself."""
        # Once the main thread is over nobody would wait for it: handlers of ``atexit`` may log.
        if not threading.main_thread().is_alive():
            return False
        thread = threading.Thread(target=self._work, name="mmx-logging", daemon=False)
        try:
            thread.start()
        except RuntimeError:  # as many threads as the system grants
            return False
        # Now that it runs (it waits for the lock, which the caller holds): one that an interrupt
        # kept from starting would be waited for without end.
        self._thread = thread
        return True

    def _work(self) -> None:
        """Does all jobs and ends; to be called by ``_thread``."""
        try:
            while True:
                with self._changed:
                    if self._thread is not threading.current_thread():
                        return  # started by a call that was interrupted before it named this one
                    settled = self._begun
                    if self._settled < settled and (not self._waiting or self._is_wanted()):
                        what, job, size = _SETTLING, self._settle, 0
                    elif self._waiting:
                        what, job, size = self._waiting.popleft()
                        self._begun, settled = self._begun + 1, self._settled
                        self._changed.notify_all()  # there is room for another
                    else:
                        # Before the lock is let go: whoever comes next starts another thread.
                        self._end()
                        return
                    self._busy_bytes = size
                try:
                    job()
                except Exception as error:
                    self._keep(what, error)
                del job  # or it would hold its explanation until the next one comes
                with self._changed:
                    self._busy_bytes, self._settled = 0, settled
                    self._changed.notify_all()
        finally:
            self._end()

    def _is_wanted(self) -> bool:
        """Whether somebody waits for what is done and not yet on the disk."""
        return self._settled < self._wanted <= self._begun

    def _end(self) -> None:
        with self._changed:
            if self._thread is threading.current_thread():
                self._thread, self._busy_bytes = None, 0
                self._changed.notify_all()

    def _keep(self, what: str, error: Exception) -> None:
        kind = f"{type(error).__name__} {getattr(error, 'errno', None)}"
        with self._changed:
            self._errors.setdefault((what, kind), without_frames(error))
            _untold.add(self)


_untold: set[Background] = set()


def _tell_at_exit() -> None:
    """Errors that came after the last call would be lost; threads have ended by now."""
    for background in list(_untold):
        while background in _untold and not background.inherited:
            try:
                background.tell()
            except Exception:  # where it is strict; nobody is left to catch it, and others follow
                traceback.print_exc()


atexit.register(_tell_at_exit)


def snapshot(explanation: Explanation) -> Explanation:
    """A copy whose arrays and mappings are its own; what cannot change is shared.

    An explanation is frozen, but its arrays are not.
    """
    return replace(
        explanation,
        heatmaps=_copied(explanation.heatmaps),
        scales=tuple(map(_copied_scale, explanation.scales)),
        relevance=explanation.relevance.copy(),
        text_activation=explanation.text_activation.copy(),
        interference_weights=explanation.interference_weights.copy(),
        grounding=explanation.grounding.copy(),
        image_grounding=_copied(explanation.image_grounding),
        alternatives=tuple(
            replace(entry, heatmaps=_copied(entry.heatmaps)) for entry in explanation.alternatives
        ),
        metrics=dict(explanation.metrics),
        provenance=plain(explanation.provenance),
    )


def held_bytes(explanation: Explanation) -> int:
    """What an explanation takes in memory: arrays and pictures, and roughly the rest."""
    arrays = [
        *explanation.per_image,
        explanation.relevance,
        explanation.text_activation,
        explanation.interference_weights,
    ]
    for scale in explanation.scales:
        arrays += scale.per_image
    for entry in explanation.alternatives:
        arrays += entry.per_image
    pictures = sum(len(entry.image.data) for entry in explanation.images if entry.image)
    words = len(explanation.context) + sum(map(len, explanation.candidates))
    return sum(array.nbytes for array in arrays) + pictures + _BYTES_PER_ENTRY * words


def _copied_scale(scale: ScaleExplanation) -> ScaleExplanation:
    return replace(
        scale,
        maps=_copied(scale.maps),
        probability=scale.probability.copy(),
        rank=scale.rank.copy(),
        divergence=scale.divergence.copy(),
    )


def _copied(arrays: Any) -> Any:
    """One array, several, or none."""
    if isinstance(arrays, tuple):
        return tuple(array.copy() for array in arrays)
    return None if arrays is None else arrays.copy()
