"""Reads from TensorBoard's data server that do not wait 40 ms for an acknowledgement.

The data server sends an answer in several packets and holds back the later ones until the first has
been acknowledged (Nagle's algorithm), while this side's kernel delays acknowledgements by 40 ms,
hoping for something to send along with them. So a read takes 44 ms, whatever its size, unless
something else is sent meanwhile: here a question that costs next to nothing, on the same
connection.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

# Answers come within a millisecond or two, those to the largest questions within a second.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.016
_AT_ONCE = 4
_TIMEOUT_SECONDS = 5

logger = logging.getLogger(__name__)


def nudged(provider: Any) -> Any:
    """A provider whose reads are answered promptly; one without a data server as it is."""
    stub = getattr(provider, "_stub", None)
    if not hasattr(getattr(stub, "GetExperiment", None), "future"):
        return provider
    prompt = copy.copy(provider)
    prompt._stub = _NudgedStub(stub)
    return prompt


class _NudgedStub:
    """The data server's calls, each nudged until it is answered."""

    def __init__(self, stub: Any) -> None:
        # Here, because a viewer without the data server may have no gRPC.
        from tensorboard.data.proto.data_provider_pb2 import GetExperimentRequest

        self._stub = stub
        question = partial(
            stub.GetExperiment.future, GetExperimentRequest(), timeout=_TIMEOUT_SECONDS
        )
        self._nudger = Nudger(question)

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, getattr(self._stub, name))

    def ReadBlob(self, request: Any) -> list[Any]:
        """A stream, which is answered only once it has been read to its end."""
        with self._nudger:
            return list(self._stub.ReadBlob(request))

    def _call(self, call: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
        with self._nudger:
            return call(*arguments, **settings)


class Nudger:
    """Sends something now and then while an answer is waited for; a context manager.

    Args:
        send: Sends a question and returns its future.
    """

    def __init__(self, send: Callable[[], Any]) -> None:
        self._send = send
        self._changed = threading.Condition()
        self._waiting = 0
        self._newcomers = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        with self._changed:
            self._waiting += 1
            self._newcomers = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mmx-nudge", daemon=True)
                self._thread.start()
            self._changed.notify()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._waiting -= 1

    def _run(self) -> None:
        # Held until they are done: dropping one would cancel it, and a server that sees many
        # cancelled closes the connection.
        sent: deque[Any] = deque()
        pause = _FIRST_PAUSE
        try:
            while True:
                with self._changed:
                    while not self._waiting:
                        self._changed.wait()
                    if self._newcomers:
                        self._newcomers, pause = False, _FIRST_PAUSE
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                while sent and sent[0].done():
                    sent.popleft()
                if self._waiting and len(sent) < _AT_ONCE:
                    sent.append(self._send())
        except Exception:  # reads take 44 ms from now on, and are answered all the same
            logger.debug("Reads are not nudged any more", exc_info=True)
