"""What has been measured so far, on the disk after every sample: a killed evaluation goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONFIGURATION = "configuration.json"
_PART = "samples-{rank}.jsonl"


class OtherConfiguration(ValueError):
    """The directory holds another evaluation."""


class Journal:
    """One line per finished sample, in a file per process.

    Args:
        directory: Of the evaluation.
        rank: Of this process.
    """

    def __init__(self, directory: Path, rank: int) -> None:
        self._directory = directory
        self._path = directory / _PART.format(rank=rank)

    def claim(self, configuration: dict[str, Any]) -> None:
        """Writes down what is evaluated, or compares it with what the directory began as.

        Raises:
            OtherConfiguration: It began as something else; what differs is said.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / CONFIGURATION
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
            partial.replace(path)
            return
        except ValueError:
            before = {}
        differing = [
            f"{name} {before.get(name)!r}, now {value!r}"
            for name, value in configuration.items()
            if before.get(name) != value
        ]
        if differing:
            raise OtherConfiguration("; ".join(differing))

    def entries(self) -> Iterator[dict[str, Any]]:
        """What any process has finished. A line cut off by a kill is left out."""
        for path in sorted(self._directory.glob(_PART.format(rank="*"))):
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(entry, dict) and "sample" in entry:
                        yield entry

    def add(self, entry: dict[str, Any]) -> None:
        """Brings one finished sample to the disk."""
        with self._path.open("a+b") as file:
            # A killed process may have left half a line: it ends here.
            if file.tell() and _last_byte(file) != b"\n":
                file.write(b"\n")
            file.write(json.dumps(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    last = file.read(1)
    file.seek(0, os.SEEK_END)
    return bytes(last)
