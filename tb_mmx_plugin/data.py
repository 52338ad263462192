"""What the routes answer, as plain values: pure functions over TensorBoard's data provider.

Only the data provider is used: under the fast loader there is no multiplexer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import Any

from tensorboard import errors
from tensorboard.context import RequestContext
from tensorboard.data import provider

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion, decode_json, payload_length
from mmx_core.events.header import Header, check_place
from mmx_core.events.tags import (
    IMAGE_PREFIX,
    INDEX_PLUGIN,
    INDEX_PREFIX,
    PLUGIN,
    PREFIX,
    image_hash,
    natural_key,
    sample_tags,
)
from mmx_core.events.wire import check_explanation, decode_image, decode_record
from mmx_core.explanation import EncodedImage
from tb_mmx_plugin.checked_provider import ascending, checked
from tb_mmx_plugin.frame import StepBlobs, finite, frame_steps

MAX_STEPS_PER_REQUEST = 64
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
# One step may be larger than an answer of several, but not without end.
MAX_STEP_BYTES = 256 * 1024 * 1024
MAX_BLOBS = 16_384
# A header whose place is looked at before it is handed on; the largest real ones are 200 kB.
_MAX_GLANCE_BYTES = 1024 * 1024
_SHOWN_CHARACTERS = 120
_GONE = "TensorBoard has dropped this record meanwhile; reload."
_CHANGING = "This step is being logged anew; ask again."
_LEFT_OUT = {"error": "left out: the run's records are too large; ask for single tags"}
# The provider insists on a limit; what TensorBoard keeps is far below it.
_ALL = 1_000_000
# Under the fast loader a read takes about 44 ms whatever its size, so reads run side by side.
_READERS = 16
# Of a step that is logged anew while it is read; it takes a writer in a tight loop to need two.
_READINGS = 3

Datum = Any
Series = dict[str, dict[str, Sequence[Datum]]]
Fingerprint = frozenset[tuple[str, int, float]]


class RequestError(Exception):
    """A request that cannot be answered; its message is one sentence for a person."""

    status = 400


class NotLogged(RequestError):
    """What was asked for is not there."""

    status = 404


class Unreadable(RequestError):
    """What was asked for is there, but damaged or of a newer version."""

    status = 409


class ExplanationData:
    """Answers the panel's questions.

    Args:
        data_provider: TensorBoard's, of either loader.
    """

    def __init__(self, data_provider: provider.DataProvider) -> None:
        self._provider = checked(data_provider)
        self._lists = ascending(data_provider)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="mmx-blobs")
        self._known: dict[tuple[str, str], tuple[Fingerprint, dict[str, Any]]] = {}
        self._listing = Lock()

    def index(self, context: RequestContext, experiment: str) -> dict[str, Any]:
        """Runs, samples, their steps, and images, without reading a blob.

        Every sequence of a large log takes the provider a second to tell, and the panel asks at
        each reload: so a run is read again only when something has come since, and by one request
        at a time.
        """
        with self._listing:
            return self._index(context, experiment)

    def _index(self, context: RequestContext, experiment: str) -> dict[str, Any]:
        listed = self._lists.list_blob_sequences(
            context, experiment_id=experiment, plugin_name=PLUGIN
        )
        prints = {run: _fingerprint(tags) for run, tags in listed.items()}
        known = {
            run: self._known[experiment, run]
            for run, print_ in prints.items()
            if self._known.get((experiment, run), (None,))[0] == print_
        }
        changed = [run for run in prints if run not in known]
        if changed:
            for run, tags in self._sequences(context, experiment, changed).items():
                known[run] = prints[run], _run_entry(run, tags)
            self._known = {(experiment, run): entry for run, entry in known.items()}
        runs = [entry for _, (_, entry) in _natural(known.items()) if entry["samples"]]
        return {"version": 1, "runs": runs}

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
            "records": _records(found)
            + [
                {
                    "tag": PREFIX + tag.removeprefix(INDEX_PREFIX),
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
        series = self._sequences(context, experiment, [run], IMAGE_PREFIX + name)
        data = series.get(run, {}).get(IMAGE_PREFIX + name)
        if not data:
            raise NotLogged(f"Run {shown(run)} has no image {shown(name)}.")
        keys = [reference.blob_key for reference in data[-1].values[:2]]
        blobs = [blob for blob in self._read(context, keys) if blob is not None]
        return _readable(lambda: decode_image(blobs, name))

    def _index_series(
        self, context: RequestContext, experiment: str, run: str, tags: Sequence[str] | None
    ) -> tuple[dict[str, Sequence[Datum]], dict[str, str]]:
        """Index series by tag, and why the others could not be read.

        TensorBoard raises for all of them where one holds a malformed tensor.
        """

        def read(wanted: Sequence[str] | None) -> dict[str, Sequence[Datum]]:
            series: Series = self._provider.read_tensors(
                context,
                experiment_id=experiment,
                plugin_name=INDEX_PLUGIN,
                downsample=_ALL,
                run_tag_filter=provider.RunTagFilter(runs=[run], tags=wanted),
            )
            return series.get(run, {})

        try:
            return read(tags), {}
        except Exception:
            listed = self._provider.list_tensors(
                context,
                experiment_id=experiment,
                plugin_name=INDEX_PLUGIN,
                run_tag_filter=provider.RunTagFilter(runs=[run], tags=tags),
            ).get(run, {})
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
        tag = PREFIX + index_tag.removeprefix(INDEX_PREFIX)
        series = self._sequences(context, experiment, [run], tag).get(run, {}).get(tag, ())
        return [(datum.step, finite(datum.wall_time)) for datum in series]

    def _sequences(
        self,
        context: RequestContext,
        experiment: str,
        runs: Sequence[str],
        tag: str | None = None,
    ) -> Series:
        """References to blobs, by run and tag."""
        return self._provider.read_blob_sequences(
            context,
            experiment_id=experiment,
            plugin_name=PLUGIN,
            downsample=_ALL,
            run_tag_filter=provider.RunTagFilter(runs=runs, tags=None if tag is None else [tag]),
        )

    def _steps(
        self, context: RequestContext, experiment: str, run: str, tag: str
    ) -> dict[int, Datum]:
        series = self._sequences(context, experiment, [run], tag)
        if not _is_sample(tag) or tag not in series.get(run, {}):
            raise NotLogged(f"Run {shown(run)} has no explanations under {shown(tag)}.")
        return {datum.step: datum for datum in series[run][tag]}

    def _read_whole(
        self, context: RequestContext, experiment: str, run: str, tag: str, steps: Sequence[int]
    ) -> tuple[dict[int, Datum], dict[int, StepBlobs]]:
        """The steps that TensorBoard keeps, and what was read of those that are asked for.

        Blobs have the keys of those that they replace: a step that is logged anew while it is read
        is read again, so that no answer is made of two records.
        """
        kept = self._steps(context, experiment, run, tag)
        for _ in range(_READINGS):
            found = [kept[step] for step in steps if step in kept]
            refusal, read = _CHANGING, None
            try:
                read = {entry.step: entry for entry in self._read_steps(context, tag, found)}
            except NotLogged as gone:  # logged anew with fewer blobs, or dropped
                refusal = str(gone)
            before, kept = kept, self._steps(context, experiment, run, tag)
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


def _same(first: Datum, second: Datum) -> bool:
    """Whether a step's record is the one that it was."""
    times = finite(first.wall_time), finite(second.wall_time)
    return times[0] == times[1] and len(first.values) == len(second.values)


