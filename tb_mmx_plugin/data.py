"""What the routes answer, as plain values: pure functions over TensorBoard's data provider.

Only the data provider is used: under the fast loader there is no multiplexer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

from tensorboard import errors
from tensorboard.context import RequestContext
from tensorboard.data import provider

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion, decode_json, payload_length
from mmx_core.events.header import Header, check_place
from mmx_core.events.runs import sources
from mmx_core.events.tags import IMAGE_PREFIX, INDEX_PLUGIN, INDEX_PREFIX, PLUGIN, PREFIX
from mmx_core.events.wire import check_explanation, decode_image
from mmx_core.explanation import EncodedImage
from tb_mmx_plugin.checked_provider import ascending, checked
from tb_mmx_plugin.errors import NotLogged, RequestError, Unreadable, clipped, shown
from tb_mmx_plugin.frame import StepBlobs, finite, frame_steps
from tb_mmx_plugin.listing import ALL, Listing, is_sample
from tb_mmx_plugin.records import MAX_BYTES, decoded_records

MAX_STEPS_PER_REQUEST = 64
MAX_RESPONSE_BYTES = MAX_BYTES
# One step may be larger than an answer of several, but not without end.
MAX_STEP_BYTES = 256 * 1024 * 1024
MAX_BLOBS = 16_384
# A header whose place is looked at before it is handed on; the largest real ones are 200 kB.
_MAX_GLANCE_BYTES = 1024 * 1024
_GONE = "TensorBoard has dropped this record meanwhile; reload."
_CHANGING = "This step is being logged anew; ask again."
# Under the fast loader a read takes about 44 ms whatever its size, so reads run side by side.
_READERS = 16
# Of a step that is logged anew while it is read; it takes a writer in a tight loop to need two.
_READINGS = 3

Datum = Any
Series = dict[str, dict[str, Sequence[Datum]]]


class ExplanationData:
    """Answers the panel's questions.

    Args:
        data_provider: TensorBoard's, of either loader.
    """

    def __init__(self, data_provider: provider.DataProvider) -> None:
        self._provider = checked(data_provider)
        self._listing = Listing(ascending(data_provider))
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="mmx-blobs")

    def index(self, context: RequestContext, experiment: str) -> dict[str, Any]:
        """Runs, samples, their steps, and images, without reading a blob."""
        return {"version": 1, "runs": self._listing.index(context, experiment)}

    def records(
        self, context: RequestContext, experiment: str, *, run: str, tags: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The decoded index records of a run, of those tags or of all.

        Raises:
            NotLogged: The run or one of the tags has no records.
            RequestError: A tag is malformed.
        """
        wanted = {_index_tag(tag): tag for tag in tags}
        found, unread = self._index_series(context, experiment, run, list(wanted) or None)
        if not found and not wanted and not unread:
            raise NotLogged(f"Run {shown(run)} has no explanations.")
        for index_tag, tag in wanted.items():
            if index_tag not in found and index_tag not in unread:
                raise NotLogged(f"Run {shown(run)} has no tag {shown(tag)}.")
        return {
            "run": run,
            "records": decoded_records(found)
            + [
                {
                    "tag": _of_index(tag),
                    "step": step,
                    "wall_time": wall_time,
                    "error": f"damaged: index record: {reason}",
                }
                for tag, reason in unread.items()
                for step, wall_time in self._logged(context, experiment, run, tag)
            ],
        }

    def header(
        self, context: RequestContext, experiment: str, *, run: str, tag: str, step: int
    ) -> Header:
        """The header of one explanation, checked together with all of its blobs.

        Raises:
            NotLogged: There is no such record.
            Unreadable: It is damaged, or of a newer version.
        """
        _, found = self._read_whole(context, experiment, run, tag, [step])
        if step not in found:
            raise NotLogged(_not_kept(step))
        read = found[step]
        if read.error is not None:
            raise Unreadable(read.error)
        return _readable(lambda: check_explanation(read.blobs, tag=tag, step=step))

    def blobs(
        self, context: RequestContext, experiment: str, *, run: str, tag: str, steps: Sequence[int]
    ) -> bytes:
        """Whole explanations of several steps, framed (http_api.md), undecoded.

        Steps that would take the answer beyond MAX_RESPONSE_BYTES are left out; the first never is.

        Raises:
            NotLogged: The run or the tag is not there. A step that is not there does not raise:
                its entry says so.
            RequestError: Too many steps.
        """
        if not 1 <= len(steps) <= MAX_STEPS_PER_REQUEST:
            raise RequestError(
                f"Expected 1 to {MAX_STEPS_PER_REQUEST} steps at once, got {len(steps)}."
            )
        steps = list(dict.fromkeys(steps))
        kept, read = self._read_whole(context, experiment, run, tag, steps)
        return frame_steps(
            [
                read.get(step) or StepBlobs(step, error=_not_kept(step))
                for step in steps
                if step in read or step not in kept
            ]
        )

    def image(
        self, context: RequestContext, experiment: str, *, run: str, name: str
    ) -> EncodedImage:
        """An image by its content hash.

        Raises:
            NotLogged: It is not logged in that run.
            Unreadable: Its record is damaged, or of a newer version.
        """
        tag = IMAGE_PREFIX + name
        folders = self._listing.folders(context, experiment, run)
        series = self._sequences(context, experiment, folders, tag)
        for folder in reversed(folders):
            data = series.get(folder, {}).get(tag)
            if data:
                keys = [reference.blob_key for reference in data[-1].values[:2]]
                with _told(folder):
                    blobs = [blob for blob in self._read(context, keys) if blob is not None]
                return _readable(partial(decode_image, blobs, name))
        raise NotLogged(f"Run {shown(run)} has no image {shown(name)}.")

    def _index_series(
        self, context: RequestContext, experiment: str, run: str, tags: Sequence[str] | None
    ) -> tuple[dict[str, Sequence[Datum]], dict[str, str]]:
        """Index series by tag, and why the others could not be read.

        TensorBoard raises for all of them where one holds a malformed tensor.
        """
        folders = self._listing.folders(context, experiment, run)

        def read(wanted: Sequence[str] | None) -> dict[str, Sequence[Datum]]:
            series: Series = self._provider.read_tensors(
                context,
                experiment_id=experiment,
                plugin_name=INDEX_PLUGIN,
                downsample=ALL,
                run_tag_filter=provider.RunTagFilter(runs=folders, tags=wanted),
            )
            counting = _counting(folders, series).items()
            return {tag: list(steps.values()) for tag, steps in counting}

        try:
            return read(tags), {}
        except Exception:
            by_folder = self._provider.list_tensors(
                context,
                experiment_id=experiment,
                plugin_name=INDEX_PLUGIN,
                run_tag_filter=provider.RunTagFilter(runs=folders, tags=tags),
            )
            listed = dict.fromkeys(tag for found in by_folder.values() for tag in found)
        found: dict[str, Sequence[Datum]] = {}
        unread: dict[str, str] = {}
        for tag in listed:
            try:
                found.update(read([tag]))
            except Exception as error:
                unread[tag] = clipped(f"{type(error).__name__}: {error}")
        return found, unread

    def _logged(
        self, context: RequestContext, experiment: str, run: str, index_tag: str
    ) -> list[tuple[int, float | None]]:
        """Steps and times of the explanations that an index series belongs to."""
        series = self._series(context, experiment, run, _of_index(index_tag))
        return [(step, finite(datum.wall_time)) for step, datum in series.items()]

    def _sequences(
        self,
        context: RequestContext,
        experiment: str,
        folders: Sequence[str],
        tag: str,
    ) -> Series:
        """References to blobs, by directory and tag."""
        return self._provider.read_blob_sequences(
            context,
            experiment_id=experiment,
            plugin_name=PLUGIN,
            downsample=ALL,
            run_tag_filter=provider.RunTagFilter(runs=folders, tags=[tag]),
        )

    def _series(
        self, context: RequestContext, experiment: str, run: str, tag: str
    ) -> dict[int, Datum]:
        """A sample's records by step, of whichever start they are."""
        folders = self._listing.folders(context, experiment, run)
        return _counting(folders, self._sequences(context, experiment, folders, tag)).get(tag, {})

    def _steps(
        self,
        context: RequestContext,
        experiment: str,
        run: str,
        tag: str,
        wanted: Sequence[int],
    ) -> dict[int, Datum]:
        kept = self._series(context, experiment, run, tag)
        if not set(wanted) <= kept.keys():  # another start may have come since they were listed
            self._listing.index(context, experiment)
            kept = self._series(context, experiment, run, tag)
        if not is_sample(tag) or not kept:
            raise NotLogged(f"Run {shown(run)} has no explanations under {shown(tag)}.")
        return kept

    def _read_whole(
        self, context: RequestContext, experiment: str, run: str, tag: str, steps: Sequence[int]
    ) -> tuple[dict[int, Datum], dict[int, StepBlobs]]:
        """The steps that TensorBoard keeps, and what was read of those that are asked for.

        Blobs have the keys of those that they replace: a step that is logged anew while it is read
        is read again, so that no answer is made of two records.
        """
        kept = self._steps(context, experiment, run, tag, steps)
        for _ in range(_READINGS):
            found = [kept[step] for step in steps if step in kept]
            refusal, read = _CHANGING, None
            try:
                with _told(f"{run}/{tag}"):
                    read = {entry.step: entry for entry in self._read_steps(context, tag, found)}
            except NotLogged as gone:  # logged anew with fewer blobs, or dropped
                refusal = str(gone)
            before, kept = kept, self._steps(context, experiment, run, tag, ())
            if read is not None and all(
                (step in before) == (step in kept)
                and (step not in read or _same(before[step], kept[step]))
                for step in steps
            ):
                return kept, read
        # An error holds its frame until the next garbage collection: not with the blobs in it.
        read = None
        raise NotLogged(refusal)

    def _read_steps(
        self, context: RequestContext, tag: str, data: Sequence[Datum]
    ) -> list[StepBlobs]:
        """The first of these steps that fit into an answer, and always the first."""
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
                part, self._read_sides(context, part, room if read else MAX_STEP_BYTES), strict=True
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

    def _read_sides(
        self, context: RequestContext, data: Sequence[Datum], limit: int
    ) -> Iterator[list[bytes] | None]:
        """Each step's blobs, read side by side; None for what the limit in bytes leaves unread."""
        counts = [len(datum.values) for datum in data]
        if sum(counts) > MAX_BLOBS:
            yield from [None] * len(data)
            return
        blobs = iter(self._read(context, [r.blob_key for d in data for r in d.values], limit))
        for count in counts:
            group = [blob for blob in islice(blobs, count) if blob is not None]
            yield group if len(group) == count else None

    def _read(
        self, context: RequestContext, keys: Iterable[str], limit: int = MAX_STEP_BYTES
    ) -> list[bytes | None]:
        """Blobs side by side; None for those that were not begun before the limit was reached."""
        left = limit

        def read(key: str) -> bytes | None:
            nonlocal left
            if left < 0:
                return None
            try:
                blob = bytes(self._provider.read_blob(context, blob_key=key))
            except (errors.NotFoundError, KeyError, IndexError):
                raise NotLogged(_GONE) from None
            left -= len(blob)
            return blob

        return list(self._pool.map(read, keys))


