"""Whether what a command will write can be written, before it works for it."""

from __future__ import annotations

import os
import tempfile

from mmx_core.cli.errors import CommandError, is_full, one_line

_PROBE_BYTES = 1 << 16


def check_writable(flag: str, path: str) -> None:
    """Refuses a directory that cannot be written or made; nothing is left behind.

    By writing: as root, over a network or with a quota, permissions tell little.

    Args:
        flag: The option, such as ``--logdir``.
        path: Of the directory.

    Raises:
        CommandError: It, or what it would be made in, is a file, or cannot be written.
        OSError: The disk is full.
    """
    folder = os.path.abspath(path)
    try:
        while not _exists(folder):
            folder = os.path.dirname(folder)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        if is_full(error):
            raise OSError(error.errno, error.strerror, folder) from None
        reason = error.strerror or one_line(error)
        raise CommandError(
            f"{flag}: expected a directory that can be written, got {path!r} ({reason}: "
            f"{folder!r}); name another"
        ) from None


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True
