"""What the routes answer, as plain values: pure functions over TensorBoard's data provider.

Only the data provider is used: under the fast loader there is no multiplexer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data import provider

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.header import Header
from mmx_core.events.runs import trainings
from mmx_core.events.tags import IMAGE_PREFIX, PREFIX, natural_key, shown_name
from mmx_core.events.wire import check_explanation, decode_image
from mmx_core.explanation import EncodedImage
from tb_mmx_plugin.catalogue import Catalogue, Run, is_sample
from tb_mmx_plugin.checked_provider import ascending, checked
from tb_mmx_plugin.frame import StepBlobs, finite, frame_steps
from tb_mmx_plugin.index_records import IndexRecords, Series, decode_records
from tb_mmx_plugin.refusals import NotLogged, RequestError, Unreadable, shown
from tb_mmx_plugin.step_reader import StepReader

MAX_STEPS_PER_REQUEST = 64
_CHANGING = "This step is being logged anew; ask again."
# Of a step that is logged anew while it is read; it takes a writer in a tight loop to need two.
_READINGS = 3
# TensorBoard reads the files no more often unless it is told to, and the panel asks for the index
# after each time.
_KNOWN_SECONDS = 5

Datum = Any


class ExplanationData:
    """Answers the panel's questions.

    A ``run`` is one of the index; a start's directory is answered, too, with what it holds.

    Args:
        data_provider: TensorBoard's, of either loader.
    """

    def __init__(self, data_provider: provider.DataProvider) -> None:
        self._provider = checked(data_provider)
        self._catalogue = Catalogue(self._provider, ascending(data_provider))
        self._records = IndexRecords(self._provider)
        self._reader = StepReader(self._provider)

    def index(self, context: RequestContext, experiment: str) -> dict[str, Any]:
        """Runs, samples, their steps, and images, without reading a blob."""
        listing = self._catalogue.listing(context, experiment, since=time.monotonic())
        return {"version": 1, "runs": listing.entries}

    def records(
        self, context: RequestContext, experiment: str, *, run: str, tags: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The decoded index records of a run, of those tags or of all.

        Raises:
            NotLogged: The run or one of the tags has no records.
            RequestError: A tag is malformed.
        """
        for tag in tags:
            if not is_sample(tag):
                raise RequestError(f"Expected a tag mmx/SET/SAMPLE, got {shown(tag)}.")
        found: Run | None = None
        for found in self._looks(context, experiment, run):
            if found is not None and all(tag in found.sources for tag in tags):
                break
        if found is None or not found.sources:
            raise NotLogged(f"Run {shown(run)} has no explanations.")
        series, unread = self._records.series(
            context, experiment, found.folders, list(dict.fromkeys(tags)) or None
        )
        known = {tag for by_tag in series.values() for tag in by_tag} | {tag for _, tag in unread}
        for tag in tags:
            if tag not in known:
                raise NotLogged(f"Run {shown(run)} has no tag {_named(tag)}.")
        records = decode_records(_counting(series))
        for record in records:
            if record["step"] in found.lost.get(record["tag"], {}):
                record["lost"] = True
        return {
            "run": run,
            "records": records
            + [
                {
                    "tag": tag,
                    "step": step,
                    "wall_time": wall_time,
                    "error": f"damaged: index record: {reason}",
                }
                for (folder, tag), reason in unread.items()
                for step, wall_time in self._logged(context, experiment, found, folder, tag)
            ],
        }

    def header(
        self, context: RequestContext, experiment: str, *, run: str, tag: str, step: int
    ) -> Header:
        """The header of one explanation, checked together with all of its blobs.

        Raises:
            NotLogged: There is no such record.
            Unreadable: It is damaged, lost, or of a newer version.
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

        Steps that would take the answer beyond its largest size are left out; the first never is.

        Raises:
            NotLogged: The run or the tag is not there. A step that is not there does not raise:
                its entry says so.
            RequestError: Too many steps.
            Unreadable: The tag is lost.
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
        """An image by its content hash, of the latest start that has it undamaged.

        Raises:
            NotLogged: It is not logged in that run.
            Unreadable: Its record is damaged, or of a newer version.
        """
        tag = IMAGE_PREFIX + name
        trouble: Unreadable | None = None
        for found in self._looks(context, experiment, run):
            folders = found.image_folders.get(name, ()) if found else ()
            series = self._catalogue.sequences(context, experiment, folders, tag) if folders else {}
            for folder in folders:
                data = series.get(folder, {}).get(tag)
                if not data:
                    continue
                keys = [reference.blob_key for reference in data[-1].values[:2]]
                try:
                    return self._image(context, keys, name)
                except Unreadable as error:
                    trouble = trouble or error
            if trouble:
                raise trouble
        raise NotLogged(f"Run {shown(run)} has no image {shown(name)}.")

    def _image(self, context: RequestContext, keys: Sequence[str], name: str) -> EncodedImage:
        blobs = [blob for blob in self._reader.read(context, keys) if blob is not None]
        image: EncodedImage = _readable(lambda: decode_image(blobs, name))
        return image

    def _looks(self, context: RequestContext, experiment: str, run: str) -> Iterator[Run | None]:
        """The run as it is known; and, for who misses something there, as it is now."""
        for age in (_KNOWN_SECONDS, 0):
            since = time.monotonic() - age
            yield self._catalogue.listing(context, experiment, since=since).run(run)

    def _logged(
        self, context: RequestContext, experiment: str, run: Run, folder: str, tag: str
    ) -> list[tuple[int, float | None]]:
        """Steps and times of the explanations of a run that an index series belongs to."""
        series = self._catalogue.sequences(context, experiment, [folder], tag)
        return [
            (datum.step, finite(datum.wall_time))
            for datum in series.get(folder, {}).get(tag, ())
            if run.sources.get(tag, {}).get(datum.step) == folder
        ]

    def _steps(
        self, context: RequestContext, experiment: str, run: Run, tag: str, steps: Sequence[int]
    ) -> dict[int, Datum]:
        """Those of the steps that TensorBoard keeps where the run has them."""
        sources = run.sources.get(tag, {})
        folders = list(dict.fromkeys(sources[step] for step in steps if step in sources))
        if not folders:
            return {}
        series = self._catalogue.sequences(context, experiment, folders, tag)
        return {
            datum.step: datum
            for folder in folders
            for datum in series.get(folder, {}).get(tag, ())
            if sources.get(datum.step) == folder
        }

    def _find(
        self, context: RequestContext, experiment: str, run: str, tag: str, steps: Sequence[int]
    ) -> tuple[Run, dict[int, Datum]]:
        """The run, and the steps that it keeps.

        Raises:
            NotLogged: The run or the tag is not there.
            Unreadable: All that was asked for is lost.
        """
        found: Run | None = None
        kept: dict[int, Datum] = {}
        for found in self._looks(context, experiment, run):
            kept = self._steps(context, experiment, found, tag, steps) if found else {}
            if all(step in kept for step in steps):
                break
        if found is None or tag not in found.sources:
            raise NotLogged(f"Run {shown(run)} has no explanations under {_named(tag)}.")
        if all(step in found.lost.get(tag, {}) for step in steps):
            raise Unreadable(
                f"{_named(tag)} was logged, but TensorBoard gave its tag to a scalar of the same "
                "name; mmx list and read_explanations still read it."
            )
        return found, kept

    def _read_whole(
        self, context: RequestContext, experiment: str, run: str, tag: str, steps: Sequence[int]
    ) -> tuple[dict[int, Datum], dict[int, StepBlobs]]:
        """The steps that TensorBoard keeps, and what was read of those that are asked for.

        Blobs have the keys of those that they replace: a step that is logged anew while it is read
        is read again, so that no answer is made of two records.
        """
        found, kept = self._find(context, experiment, run, tag, steps)
        for _ in range(_READINGS):
            data = [kept[step] for step in steps if step in kept]
            refusal, read = _CHANGING, None
            try:
                read = {entry.step: entry for entry in self._reader.steps(context, tag, data)}
            except NotLogged as gone:  # logged anew with fewer blobs, or dropped
                refusal = str(gone)
            before, kept = kept, self._steps(context, experiment, found, tag, steps)
            if read is not None and all(
                (step in before) == (step in kept)
                and (step not in read or _same(before[step], kept[step]))
                for step in steps
            ):
                return kept, read
        # An error holds its frame until the next garbage collection: not with the blobs in it.
        read = None
        raise NotLogged(refusal)


def _counting(series: Series) -> list[tuple[str, Datum]]:
    """Tags and index records of a run's directories, each step's from the start that counts.

    Of explanations TensorBoard may keep fewer steps than of records, so these are sorted out anew.
    """
    sources: dict[str, dict[int, str]] = {}
    logged = {
        folder: {tag: {datum.step for datum in data} for tag, data in by_tag.items()}
        for folder, by_tag in series.items()
    }
    for training in reversed(trainings(logged)):
        for tag, steps in training.sources.items():
            sources.setdefault(tag, {}).update(steps)
    data: list[tuple[str, Datum]] = [
        (tag, datum)
        for folder, by_tag in series.items()
        for tag, entries in by_tag.items()
        for datum in entries
        if sources.get(tag, {}).get(datum.step) == folder
    ]
    return sorted(data, key=lambda entry: (natural_key(entry[0]), entry[1].step))


def _same(first: Datum, second: Datum) -> bool:
    """Whether a step's record is the one that it was."""
    times = finite(first.wall_time), finite(second.wall_time)
    return times[0] == times[1] and len(first.values) == len(second.values)


def _readable(decode: Callable[[], Any]) -> Any:
    try:
        return decode()
    except DamagedBlob as error:
        raise Unreadable(f"The record is damaged: {error}.") from error
    except UnsupportedVersion as error:
        raise Unreadable(f"The record needs a newer plugin: {error}.") from error


def _named(tag: str) -> str:
    """A sample as its user calls it, for a message; another tag as it is."""
    return shown(shown_name(tag.removeprefix(PREFIX)) if is_sample(tag) else tag)


def _not_kept(step: int) -> str:
    return f"Step {step} is not among those that TensorBoard kept."
