"""``mmx explain --data``: many samples from a file; a stopped command goes on where it was."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mmx_core.cli.errors import CommandError, one_line
from mmx_core.cli.inputs import encoding_of
from mmx_core.cli.logdir import report_damage
from mmx_core.errors import without_frames
from mmx_core.events.log import read_runs, runs_of
from mmx_core.events.memory import is_out_of_memory
from mmx_core.events.tags import check_names, sample_tags
from mmx_core.export.printable import printable
from mmx_core.sample import Sample, anchored, anchored_message, as_sample

if TYPE_CHECKING:
    from mmx_core.explainer import Explainer
    from mmx_core.explanation import Explanation

_ALONE = ("image", "video", "prompt", "messages", "turn", "answer", "why_not", "tag")
"""Options that ask about one answer."""
_ANY_LENGTH = 1 << 40


def add_data(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--data",
        metavar="FILE",
        help='instead: many samples, a JSON object a line, such as {"id": "7", "image": "7.png", '
        '"prompt": "Describe the image."}, with the attributes of mmx_core.Sample; images lie '
        "beside the file; what is logged at this step already is left out",
    )
    parser.add_argument("--set", metavar="NAME", help="of --data: the set's (the file's name)")
    parser.add_argument(
        "--batch-size", type=int, default=1, metavar="N", help="of --data: samples at once (1)"
    )


def read_samples(arguments: argparse.Namespace) -> list[Sample]:
    """The samples of ``--data``, their images unread.

    Raises:
        CommandError: There is no such file, a line is no sample, or other options contradict it.
    """
    for name in _ALONE:
        if getattr(arguments, name) not in (None, []):
            flag = name.replace("_", "-")
            raise CommandError(f"--{flag}: expected none with --data, which holds its own")
    if arguments.batch_size < 1:
        raise CommandError(f"--batch-size: expected at least 1, got {arguments.batch_size}")
    path: str = arguments.data
    try:
        with open(path, encoding=encoding_of(path)) as file:
            # Files that were put together have a byte order mark amid them.
            lines = [line for given in file if (line := given.strip("\ufeff \t\r\n"))]
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"--data: expected a file of JSON objects, got {path!r} ({one_line(error)})"
        ) from None
    folder = os.path.dirname(os.path.abspath(path))
    samples = [_sample(line, number, folder) for number, line in enumerate(lines)]
    if not samples:
        raise CommandError(f"--data: expected samples, got none in {path!r}")
    names = [sample.id for sample in samples]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise CommandError(
            printable(f"--data: expected distinct ids, got {', '.join(twice[:5])} repeatedly")
        )
    try:
        check_names(set_name(arguments), names)
    except ValueError as error:
        raise CommandError(f"--set: {one_line(error)}; name it otherwise") from None
    return samples


def set_name(arguments: argparse.Namespace) -> str:
    """The first part of the samples' tags."""
    return arguments.set or os.path.splitext(os.path.basename(arguments.data))[0]


def not_logged(samples: Sequence[Sample], arguments: argparse.Namespace) -> list[Sample]:
    """The samples that the log does not hold at the step."""
    logdir, step = arguments.logdir, arguments.step
    if "://" in logdir or not os.path.isdir(logdir):
        return list(samples)
    there: set[str] = set()
    folders = runs_of(logdir).get(".", {})
    for run in read_runs(folders, report_damage, wanted=lambda tag, at: at == step)[:1]:
        there = {tag for tag, steps in run.samples.items() if step in steps}
    name = set_name(arguments)
    return [s for s in samples if sample_tags(f"{name}/{s.id}").explanation not in there]


def explained(
    explainer: Explainer, samples: Sequence[Sample], batch_size: int
) -> Iterator[tuple[Sample, Explanation | Exception]]:
    """Each sample with its explanation, or with what was wrong with it.

    Raises:
        Exception: No memory is left, or the device is broken: no other sample would fare better.
    """
    waiting = list(samples)
    # One by one all are explained by one call, which reads the references once; on a CPU it looks
    # at them one by one, too.
    alone = batch_size == 1
    limit = _ANY_LENGTH if not alone else None if _is_cpu(explainer) else 1
    while waiting:
        batch = tuple(waiting if alone else waiting[:batch_size])
        try:
            for explanation in explainer.explain_batch(
                batch, max_tokens_per_batch=limit, references=samples
            ):
                yield waiting.pop(0), explanation
        except Exception as error:  # a file's, a chat template's, or the model's own
            if _ends_all(error, explainer):
                raise
            yield waiting.pop(0), without_frames(error)


def _is_cpu(explainer: Explainer) -> bool:
    return explainer.adapter.device.type == "cpu"


def _ends_all(error: Exception, explainer: Explainer) -> bool:
    """Whether an error is not the sample's: of memory, or of a device that can do nothing more."""
    import torch

    if isinstance(error, torch.OutOfMemoryError) or is_out_of_memory(error):
        return True
    try:
        torch.ones(1, device=explainer.adapter.device).add(1).item()
    except RuntimeError:
        return True
    return False


def told_failure(sample: Sample, error: Exception) -> None:
    """Says on the standard error what is left out."""
    text = one_line(error).removeprefix(f"sample {sample.id!r}: ")
    print(printable(f"mmx: left out {sample.id}: {text}"), file=sys.stderr)


def _sample(line: str, number: int, folder: str) -> Sample:
    where = f"--data: line {number + 1}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{where}: expected a JSON object ({one_line(error)})") from None
    if not isinstance(row, dict):
        raise CommandError(f"{where}: expected a JSON object, got {type(row).__name__}")
    row = {"id": f"{number:04d}", **row}
    for key in ("image", "images"):
        if key in row:
            row[key] = anchored(row[key], folder)
    if isinstance(row.get("messages"), list):
        row["messages"] = [anchored_message(message, folder) for message in row["messages"]]
    try:
        return as_sample(row)
    except (TypeError, ValueError) as error:
        raise CommandError(printable(f"{where}: {one_line(error)}")) from None
