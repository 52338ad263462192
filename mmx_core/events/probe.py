"""Whether a directory can be written, before anybody works for what will be."""

from __future__ import annotations

import os
import tempfile

_PROBE_BYTES = 1 << 16


def probe_directory(path: str) -> None:
    """Writes into a directory, or what it would be made in; nothing is left behind.

    By writing: as root, over a network or with a quota, permissions tell little.

    Raises:
        OSError: It, or what it would be made in, is a file, cannot be written, or is on a disk that
            is full; ``filename`` says which.
    """
    folder = os.path.abspath(path)
    try:
        while not _exists(folder):
            folder = os.path.dirname(folder)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        error.filename = folder
        raise


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True
