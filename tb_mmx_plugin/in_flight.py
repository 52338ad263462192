"""How much is answered at once: TensorBoard starts a thread for every request, without limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from werkzeug import wrappers

from tb_mmx_plugin.refusals import RequestError

# Four keep the readers busy, of which there are 16.
MAX_BUILT_AT_ONCE = 4
MAX_SENT_BYTES = 256 * 1024 * 1024
# Answers below this size are always sent: clients that do not read must not stop the others.
SMALL_BYTES = 1024 * 1024
WAIT_SECONDS = 30
_BUSY = "TensorBoard is busy with other requests; try again."


class Busy(RequestError):
    """Other answers take all the memory that there is for answers."""

    status = 503


class InFlight:
    """Bounds the answers that are being built, and the bytes of large ones that are being sent."""

    def __init__(self) -> None:
        self._builders = BoundedSemaphore(MAX_BUILT_AT_ONCE)
        self._lock = Lock()
        self._sent_bytes = 0

    @contextmanager
    def building(self) -> Iterator[None]:
        """Waits for its turn to build an answer.

        Raises:
            Busy: It did not come.
        """
        if not self._builders.acquire(timeout=WAIT_SECONDS):
            raise Busy(_BUSY)
        try:
            yield
        finally:
            self._builders.release()

    def admit(self, response: wrappers.Response) -> wrappers.Response:
        """The response, counted until it has been sent.

        Raises:
            Busy: It is large, and there is no room for it.
        """
        size = int(response.headers.get("Content-Length", 0))
        if size <= SMALL_BYTES:
            return response
        with self._lock:
            if self._sent_bytes and self._sent_bytes + size > MAX_SENT_BYTES:
                raise Busy(_BUSY)
            self._sent_bytes += size
        response.call_on_close(lambda: self._release(size))
        return response

    def _release(self, size: int) -> None:
        with self._lock:
            self._sent_bytes -= size