def _counting(folders: Sequence[str], series: Series) -> dict[str, dict[int, Datum]]:
    """The records that count, by tag and step, of all that a run's starts have logged."""
    data = {
        folder: {tag: {datum.step: datum for datum in of_tag} for tag, of_tag in tags.items()}
        for folder, tags in series.items()
    }
    return {
        tag: {step: data[folder][tag][step] for step, folder in sorted(steps.items())}
        for tag, steps in sources(folders, data).items()
    }


@contextmanager
def _told(name: str) -> Iterator[None]:
    """TensorBoard's data server cannot read its own key of a blob whose name JSON would escape."""
    try:
        yield
    except RequestError:
        raise
    except Exception:
        if json.dumps(name, ensure_ascii=False) == f'"{name}"':
            raise
        raise Unreadable(
            f"TensorBoard's data server cannot read blobs of a name like {shown(name)}; start "
            "TensorBoard with --load_fast=false."
        ) from None


def _same(first: Datum, second: Datum) -> bool:
    """Whether a step's record is the one that it was."""
    times = finite(first.wall_time), finite(second.wall_time)
    return times[0] == times[1] and len(first.values) == len(second.values)


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


def _readable(decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except DamagedBlob as error:
        raise Unreadable(f"The record is damaged: {error}.") from error
    except UnsupportedVersion as error:
        raise Unreadable(f"The record needs a newer plugin: {error}.") from error


def _of_index(index_tag: str) -> str:
    return PREFIX + index_tag.removeprefix(INDEX_PREFIX)


def _index_tag(tag: str) -> str:
    if not is_sample(tag):
        raise RequestError(f"tag: expected mmx/SET/SAMPLE, got {shown(tag)}.")
    return INDEX_PREFIX + tag.removeprefix(PREFIX)


def _not_kept(step: int) -> str:
    return f"Step {step} is not among those that TensorBoard kept."
