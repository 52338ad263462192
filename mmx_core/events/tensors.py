"""Decoding what tbparse has read: ``tbparse.SummaryReader(logdir).tensors``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from mmx_core.events.log import LoggedRun, LoggedStep, joined
from mmx_core.events.reader import decoded, warn_damage
from mmx_core.events.tags import PREFIX, natural_key
from mmx_core.explanation import Explanation

if TYPE_CHECKING:
    import pandas


def decode_tensors(tensors: pandas.DataFrame) -> list[Explanation]:
    """Decodes the explanations among tbparse's tensors; others are ignored.

    Args:
        tensors: A long-format frame with ``step``, ``tag`` and ``value``. With
            ``extra_columns={"dir_name"}`` each explanation gets its run's name, and the starts of
            a run are taken together; without it ``run`` is empty, and what was logged twice comes
            twice.

    Returns:
        The explanations, sorted by run, tag and step. Damaged ones are skipped with a warning.

    Raises:
        ValueError: The frame lacks a column; tbparse's ``pivot=True`` has none of these.

    Example:
        >>> reader = tbparse.SummaryReader("runs/", extra_columns={"dir_name"})
        >>> explanations = decode_tensors(reader.tensors)
    """
    missing = {"step", "tag", "value"} - set(tensors.columns)
    if missing and len(tensors.columns):
        raise ValueError(
            f"tensors: expected the columns step, tag and value, got {list(tensors.columns)}; "
            "call tbparse.SummaryReader without pivot"
        )
    rows = sorted(_rows(tensors), key=lambda row: (natural_key(row[1]), row[2]))
    apart = "dir_name" not in tensors.columns
    found: Iterable[LoggedRun]
    if apart:
        # One run per record, so that none takes another's place.
        found = [LoggedRun("") for _ in rows]
        pictures = LoggedRun("").images
        for run, (_, tag, step, blobs) in zip(found, rows, strict=True):
            run.images = pictures
            run.take(tag, step, LoggedStep(0.0, blobs))
    else:
        folders: dict[str, LoggedRun] = {}
        for folder, tag, step, blobs in rows:
            folders.setdefault(folder, LoggedRun(folder)).take(tag, step, LoggedStep(0.0, blobs))
        found = joined(folders)
    return [explanation for run in found for explanation in decoded(run, warn_damage)]


def _rows(tensors: pandas.DataFrame) -> Iterator[tuple[str, str, int, list[bytes]]]:
    if tensors.empty:
        return
    folders = tensors["dir_name"] if "dir_name" in tensors.columns else [""] * len(tensors)
    columns = (folders, tensors["tag"], tensors["step"], tensors["value"])
    for folder, tag, step, value in zip(*columns, strict=True):
        if tag.startswith(PREFIX) and isinstance(value, np.ndarray) and value.dtype == object:
            yield str(folder) or ".", str(tag), int(step), value.ravel().tolist()
