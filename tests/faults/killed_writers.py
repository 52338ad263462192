"""Writers that are killed while they write, at random bytes: ``python -m ... LOGDIR SEED``.

Each run lives several times. Every life but the last is ended by SIGKILL once its files have
reached a random size, with the disk slowed down so that the kill falls within a record; the next
resumes from a step that had been logged, or from one or two before it. Prints, as JSON, which life
logged each step that was acknowledged and not dropped since, and whether step 0 may be there, too:
a kill may come once its record is whole and before that was acknowledged. Of any later step that
does not matter, since the next life logs it again; none resumes from step 0.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from tensorboard.compat.tensorflow_stub.io.gfile import LocalFileSystem

from mmx_core.events import ExplanationWriter
from tests.faults.panel import tiny

RUNS, LIVES, LAST_STEPS = 3, 7, 2
PIECE_BYTES = 16


def main(logdir: str, seed: int) -> None:
    chosen = random.Random(seed)
    print(json.dumps({f"killed{n}": run(Path(logdir) / f"killed{n}", chosen) for n in range(RUNS)}))


def run(folder: Path, chosen: random.Random) -> dict[str, object]:
    """Lives and dies in a directory."""
    folder.mkdir(parents=True)
    logged: dict[int, int] = {}
    cut = 0
    for life in range(LIVES):
        last = life == LIVES - 1
        first = max(1, max(logged, default=0) + 1 - chosen.randrange(3)) if life else 0
        size = folder_bytes(folder) + chosen.randrange(100, 9000)
        acknowledged = one_life(folder, life, first, None if last else size)
        logged = {step: by for step, by in logged.items() if step < first or life == 0}
        logged |= dict.fromkeys(acknowledged, life)
        cut += not last
    return {"logged": logged, "kills": cut, "step 0 may be there": 0 not in logged}


def one_life(folder: Path, life: int, first: int, size: int | None) -> list[int]:
    """The steps that a writer acknowledged before it was killed at that size of its directory."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            write_steps(folder, life, first, write, slow=size is not None)
        finally:
            os._exit(0)
    os.close(write)
    if size is not None:
        while folder_bytes(folder) < size:
            time.sleep(0.0002)
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    with os.fdopen(read) as lines:
        return [int(line) for line in lines]


def write_steps(folder: Path, life: int, first: int, acknowledge: int, *, slow: bool) -> None:
    """Logs step after step; the last life ends by itself."""
    if slow:
        LocalFileSystem.append = drip
    writer = ExplanationWriter(folder, strict=True)
    if life:
        writer.mark_resume(first)
    for step in range(first, 10_000 if slow else first + LAST_STEPS):
        writer.add_explanation("val/1", tiny(step, id=f"life {life}"), step)
        os.write(acknowledge, f"{step}\n".encode())


def drip(_: object, filename: bytes, content: bytes, binary_mode: bool = False) -> None:
    """Appends as a slow disk does."""
    with open(filename, "ab", buffering=0) as file:
        for at in range(0, len(content), PIECE_BYTES):
            file.write(content[at : at + PIECE_BYTES])
            time.sleep(0.00002)


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("events.*"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
