"""Reads the blobs of steps, side by side, within what an answer may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from tensorboard import errors
from tensorboard.context import RequestContext

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion, decode_json, payload_length
from mmx_core.events.header import check_place
from tb_mmx_plugin.frame import StepBlobs
from tb_mmx_plugin.refusals import NotLogged, Unreadable

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
# One step may be larger than an answer of several, but not without end.
MAX_STEP_BYTES = 256 * 1024 * 1024
MAX_BLOBS = 16_384
# A header whose place is looked at before it is handed on; the largest real ones are 200 kB.
_MAX_GLANCE_BYTES = 1024 * 1024
_GONE = "TensorBoard has dropped this record meanwhile; reload."
_NO_KEY = (
    "TensorBoard's data server cannot open a record whose run or sample has a double quote, a "
    "backslash or a control character in its name; start TensorBoard with --load_fast=false."
)
# Under the fast loader a read takes about 44 ms whatever its size, so reads run side by side.
_READERS = 16

Datum = Any


class StepReader:
    """Reads what references to blobs stand for.

    Args:
        provider: TensorBoard's data provider.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="mmx-blobs")

    def steps(self, context: RequestContext, tag: str, data: Sequence[Datum]) -> list[StepBlobs]:
        """The first of these steps that fit into an answer, and always the first.

        Raises:
            NotLogged: One of them was dropped meanwhile.
            Unreadable: The data server has no key for them.
        """
        read: list[StepBlobs] = []
        waiting, size, count, largest = list(data), 0, 0, 0
        while waiting:
            # Sizes are known only once read: the first step tells how many go side by side.
            room = max(0, MAX_RESPONSE_BYTES - size)
            part = waiting[: room // largest if largest else 1]
            while part and read and count + sum(len(datum.values) for datum in part) > MAX_BLOBS:
                part.pop()
            if not part:
                break
            for datum, blobs in zip(
                part, self._sides(context, part, room if read else MAX_STEP_BYTES), strict=True
            ):
                taken = sum(map(len, blobs or ()))
                if blobs is None and not read:
                    too_large = f"The explanation of step {datum.step} is too large to be shown."
                    read.append(StepBlobs(datum.step, error=too_large))
                elif blobs is None or (read and size + taken > MAX_RESPONSE_BYTES):
                    return read
                else:
                    error = _misplaced(tag, datum.step, blobs)
                    read.append(StepBlobs(datum.step, datum.wall_time, blobs, error))
                size, count = size + taken, count + len(datum.values)
                largest = max(largest, taken, 1)
            waiting = waiting[len(part) :]
        return read

    def read(
        self, context: RequestContext, keys: Iterable[str], limit: int = MAX_STEP_BYTES
    ) -> list[bytes | None]:
        """Blobs side by side; None for those that were not begun before the limit was reached.

        Raises:
            NotLogged: One of them was dropped meanwhile.
            Unreadable: The data server has no key for them.
        """
        left = limit

        def read(key: str) -> bytes | None:
            nonlocal left
            if left < 0:
                return None
            try:
                blob = bytes(self._provider.read_blob(context, blob_key=key))
            except (errors.NotFoundError, KeyError, IndexError):
                raise NotLogged(_GONE) from None
            except errors.InvalidArgumentError:
                raise Unreadable(_NO_KEY) from None
            left -= len(blob)
            return blob

        return list(self._pool.map(read, keys))

    def _sides(
        self, context: RequestContext, data: Sequence[Datum], limit: int
    ) -> Iterator[list[bytes] | None]:
        """Each step's blobs, read side by side; None for what the limit in bytes leaves unread."""
        counts = [len(datum.values) for datum in data]
        if sum(counts) > MAX_BLOBS:
            yield from [None] * len(data)
            return
        blobs = iter(self.read(context, [r.blob_key for d in data for r in d.values], limit))
        for count in counts:
            group = [blob for blob in islice(blobs, count) if blob is not None]
            yield group if len(group) == count else None


def _misplaced(tag: str, step: int, blobs: Sequence[bytes]) -> str | None:
    """What is wrong where a record was logged elsewhere; other damage is the panel's to find."""
    if not blobs or payload_length(blobs[0]) > _MAX_GLANCE_BYTES:
        return None
    try:
        header = decode_json(blobs[0])
    except (DamagedBlob, UnsupportedVersion):
        return None
    try:
        check_place(header if isinstance(header, dict) else {}, tag, step)
    except DamagedBlob as error:
        return f"The record is damaged: {error}."
    return None
