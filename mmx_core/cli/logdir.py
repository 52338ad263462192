"""What the subcommands that read a log share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from mmx_core.cli.errors import CommandError, one_line
from mmx_core.events.log import Damage, LoggedRun, read_runs, runs_of
from mmx_core.events.place import expanded
from mmx_core.events.reader import check_logdir
from mmx_core.export.printable import printable


def logged_runs(logdir: str) -> Iterator[LoggedRun]:
    """The runs of a logdir that hold explanations, read one directory at a time.

    Raises:
        CommandError: As for :func:`folders_of`.
    """
    for folders in folders_of(logdir).values():
        yield from (run for run in read_runs(folders, report_damage) if run.samples)


def folders_of(logdir: str) -> dict[str, dict[str, str]]:
    """The logdir's directories with event files, by run and by TensorBoard's name.

    Raises:
        CommandError: There is no such directory, or nothing has been logged into it.
    """
    logdir = expanded(logdir)
    try:
        check_logdir(logdir)
    except FileNotFoundError:
        raise CommandError(
            f"LOGDIR: expected a directory, got {logdir!r}; give what `tensorboard --logdir` gets"
        ) from None
    except ValueError as error:
        raise CommandError(str(error).replace("logdir", "LOGDIR", 1)) from None
    except OSError as error:  # a URL's host does not answer, or lets nobody in
        raise CommandError(
            f"LOGDIR: expected a directory that can be read, got {logdir!r} ({one_line(error)})"
        ) from None
    try:
        folders = runs_of(logdir)
    except UnicodeError as error:
        raise CommandError(
            f"LOGDIR: expected directories named in UTF-8, which TensorBoard needs, got one below "
            f"{logdir!r} that is not ({one_line(error)}); rename it"
        ) from None
    if not folders:
        raise nothing_logged(logdir)
    return folders


def check_target(logdir: str) -> None:
    """Refuses a directory or URL that nothing can be logged to, before any work is done.

    Raises:
        CommandError: It is a file's, or a URL of a kind that cannot be written to here.
    """
    if os.path.exists(logdir) and not os.path.isdir(logdir):
        raise CommandError(f"--logdir: expected a directory, got the file {logdir!r}; name another")
    if "://" not in logdir:
        return
    from tensorboard.compat import tf

    from mmx_core.events.sinks import EventFile

    try:
        EventFile(logdir)
        tf.io.gfile.isdir(logdir)
    except Exception as error:  # of any of the packages that fsspec may use
        text = one_line(error).removeprefix("logdir: ")
        raise CommandError(
            f"--logdir: expected a directory or URL that can be written, got {logdir!r} ({text}); "
            "name another"
        ) from None


def nothing_logged(logdir: str) -> CommandError:
    """The error for a directory without explanations."""
    return CommandError(
        f"LOGDIR: expected logged explanations, got none below {logdir!r}; log some with "
        "`mmx explain` or mmx_core.add_explanation"
    )


def report_damage(damage: Damage) -> None:
    """Says on the standard error what is skipped."""
    if damage.silent:
        return
    step = "" if damage.step is None else f", step {damage.step}"
    where = f"run {damage.run!r}, {damage.tag}{step}"
    print(printable(f"mmx: skipped {where}: {damage.reason}"), file=sys.stderr)
