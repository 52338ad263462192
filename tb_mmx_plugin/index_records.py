"""Index records: as TensorBoard keeps them, by directory, and decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data import provider

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion, payload_length
from mmx_core.events.index_record import decode_record
from mmx_core.events.tags import INDEX_PLUGIN, INDEX_PREFIX, PREFIX
from tb_mmx_plugin.frame import finite
from tb_mmx_plugin.refusals import clipped

MAX_RECORD_BYTES = 64 * 1024 * 1024
_LEFT_OUT = {"error": "left out: the run's records are too large; ask for single tags"}
# The provider insists on a limit; what TensorBoard keeps is far below it.
ALL = 1_000_000

Datum = Any
Series = dict[str, dict[str, Sequence[Datum]]]


class IndexRecords:
    """Reads index records.

    Args:
        data_provider: TensorBoard's, checked.
    """

    def __init__(self, data_provider: Any) -> None:
        self._provider = data_provider

    def series(
        self,
        context: RequestContext,
        experiment: str,
        folders: Sequence[str],
        tags: Sequence[str] | None,
    ) -> tuple[Series, dict[tuple[str, str], str]]:
        """Series by directory and explanations' tag, and why the others could not be read.

        TensorBoard raises for all of them where one holds a malformed tensor.
        """

        def read(folders: Sequence[str], tags: Sequence[str] | None) -> Series:
            found: Series = self._provider.read_tensors(
                context,
                experiment_id=experiment,
                plugin_name=INDEX_PLUGIN,
                downsample=ALL,
                run_tag_filter=provider.RunTagFilter(runs=folders, tags=tags),
            )
            return {
                folder: {explanation_tag(tag): data for tag, data in series.items()}
                for folder, series in found.items()
            }

        names = None if tags is None else [index_tag(tag) for tag in tags]
        try:
            return read(folders, names), {}
        except Exception:
            listed = self._provider.list_tensors(
                context,
                experiment_id=experiment,
                plugin_name=INDEX_PLUGIN,
                run_tag_filter=provider.RunTagFilter(runs=folders, tags=names),
            )
        found: Series = {}
        unread: dict[tuple[str, str], str] = {}
        for folder, entries in listed.items():
            for name in entries:
                try:
                    found.setdefault(folder, {}).update(read([folder], [name])[folder])
                except Exception as error:
                    unread[folder, explanation_tag(name)] = clipped(
                        f"{type(error).__name__}: {error}"
                    )
        return found, unread


def index_tag(tag: str) -> str:
    """The index records' tag of an explanations' tag."""
    return INDEX_PREFIX + tag.removeprefix(PREFIX)


def explanation_tag(name: str) -> str:
    """The explanations' tag of an index records' tag."""
    return PREFIX + name.removeprefix(INDEX_PREFIX)


def decode_records(data: Iterable[tuple[str, Datum]]) -> list[dict[str, Any]]:
    """Records by tag and datum, decoded: as many as fit into an answer once unpacked."""
    records: list[dict[str, Any]] = []
    room = MAX_RECORD_BYTES
    for tag, datum in data:
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
