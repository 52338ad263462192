"""Logging that the caller does not wait for: one thread behind a bounded queue, and what it needs.

The thread lives only while there is work. So nothing has to be closed for it to end, a program
that ends waits for the last record of its own accord (Python joins such threads), and most forks
happen while there is none.

A signal's handler may raise in the main thread (``sys.exit`` on SIGTERM, Ctrl-C) or close a writer,
at almost any call. So whoever hands over shares no lock with the thread: each step is one operation
of a ``deque`` or a ``dict``, in an order that is right wherever it breaks off, and whoever waits
sees to it that somebody works.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import traceback
from _thread import start_new_thread
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakSet

from mmx_core.errors import without_frames
from mmx_core.events.guard import guarded
from mmx_core.events.header_writer import plain
from mmx_core.explanation import Explanation, ScaleExplanation

MAX_WAITING = 64
MAX_HELD_BYTES = 256 * 1024 * 1024
# Roughly, of a token or a candidate with its text.
_BYTES_PER_ENTRY = 250
_SETTLING = "bringing the log to the disk"
# After which whoever waits looks again, though nobody told: an interrupt may have kept them.
_PATIENCE_SECONDS = 0.5
# Left to the caller, who goes on: a thread that sets to work would keep it from Python for 5 ms.
_START_SECONDS = 0.0005

Job = Callable[[], None]


@dataclass(eq=False)
class _Handed:
    """A job that was handed over."""

    what: str
    job: Job
    size: int
    done: bool = False


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
        # The first is being done, and leaves once it is; the last of all once it is on the disk.
        self._waiting: deque[_Handed] = deque()
        # Held by whoever works, and who that is: a thread, or a caller where none can be had.
        self._working = threading.Lock()
        self._worker: int | None = None
        # Callers within ``submit`` and their threads, one of which looks for room; whether more
        # may come.
        self._entering: dict[object, int] = {}
        self._entry = threading.RLock()
        self._closed = False
        # Of those who wait for a change.
        self._watching: deque[SimpleQueue[None]] = deque()
        # By activity and kind, so that a run that goes on for weeks does not collect them.
        self._errors: OrderedDict[tuple[str, str], Exception] = OrderedDict()
        _known.add(self)

    def submit(self, what: str, job: Job, *, size: int = 0) -> None:
        """Hands over a job; waits where the queue is full.

        Args:
            what: The activity, as :func:`~mmx_core.events.guard.guarded` names it.
            job: What to do. An error is kept for :meth:`tell`.
            size: Bytes that it holds until it is done.

        Raises:
            OSError: It was closed before.
        """
        me = object()
        try:
            self._entering[me] = threading.get_ident()
            if self._closed:
                raise OSError("the writer was closed meanwhile")
            with self._entry:
                self._until(partial(self._has_room, size))
                self._waiting.append(_Handed(what, job, size))
            self._see_to_work()
        finally:
            self._entering.pop(me, None)
            self._tell_watchers()

    def wait(self) -> None:
        """Returns once all that was handed over before is done and on the disk."""
        if self._waiting:
            mark = _Handed(_SETTLING, self._settle, 0)
            self._waiting.append(mark)
            self._until(lambda: mark.done)

    def close(self) -> None:
        """Takes no more jobs, and returns once those of all who came before are on the disk."""
        self._closed = True
        # A signal's handler may close what the call below it waits to enter.
        here = threading.get_ident()

        def is_over() -> bool:
            # In this order: who leaves has handed over.
            inside = list(self._entering.values())
            return all(at == here for at in inside) and not self._waiting

        self._until(is_over)

    def tell(self, *, strict: bool | None = None) -> None:
        """Warns about errors of jobs done since, or raises the first, as ``guarded`` does."""
        while True:
            _untold.discard(self)  # before they are looked for: another may come
            try:
                (what, _), error = self._errors.popitem(last=False)
            except KeyError:
                return
            if self._errors:
                _untold.add(self)
            with guarded(what, strict=strict):
                raise error

    @property
    def inherited(self) -> bool:
        """Whether this is a forked child's copy: its thread is gone."""
        return self._process != os.getpid()

    def _has_room(self, size: int) -> bool:
        sizes = [handed.size for handed in list(self._waiting)]
        held = sum(sizes)
        return len(sizes) <= self._max_waiting and (held == 0 or held + size <= self._max_bytes)

    def _until(self, is_so: Callable[[], bool]) -> None:
        """Waits; whoever is at work itself (a handler amid a job) does not."""
        while not is_so() and self._worker != threading.get_ident():
            self._see_to_work()
            news: SimpleQueue[None] = SimpleQueue()
            self._watching.append(news)
            if not is_so():  # or nobody might tell
                with suppress(Empty):
                    news.get(timeout=_PATIENCE_SECONDS)

    def _tell_watchers(self) -> None:
        with suppress(IndexError):
            while True:
                self._watching.popleft().put(None)

    def _see_to_work(self) -> None:
        if self._waiting and not self._working.locked() and not self._start():
            self._work()

    def _start(self) -> bool:
        """Starts the thread; False where none can be had, and the caller does the work itself."""
        # Once the main thread is over nobody would wait for it: handlers of ``atexit`` may log.
        if not threading.main_thread().is_alive():
            return False
        begun: SimpleQueue[bool] = SimpleQueue()
        try:
            start_new_thread(self._launch, (begun,))
        except RuntimeError:  # as many threads as the system grants
            return False
        return begun.get()

    def _launch(self, begun: SimpleQueue[bool]) -> None:
        """Starts the thread, which the program's end waits for, from another that it does not.

        ``Thread.start`` is written in Python and takes locks, which an interrupt would leave taken;
        only the main thread is interrupted.
        """
        thread = threading.Thread(
            target=self._work, args=(begun,), name="mmx-logging", daemon=False
        )
        try:
            thread.start()
        except RuntimeError:
            begun.put(False)

    def _work(self, begun: SimpleQueue[bool] | None = None) -> None:
        """Does all jobs there are, those included that come while it ends."""
        me = threading.get_ident()
        if begun is not None:
            begun.put(True)
            time.sleep(_START_SECONDS)
        while self._waiting and self._worker != me:
            with self._working:
                self._worker = me
                try:
                    self._do_all()
                finally:
                    self._worker = None

    def _do_all(self) -> None:
        while self._waiting:
            handed = self._waiting[0]
            try:
                self._do(handed.what, handed.job)
                if len(self._waiting) == 1 and handed.job is not self._settle:
                    self._do(_SETTLING, self._settle)
            finally:
                handed.done = True
                self._waiting.popleft()
                self._tell_watchers()
            del handed  # or it would hold its explanation until the next one comes

    def _do(self, what: str, job: Job) -> None:
        try:
            job()
        except Exception as error:
            kind = f"{type(error).__name__} {getattr(error, 'errno', None)}"
            self._errors.setdefault((what, kind), without_frames(error))
            _untold.add(self)


