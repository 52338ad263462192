"""Which runs there are, from the directories that TensorBoard lists: a run has one per start.

TensorBoard takes every directory for a run. Here those of one training are one run again
(mmx_core/events/runs.py), so that a training that was resumed is shown as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data import provider

from mmx_core.events.runs import start_of, trainings
from mmx_core.events.tags import (
    INDEX_PLUGIN,
    INDEX_PREFIX,
    PLUGIN,
    PREFIX,
    image_hash,
    natural_key,
    shown_name,
)
from tb_mmx_plugin.frame import finite

# The provider insists on a limit; what TensorBoard keeps is far below it.
ALL = 1_000_000

Fingerprint = frozenset[tuple[str, int, float]]
Times = dict[str, dict[int, float | None]]


class Folder:
    """One directory: the times of its samples by step, its images, and what it has lost."""

    def __init__(self, tags: Mapping[str, Sequence[Any]], lost: Sequence[str]) -> None:
        self.samples: Times = {
            tag: {datum.step: finite(datum.wall_time) for datum in series}
            for tag, series in tags.items()
            if is_sample(tag)
        }
        self.images = [name for tag in tags if (name := image_hash(tag)) is not None]
        self.lost = lost


class Listing:
    """Runs and their directories.

    Every sequence of a large log takes the provider a second to tell, and the panel asks at each
    reload: so a directory is read again only when something has come since.

    Args:
        lists: TensorBoard's data provider, of either loader.
    """

    def __init__(self, lists: provider.DataProvider) -> None:
        self._lists = lists
        self._known: dict[tuple[str, str], tuple[Fingerprint, Folder]] = {}
        # By directory of a run: what its entries were made of, and they themselves.
        self._made: dict[tuple[str, str], tuple[list[Folder], list[dict[str, Any]]]] = {}
        self._folders: dict[str, dict[str, list[str]]] = {}
        self._one_at_a_time = Lock()

    def index(self, context: RequestContext, experiment: str) -> list[dict[str, Any]]:
        """The runs with explanations, as http_api.md describes them."""
        with self._one_at_a_time:
            return self._index(context, experiment)

    def folders(self, context: RequestContext, experiment: str, run: str) -> list[str]:
        """The directories of a run's starts, in their order; of no run, the name as it is."""
        found = self._folders.get(experiment, {}).get(run)
        if found is None:
            self.index(context, experiment)
            found = self._folders.get(experiment, {}).get(run)
        return [run] if found is None else found

    def _index(self, context: RequestContext, experiment: str) -> list[dict[str, Any]]:
        listed = self._lists.list_blob_sequences(
            context, experiment_id=experiment, plugin_name=PLUGIN
        )
        prints = {folder: _fingerprint(tags) for folder, tags in listed.items()}
        known = {
            folder: self._known[experiment, folder]
            for folder, print_ in prints.items()
            if self._known.get((experiment, folder), (None,))[0] == print_
        }
        changed = [folder for folder in prints if folder not in known]
        if changed:
            lost = self._lost(context, experiment, changed, listed)
            for folder, tags in self._read(context, experiment, changed).items():
                known[folder] = prints[folder], Folder(tags, lost.get(folder, ()))
        self._known = {(experiment, folder): entry for folder, entry in known.items()}
        groups: dict[str, dict[str, Folder]] = {}
        for name in sorted(known):
            groups.setdefault(start_of(name).run, {})[name] = known[name][1]
        entries: list[dict[str, Any]] = []
        for run in sorted(groups, key=natural_key):
            entries += self._entries(experiment, run, groups[run])
        self._made = {key: made for key, made in self._made.items() if key[1] in groups}
        self._folders[experiment] = {entry["run"]: entry.pop("folders") for entry in entries}
        return [entry for entry in entries if entry["samples"] or entry["lost"]]

    def _entries(
        self, experiment: str, run: str, folders: Mapping[str, Folder]
    ) -> list[dict[str, Any]]:
        parts, made = self._made.get((experiment, run), ([], []))
        if parts != list(folders.values()):
            parts, made = list(folders.values()), _entries(folders)
            self._made[experiment, run] = parts, made
        return [dict(entry) for entry in made]

    def _read(
        self, context: RequestContext, experiment: str, folders: Sequence[str]
    ) -> Mapping[str, Mapping[str, Sequence[Any]]]:
        found: Mapping[str, Mapping[str, Sequence[Any]]] = self._lists.read_blob_sequences(
            context,
            experiment_id=experiment,
            plugin_name=PLUGIN,
            downsample=ALL,
            run_tag_filter=provider.RunTagFilter(runs=folders, tags=None),
        )
        return found

    def _lost(
        self,
        context: RequestContext,
        experiment: str,
        folders: Sequence[str],
        listed: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, list[str]]:
        """Samples of a log before version 2 of the names, whose tag TensorBoard gave to a scalar.

        Their index records are there, and their explanations are not. Only a directory that is no
        start's can be that old.
        """
        old = [folder for folder in folders if not start_of(folder).time]
        if not old:
            return {}
        indexed = self._lists.list_tensors(
            context,
            experiment_id=experiment,
            plugin_name=INDEX_PLUGIN,
            run_tag_filter=provider.RunTagFilter(runs=old, tags=None),
        )
        return {
            folder: [
                tag
                for index_tag in sorted(tags, key=natural_key)
                if (tag := PREFIX + index_tag.removeprefix(INDEX_PREFIX)) not in listed[folder]
            ]
            for folder, tags in indexed.items()
        }


def is_sample(tag: str) -> bool:
    """Whether explanations of a sample are logged under it."""
    return tag.startswith(PREFIX) and image_hash(tag) is None and "/" in tag.removeprefix(PREFIX)


def _entries(folders: Mapping[str, Folder]) -> list[dict[str, Any]]:
    """The trainings of one run's directories."""
    found = []
    for training in trainings({name: folder.samples for name, folder in folders.items()}):
        parts = [folders[name] for name in training.folders]
        samples = []
        for tag in sorted(training.sources, key=natural_key):
            sources = sorted(training.sources[tag].items())
            times = [folders[name].samples[tag][step] for step, name in sources]
            samples.append(
                {**_names(tag), "steps": [step for step, _ in sources], "wall_times": times}
            )
        found.append(
            {
                "run": training.run,
                "samples": samples,
                "images": sorted({name for part in parts for name in part.images}),
                "lost": [_names(tag) for part in parts for tag in part.lost],
                "folders": training.folders,
            }
        )
    return found


def _names(tag: str) -> dict[str, str]:
    set_name, _, sample = tag.removeprefix(PREFIX).partition("/")
    return {"tag": tag, "set": shown_name(set_name), "sample": shown_name(sample)}


def _fingerprint(tags: Mapping[str, Any]) -> Fingerprint:
    """Changes when a record comes, goes or is replaced."""
    return frozenset((tag, entry.max_step, entry.max_wall_time) for tag, entry in tags.items())
