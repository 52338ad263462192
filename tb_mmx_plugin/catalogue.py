"""What is logged: runs as people name them, each of one or more starts' directories (runs.py).

Every sequence of a large log takes the provider a second to tell, and the panel asks at each
reload: so a directory is read again only when something has come since, by one request at a time,
and between reloads nobody asks again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data import provider

from mmx_core.events.runs import Training, start_of, trainings
from mmx_core.events.tags import INDEX_PLUGIN, PLUGIN, PREFIX, image_hash, natural_key, shown_name
from tb_mmx_plugin.frame import finite
from tb_mmx_plugin.index_records import ALL, IndexRecords, Series, decode_records, explanation_tag

Fingerprint = frozenset[tuple[str, int, float]]
Times = dict[int, float | None]


@dataclass(frozen=True)
class Folder:
    """What one directory holds, as TensorBoard keeps it.

    Attributes:
        fingerprint: Changes when a record comes, goes or is replaced.
        times: By tag and step the wall times of the explanations that can be opened.
        lost: The same of those whose index record is all that is left: TensorBoard gave their tag
            to a scalar, which older versions logged under names that a sample can have.
        images: Hashes.
    """

    fingerprint: Fingerprint
    times: Mapping[str, Times]
    lost: Mapping[str, Times]
    images: frozenset[str]

    @property
    def steps(self) -> dict[str, set[int]]:
        """Everything that was logged, by tag."""
        tags = self.times.keys() | self.lost.keys()
        return {tag: {*self.times.get(tag, ()), *self.lost.get(tag, ())} for tag in tags}


@dataclass(frozen=True)
class Run:
    """Where a run's records are.

    Attributes:
        folders: Directories whose records count, in the order of their starts.
        sources: By tag and step the directory that holds the explanation.
        lost: By tag and step those that cannot be opened.
        image_folders: By hash where an image is, the latest start's directory first.
    """

    folders: Sequence[str]
    sources: Mapping[str, Mapping[int, str]]
    lost: Mapping[str, Times]
    image_folders: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Listing:
    """All that is logged, at one moment.

    Attributes:
        experiment: Whose.
        time: When it was asked for, by the monotonic clock.
        folders: By name.
        runs: By name.
        entries: Of the index (http_api.md).
    """

    experiment: str
    time: float
    folders: Mapping[str, Folder]
    runs: Mapping[str, Training]
    entries: Sequence[dict[str, Any]]

    def run(self, name: str) -> Run | None:
        """A run, or by a directory's name what was logged there; None for what is not here."""
        training = self.runs.get(name)
        if training is not None:
            return self._run(training.folders, training.sources, training)
        for training in self.runs.values():
            if name in training.folders:
                steps = self.folders[name].steps
                own = {tag: dict.fromkeys(logged, name) for tag, logged in steps.items()}
                return self._run([name], own, training)
        return None

    def _run(
        self, folders: Sequence[str], sources: Mapping[str, Mapping[int, str]], training: Training
    ) -> Run:
        images: dict[str, list[str]] = {}
        for folder in reversed(training.folders):
            for name in self.folders[folder].images:
                images.setdefault(name, []).append(folder)
        return Run(folders, sources, _lost(sources, self.folders), images)


