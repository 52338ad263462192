"""A run on a disk that fills up, is cleared and fills up again: ``python -m ... LOGDIR DISK``.

DISK is a directory to mount a tiny file system on; the run is copied to LOGDIR at the end. Prints
the steps that reached the disk, and how many files were there when it was full.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from mmx_core.events import ExplanationWriter
from mmx_core.events.sinks import EventFile
from tests.faults.panel import tiny

NO_DISK = 77


def main(logdir: Path, disk: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]).returncode:
        sys.exit(NO_DISK)
    written: list[int] = []
    write = EventFile.write

    def noticed(file: EventFile, event: object) -> None:
        write(file, event)
        if len(event.summary.value) > 1:
            written.append(event.step)

    EventFile.write = noticed
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(24 * 1024))
    run = disk / "run"
    with ExplanationWriter(run) as writer:
        for step in range(80):
            if step == 60:
                files = len(list(run.rglob("events.*")))
                ballast.unlink()
            writer.add_explanation("val/1", tiny(step, id=str(step)), step)
    shutil.copytree(run, logdir)
    print(json.dumps({"written": written, "files": files}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
