"""What `mmx explain` calls a sample whose tag is not given: its file's name, if that is free."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmx_core.cli.logdir import report_damage
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.bounds import fitted
from mmx_core.events.log import read_runs, runs_of
from mmx_core.events.tags import DEFAULT_SET, sample_tags
from mmx_core.export.printable import printable

if TYPE_CHECKING:
    from mmx_core.explanation import Explanation


def free_tag(path: str, explanation: Explanation, logdir: str, step: int) -> str:
    """The shortest name by which no other picture is replaced; another question is, and is told.

    Args:
        path: What the sample is named after: ``cats/1.png`` is ``default/1``, or
            ``default/cats/1`` where that is another picture's.
        explanation: What will be logged.
        logdir: The run's directory. A URL's log is not looked into.
        step: At which it will be.
    """
    names = list(_names(path))
    there = _logged(names, logdir, step)
    mine = _pictures(explanation)
    for name in names:
        if name not in there or None in (mine, _pictures(there[name])):
            return name
        if _pictures(there[name]) == mine:
            if there[name].prompt != explanation.prompt:
                text = f"{name} at step {step} held another question about this picture"
                print(printable(f"mmx: replaced: {text}; --tag keeps both"), file=sys.stderr)
            return name
    text = f"{names[0]} at step {step} held another picture; --tag keeps both"
    print(printable(f"mmx: replaced: {text}"), file=sys.stderr)
    return names[0]


def _names(path: str) -> Iterator[str]:
    """From the file's own to the whole path's."""
    parts = [part for part in os.path.splitext(os.path.abspath(path))[0].split(os.sep) if part]
    for count in range(1, len(parts) + 1):
        name = f"{DEFAULT_SET}/{'/'.join(parts[-count:])}"
        try:
            sample_tags(name)
        except ValueError:  # longer than a tag may be
            return
        yield name


def _logged(names: list[str], logdir: str, step: int) -> dict[str, Explanation]:
    """What the run holds under these names at the step."""
    if "://" in logdir or not os.path.isdir(logdir):
        return {}
    tags = {sample_tags(name).explanation: name for name in names}
    folders = runs_of(logdir).get(".", {})
    found = {}
    runs = read_runs(folders, report_damage, wanted=lambda tag, at: at == step and tag in tags)
    for run in runs[:1]:
        for tag in run.samples:
            try:
                found[tags[tag]] = run.decode(tag, step, report_damage)
            except (DamagedBlob, UnsupportedVersion):
                continue
    return found


def _pictures(explanation: Explanation) -> tuple[str, ...] | None:
    """Hashes of the pictures as they are logged; None where not all are."""
    images = [entry.image for entry in fitted(explanation).images]
    return None if None in images else tuple(image.hash for image in images if image is not None)