class Catalogue:
    """Tells what is logged.

    Args:
        data_provider: TensorBoard's, checked.
        lists: The same for listing.
    """

    def __init__(self, data_provider: Any, lists: Any) -> None:
        self._provider = data_provider
        self._lists = lists
        self._records = IndexRecords(data_provider)
        self._known: Listing | None = None
        self._lock = Lock()

    def listing(self, context: RequestContext, experiment: str, *, since: float) -> Listing:
        """What is logged, as of a moment of the monotonic clock or later."""
        known = self._known
        if known is None or known.experiment != experiment or known.time < since:
            with self._lock:
                known = self._known
                if known is None or known.experiment != experiment or known.time < since:
                    known = self._known = self._list(context, experiment)
        return known

    def sequences(
        self, context: RequestContext, experiment: str, folders: Sequence[str], tag: str | None
    ) -> Series:
        """References to blobs, by directory and tag."""
        found: Series = self._provider.read_blob_sequences(
            context,
            experiment_id=experiment,
            plugin_name=PLUGIN,
            downsample=ALL,
            run_tag_filter=provider.RunTagFilter(runs=folders, tags=None if tag is None else [tag]),
        )
        return found

    def _list(self, context: RequestContext, experiment: str) -> Listing:
        began = time.monotonic()
        known = self._known if self._known and self._known.experiment == experiment else None
        before = known.folders if known else {}
        prints = {
            folder: _fingerprint(tags)
            for folder, tags in self._lists.list_blob_sequences(
                context, experiment_id=experiment, plugin_name=PLUGIN
            ).items()
        }
        kept = {
            folder: before[folder]
            for folder, print_ in prints.items()
            if folder in before and before[folder].fingerprint == print_
        }
        changed = [folder for folder in prints if folder not in kept]
        gone = [name for name in before if before[name].fingerprint and name not in prints]
        # A start that has logged nothing yet counts, too: others go on from it.
        marks = {
            run.run_name: Folder(frozenset(), {}, {}, frozenset())
            for run in self._lists.list_runs(context, experiment_id=experiment)
            if start_of(run.run_name).going.kind == "from"
        }
        if known and prints and not changed and not gone and marks.keys() <= before.keys():
            return replace(known, time=began)
        read = self._read(context, experiment, prints, changed, before)
        folders = {**marks, **kept, **read}
        found = {
            training.run: training
            for training in trainings({name: folder.steps for name, folder in folders.items()})
        }
        entries = [_entry(training, folders) for training in found.values()]
        samples = [entry for entry in entries if entry["samples"]]
        return Listing(experiment, began, folders, found, samples)

    def _read(
        self,
        context: RequestContext,
        experiment: str,
        prints: Mapping[str, Fingerprint],
        changed: Sequence[str],
        before: Mapping[str, Folder],
    ) -> dict[str, Folder]:
        """The directories that changed, and those that have lost all that they had."""
        sequences = self.sequences(context, experiment, changed, None) if changed else {}
        # Of those directories the names are found at first, and while there is nothing to open.
        bare = [name for name, folder in before.items() if not folder.fingerprint]
        asked = [*changed, *bare] if before and prints else None
        listed = self._lists.list_tensors(
            context,
            experiment_id=experiment,
            plugin_name=INDEX_PLUGIN,
            run_tag_filter=provider.RunTagFilter(runs=asked),
        )
        found: dict[str, Folder] = {}
        for folder in {*changed, *(name for name in listed if name not in prints)}:
            series = sequences.get(folder, {})
            times = {
                tag: {datum.step: finite(datum.wall_time) for datum in data}
                for tag, data in series.items()
                if is_sample(tag) and any(datum.values for datum in data)
            }
            tags = {explanation_tag(name) for name in listed.get(folder, ())} - times.keys()
            lost = self._lost(context, experiment, folder, [*filter(is_sample, tags)])
            images = frozenset(name for tag in series if (name := image_hash(tag)) is not None)
            # A sample without blobs and without records is damage, and listed as it is.
            odd = {
                tag: {datum.step: finite(datum.wall_time) for datum in data}
                for tag, data in series.items()
                if is_sample(tag) and tag not in times and tag not in lost
            }
            fingerprint = prints.get(folder, frozenset())
            found[folder] = Folder(fingerprint, {**times, **odd}, lost, images)
        return found

    def _lost(
        self, context: RequestContext, experiment: str, folder: str, tags: Sequence[str]
    ) -> dict[str, Times]:
        if not tags:
            return {}
        series, _ = self._records.series(context, experiment, [folder], tags)
        lost: dict[str, Times] = {}
        data = series.get(folder, {})
        for record in decode_records((tag, datum) for tag in data for datum in data[tag]):
            if "error" not in record:
                lost.setdefault(record["tag"], {})[record["step"]] = record["wall_time"]
        return lost


def is_sample(tag: str) -> bool:
    """Whether explanations are logged under a tag: ``mmx/SET/SAMPLE``, and no image."""
    return tag.startswith(PREFIX) and image_hash(tag) is None and "/" in tag.removeprefix(PREFIX)


def _fingerprint(tags: Mapping[str, Any]) -> Fingerprint:
    return frozenset((tag, entry.max_step, entry.max_wall_time) for tag, entry in tags.items())


def _lost(
    sources: Mapping[str, Mapping[int, str]], folders: Mapping[str, Folder]
) -> dict[str, Times]:
    lost: dict[str, Times] = {}
    for tag, steps in sources.items():
        for step, folder in steps.items():
            times = folders[folder].lost.get(tag)
            if times is not None:
                lost.setdefault(tag, {})[step] = times[step]
    return lost


def _entry(training: Training, folders: Mapping[str, Folder]) -> dict[str, Any]:
    images: set[str] = set().union(*(folders[name].images for name in training.folders))
    lost = _lost(training.sources, folders)
    return {
        "run": training.run,
        "starts": training.folders,
        "samples": [
            _sample(tag, steps, lost.get(tag, {}), folders)
            for tag, steps in _natural(training.sources.items())
            if steps
        ],
        "images": sorted(images),
    }


def _sample(
    tag: str, sources: Mapping[int, str], lost: Times, folders: Mapping[str, Folder]
) -> dict[str, Any]:
    set_name, sample = tag.removeprefix(PREFIX).split("/", 1)
    steps = sorted(sources.keys() - lost.keys())
    entry = {
        "tag": tag,
        "set": shown_name(set_name),
        "sample": shown_name(sample),
        "steps": steps,
        "wall_times": [folders[sources[step]].times[tag][step] for step in steps],
    }
    return {**entry, "lost": sorted(lost)} if lost else entry


def _natural(items: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(items, key=lambda item: natural_key(item[0]))
