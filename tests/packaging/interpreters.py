"""The Pythons of this machine, on the PATH or among pyenv's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Its own pip, of a version that can install for another Python, fills an environment in half the
# time that an environment with a pip of its own takes.
_TEST = """\
import pip, sys, venv
version = "%d.%d" % sys.version_info[:2]
sys.exit(version != sys.argv[1] or tuple(map(int, pip.__version__.split(".")[:2])) < (22, 3))
"""


def find_python(version: str) -> str | None:
    """A Python of that version (such as ``3.12``) with venv and pip >= 22.3, if there is one."""
    # One of pyenv's shims may be on the PATH for a version that it then refuses to start.
    works = (
        python for python in _candidates(version) if _run(python, "-c", _TEST, version) is not None
    )
    return next(works, None)


def _candidates(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    if root := _run("pyenv", "root"):
        versions = Path(root.strip(), "versions")
        yield from map(str, versions.glob(f"{version}.*/bin/python"))


def _run(*command: str) -> str | None:
    """What a command prints; None where there is none, or it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