_known: WeakSet[Background] = WeakSet()
_untold: set[Background] = set()


def _finish_at_exit() -> None:
    """What is left where an interrupt came while Python waited for the threads; errors not told.

    Otherwise those that came after the last call would be lost.
    """
    for background in {*_known, *_untold}:
        if background.inherited:
            continue
        background.wait()
        while background._errors:
            try:
                background.tell()
            except Exception:  # where it is strict; nobody is left to catch it, and others follow
                traceback.print_exc()


atexit.register(_finish_at_exit)


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
        image_gain=_copied(explanation.image_gain),
        image_gains=_copied(explanation.image_gains),
        influence=_copied(explanation.influence),
        estimate=_copied(explanation.estimate),
        used=_copied(explanation.used),
        alternatives=tuple(
            replace(entry, heatmaps=_copied(entry.heatmaps), influence=_copied(entry.influence))
            for entry in explanation.alternatives
        ),
        metrics=dict(explanation.metrics),
        provenance=plain(explanation.provenance),
    )


def held_bytes(explanation: Explanation) -> int:
    """What an explanation takes in memory: arrays and pictures, and roughly the rest."""
    arrays = [
        *explanation.heatmaps,
        explanation.relevance,
        explanation.text_activation,
        explanation.interference_weights,
        *(explanation.used or ()),
    ]
    arrays += [a for a in (explanation.influence, explanation.estimate) if a is not None]
    for scale in explanation.scales:
        arrays += scale.maps
    for entry in explanation.alternatives:
        arrays += entry.heatmaps
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