def _is_sample(tag: str) -> bool:
    return tag.startswith(PREFIX) and image_hash(tag) is None and "/" in tag.removeprefix(PREFIX)


def _fingerprint(tags: Mapping[str, Any]) -> Fingerprint:
    """Changes when a record comes, goes or is replaced."""
    return frozenset((tag, entry.max_step, entry.max_wall_time) for tag, entry in tags.items())


def _run_entry(run: str, tags: Mapping[str, Sequence[Datum]]) -> dict[str, Any]:
    return {
        "run": run,
        "samples": [
            _sample(tag, series) for tag, series in _natural(tags.items()) if _is_sample(tag)
        ],
        "images": [name for tag in sorted(tags) if (name := image_hash(tag)) is not None],
    }


def _sample(tag: str, series: Sequence[Datum]) -> dict[str, Any]:
    set_name, sample = tag.removeprefix(PREFIX).split("/", 1)
    latest = {datum.step: datum.wall_time for datum in series}
    return {
        "tag": tag,
        "set": set_name,
        "sample": sample,
        "steps": sorted(latest),
        "wall_times": [finite(latest[step]) for step in sorted(latest)],
    }


def _records(found: Mapping[str, Sequence[Datum]]) -> list[dict[str, Any]]:
    """Decoded index records, as many of them as fit into an answer once unpacked."""
    records: list[dict[str, Any]] = []
    room = MAX_RESPONSE_BYTES
    for index_tag, series in _natural(found.items()):
        tag = PREFIX + index_tag.removeprefix(INDEX_PREFIX)
        for datum in series:
            record, size = _record(datum, tag) if room > 0 else (_LEFT_OUT, 0)
            room -= size
            place = {"step": datum.step, "wall_time": finite(datum.wall_time)}
            records.append({**record, "tag": tag, **place})
    return records


def _record(datum: Datum, tag: str) -> tuple[dict[str, Any], int]:
    """The record, or why it cannot be read; and how large it is."""
    try:
        values = datum.numpy.ravel().tolist()
        if len(values) != 1 or not isinstance(values[0], bytes):
            raise DamagedBlob(f"index record: expected 1 blob, got {len(values)} values")
        return decode_record(values[0], tag=tag, step=datum.step), payload_length(values[0])
    except DamagedBlob as error:
        text = f"damaged: {error}"
    except UnsupportedVersion as error:
        text = str(error)
    return {"error": text}, len(text)


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


def _index_tag(tag: str) -> str:
    try:
        return sample_tags(tag).record
    except ValueError as error:
        raise RequestError(f"{error}.") from None


def clipped(text: str) -> str:
    """A text for a message: cut where it is very long."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def shown(name: str) -> str:
    """A name in quotes, for a message: cut where it is very long."""
    return repr(clipped(name))


def _not_kept(step: int) -> str:
    return f"Step {step} is not among those that TensorBoard kept."


def _natural(items: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(items, key=lambda item: natural_key(item[0]))
