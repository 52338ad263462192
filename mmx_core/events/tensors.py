"""Decoding what tbparse has read: ``tbparse.SummaryReader(logdir).tensors``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mmx_core.events.reader import RunRecords, warn_damage
from mmx_core.events.tags import PREFIX
from mmx_core.explanation import Explanation

if TYPE_CHECKING:
    import pandas


def decode_tensors(tensors: pandas.DataFrame) -> list[Explanation]:
    """Decodes the explanations among tbparse's tensors; others are ignored.

    Args:
        tensors: A long-format frame with ``step``, ``tag`` and ``value``. With
            ``extra_columns={"dir_name"}`` each explanation gets its run's name; without it
            ``run`` is empty. tbparse reads file by file and knows no resuming: what was logged
            twice comes twice.

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
    runs: dict[str, RunRecords] = {}
    for source, (run, tag, step, value) in enumerate(_rows(tensors)):
        runs.setdefault(run, RunRecords(run)).add(tag, step, value, source=source)
    return [explanation for run in sorted(runs) for explanation in runs[run].decode(warn_damage)]


def _rows(tensors: pandas.DataFrame) -> Iterator[tuple[str, str, int, list[bytes]]]:
    if tensors.empty:
        return
    runs = tensors["dir_name"] if "dir_name" in tensors.columns else [""] * len(tensors)
    columns = (runs, tensors["tag"], tensors["step"], tensors["value"])
    for run, tag, step, value in zip(*columns, strict=True):
        if tag.startswith(PREFIX) and isinstance(value, np.ndarray) and value.dtype == object:
            yield str(run), str(tag), int(step), value.ravel().tolist()
