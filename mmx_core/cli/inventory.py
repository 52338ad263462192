"""``mmx list``: what a logdir holds, and what it costs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

from mmx_core.cli.logdir import folders_of, nothing_logged, report_damage
from mmx_core.cli.table import format_bytes, format_table
from mmx_core.events.tags import PREFIX
from mmx_core.export.log import LoggedRun, read_run
from mmx_core.export.printable import printable

# What the plugin asks TensorBoard to keep of each sample; a test compares it with the plugin's.
STEPS_KEPT = 50


@dataclass(frozen=True)
class SampleInventory:
    """One sample of a run.

    Attributes:
        sample: ``SET/SAMPLE``.
        steps: How many steps were logged.
        first_step: The lowest of them.
        last_step: The highest of them.
        bytes: Of all steps' blobs.
    """

    sample: str
    steps: int
    first_step: int
    last_step: int
    bytes: int


@dataclass(frozen=True)
class RunInventory:
    """One run.

    Attributes:
        run: Its name.
        samples: Naturally sorted.
        bytes_on_disk: Its event files, with whatever else was logged into them.
        mean_bytes: Of one explanation's blobs: a sample at a step.
        memory_bytes: Of the blobs, images included, that TensorBoard keeps in memory. Where it has
            to leave out steps, those it keeps are taken to be of mean size.
    """

    run: str
    samples: tuple[SampleInventory, ...]
    bytes_on_disk: int
    mean_bytes: int
    memory_bytes: int


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "list", help="list runs, samples and steps, and what they cost on disk and in memory"
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="what `tensorboard --logdir` gets")
    parser.add_argument("--json", action="store_true", help="as JSON, with every sample")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints the inventory."""
    found = [
        take(logged)
        for name, folder in folders_of(arguments.logdir).items()
        if (logged := read_run(name, folder, report_damage)).samples
    ]
    if arguments.json:
        print(json.dumps({"runs": [asdict(entry) for entry in found]}, indent=2))
    elif not found:
        raise nothing_logged(arguments.logdir)
    else:
        print(_table(found))


def take(logged: LoggedRun) -> RunInventory:
    """Counts a run that has at least one explanation."""
    samples = tuple(
        SampleInventory(
            sample=tag.removeprefix(PREFIX),
            steps=len(steps),
            first_step=min(steps),
            last_step=max(steps),
            bytes=sum(record.size for record in steps.values()),
        )
        for tag, steps in logged.samples.items()
    )
    images = sum(len(blob) for blobs in logged.images.values() for blob in blobs)
    kept = sum(entry.bytes * min(1, STEPS_KEPT / entry.steps) for entry in samples)
    return RunInventory(
        run=logged.run,
        samples=samples,
        bytes_on_disk=logged.bytes_on_disk,
        mean_bytes=round(sum(e.bytes for e in samples) / sum(e.steps for e in samples)),
        memory_bytes=images + round(kept),
    )


def _table(found: list[RunInventory]) -> str:
    header = ("run", "samples", "named", "steps", "explanations", "on disk", "each", "in memory")
    rows = [
        (
            printable(entry.run),
            str(len(entry.samples)),
            printable(_span([sample.sample for sample in entry.samples])),
            _steps(entry.samples),
            str(sum(sample.steps for sample in entry.samples)),
            format_bytes(entry.bytes_on_disk),
            format_bytes(entry.mean_bytes),
            format_bytes(entry.memory_bytes),
        )
        for entry in found
    ]
    memory = format_bytes(sum(entry.memory_bytes for entry in found))
    disk = format_bytes(sum(entry.bytes_on_disk for entry in found))
    return (
        f"{format_table(header, rows, text=(0, 2))}\n\n"
        f"{disk} on disk; TensorBoard holds {memory} of it in memory, "
        f"{STEPS_KEPT} steps of a sample at most (--samples_per_plugin=mmx=N changes that)."
    )


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _steps(samples: tuple[SampleInventory, ...]) -> str:
    first, last = min(s.first_step for s in samples), max(s.last_step for s in samples)
    most = max(sample.steps for sample in samples)
    return f"{first} ({most})" if first == last else f"{first}–{last} ({most})"
