"""Whether what a command will write can be written, before it works for it."""

from __future__ import annotations

from mmx_core.cli.errors import CommandError, is_full, one_line
from mmx_core.events.probe import probe_directory


def check_writable(flag: str, path: str) -> None:
    """Refuses a directory that cannot be written or made; nothing is left behind.

    Args:
        flag: The option, such as ``--logdir``.
        path: Of the directory.

    Raises:
        CommandError: It, or what it would be made in, is a file, or cannot be written.
        OSError: The disk is full.
    """
    try:
        probe_directory(path)
    except OSError as error:
        if is_full(error):
            raise
        reason = error.strerror or one_line(error)
        raise CommandError(
            f"{flag}: expected a directory that can be written, got {path!r} ({reason}: "
            f"{error.filename!r}); name another"
        ) from None
