"""``mmx list``: what a logdir holds, and what it costs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

from mmx_core.cli.logdir import logged_runs, nothing_logged
from mmx_core.cli.table import format_bytes, format_table
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.log import LoggedRun
from mmx_core.events.tags import shown_name
from mmx_core.events.wire import decode_header
from mmx_core.export.printable import printable

# How many steps of a sample the plugin asks TensorBoard to keep (0: all); a test compares it with
# the plugin's.
STEPS_KEPT = 0

# What TensorBoard 2.21's processes grow by, measured on logs of 1.5 to 440 kB per record. The data
# server keeps index records of all steps, but of scalars a thousand points.
_SERVER_BYTES_PER_KEPT, _SERVER_BYTES_PER_RECORD, _SERVER_BYTES_PER_SCALAR = 750, 1200, 550
_SCALARS_KEPT = 1000
# Without it, an index record or a scalar that is kept holds the memory of its whole event, maps and
# all: which steps are kept makes no difference unless it is the same for all three. An event with
# metrics is there twice, as TensorBoard converts it.
_LOADER_BYTES_PER_RECORD, _LOADER_BYTES_PER_SCALAR = 4000, 1000
_LOADER_BYTES_PER_CONVERTED = 2500


@dataclass(frozen=True)
class SampleInventory:
    """One sample of a run.

    Attributes:
        sample: ``SET/SAMPLE``.
        steps: How many steps were logged.
        first_step: The lowest of them.
        last_step: The highest of them.
        bytes: Of all steps' blobs.
        metrics: How many scalars go with a step, as at the first.
    """

    sample: str
    steps: int
    first_step: int
    last_step: int
    bytes: int
    metrics: int


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
        data_server_bytes: What TensorBoard's data server will grow by, about: the blobs and what
            comes with them.
        tensorboard_bytes: What TensorBoard itself will grow by where it has no data server.
    """

    run: str
    samples: tuple[SampleInventory, ...]
    bytes_on_disk: int
    mean_bytes: int
    memory_bytes: int
    data_server_bytes: int
    tensorboard_bytes: int


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "list", help="list runs, samples and steps, and what they cost on disk and in memory"
    )
    parser.add_argument("logdir", metavar="LOGDIR", help="what `tensorboard --logdir` gets")
    parser.add_argument(
        "--keep",
        metavar="N",
        type=_steps_to_keep,
        default=STEPS_KEPT,
        help="count the memory that `tensorboard --samples_per_plugin=mmx=N` takes, which keeps N "
        "steps of each sample (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, with every sample")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints the inventory."""
    found = [take(logged, keep=arguments.keep) for logged in logged_runs(arguments.logdir)]
    if arguments.json:
        print(json.dumps({"runs": [asdict(entry) for entry in found]}, indent=2))
    elif not found:
        raise nothing_logged(arguments.logdir)
    else:
        print(_table(found, arguments.keep))


def take(logged: LoggedRun, *, keep: int = STEPS_KEPT) -> RunInventory:
    """Counts a run that has at least one explanation.

    Args:
        logged: The run.
        keep: Steps of a sample that TensorBoard is asked to keep; 0 for all.
    """
    samples = tuple(
        SampleInventory(
            sample=shown_name(tag),
            steps=len(steps),
            first_step=min(steps),
            last_step=max(steps),
            bytes=sum(record.size for record in steps.values()),
            metrics=_metrics(steps[min(steps)].blobs),
        )
        for tag, steps in logged.samples.items()
    )
    images = sum(len(blob) for blobs in logged.images.values() for blob in blobs)
    return RunInventory(
        run=logged.run,
        samples=samples,
        bytes_on_disk=logged.bytes_on_disk,
        mean_bytes=round(sum(e.bytes for e in samples) / sum(e.steps for e in samples)),
        memory_bytes=images + sum(_kept_bytes(entry, keep) for entry in samples),
        data_server_bytes=images + sum(_in_data_server(entry, keep) for entry in samples),
        tensorboard_bytes=images + sum(map(_in_tensorboard, samples)),
    )


def _kept(entry: SampleInventory, keep: int) -> int:
    return min(entry.steps, keep) if keep else entry.steps


def _kept_bytes(entry: SampleInventory, keep: int) -> int:
    return round(entry.bytes * _kept(entry, keep) / entry.steps)


def _in_data_server(entry: SampleInventory, keep: int) -> int:
    return (
        _kept_bytes(entry, keep)
        + _SERVER_BYTES_PER_KEPT * _kept(entry, keep)
        + _SERVER_BYTES_PER_RECORD * entry.steps
        + _SERVER_BYTES_PER_SCALAR * entry.metrics * min(entry.steps, _SCALARS_KEPT)
    )


def _in_tensorboard(entry: SampleInventory) -> int:
    beside = _LOADER_BYTES_PER_RECORD + _LOADER_BYTES_PER_SCALAR * entry.metrics
    if not entry.metrics:
        return entry.bytes + beside * entry.steps
    return 2 * entry.bytes + (beside + _LOADER_BYTES_PER_CONVERTED) * entry.steps


def _metrics(blobs: list[bytes]) -> int:
    """How many scalars were logged with a record."""
    try:
        return len(decode_header(blobs).metrics())
    except (DamagedBlob, UnsupportedVersion):
        return 1


def _steps_to_keep(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number of steps, or 0 for all, got {text!r}")
    return int(text)


def _table(found: list[RunInventory], keep: int) -> str:
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
            format_bytes(entry.data_server_bytes),
        )
        for entry in found
    ]
    disk = format_bytes(sum(entry.bytes_on_disk for entry in found))
    memory = format_bytes(sum(entry.data_server_bytes for entry in found))
    without = format_bytes(sum(entry.tensorboard_bytes for entry in found))
    samples = [sample for entry in found for sample in entry.samples]
    kept = "every step" if not keep else f"{keep} step{'s' * (keep > 1)}"
    # Half the steps, as an example of what fewer save.
    fewer = max(_kept(sample, keep) for sample in samples) // 2
    less = format_bytes(sum(_in_data_server(sample, fewer) for sample in samples))
    example = f": {less} with N = {fewer}" if fewer else ""
    every = "; without it all are kept" if keep else ""
    return (
        f"{format_table(header, rows, text=(0, 2))}\n\n"
        f"{disk} on disk, about {memory} in TensorBoard's memory: {kept} of each sample.\n"
        f"--samples_per_plugin=mmx=N keeps N of them{example}{every}.\n"
        f"Where it runs without its data server it takes about {without}, whatever N is;\n"
        "there mmx=N,mmx_index=N,scalars=N bounds it, and the tab counts no other steps."
    )


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _steps(samples: tuple[SampleInventory, ...]) -> str:
    first, last = min(s.first_step for s in samples), max(s.last_step for s in samples)
    most = max(sample.steps for sample in samples)
    return f"{first} ({most})" if first == last else f"{first}–{last} ({most})"
