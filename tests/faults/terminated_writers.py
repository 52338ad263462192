"""Writers with a background that get SIGTERM at a random moment: ``python -m ... LOGDIR HOW SEED``.

HOW is what the signal does: nothing that the program has a say in (``default``), or its handler
leaves (``exit``), or closes the writer and leaves (``close``). Prints, as JSON, for each writer how
it ended and the steps that were acknowledged: those flushed before it was killed outright, else all
whose call had returned.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from mmx_core.events import ExplanationWriter
from tests.faults.panel import tiny

WRITERS, AT_ONCE = 100, 4
LONGEST_SECONDS, PATIENCE_SECONDS = 0.02, 20


def main(logdir: Path, how: str, seed: int) -> None:
    chosen = random.Random(seed)
    gc.freeze()  # or each writer would go through all that was imported as it ends
    told: list[dict[str, object]] = []
    for first in range(0, WRITERS, AT_ONCE):
        begun = [begin(logdir / str(n), how) for n in range(first, first + AT_ONCE)]
        moments = sorted((chosen.uniform(0, LONGEST_SECONDS), *child) for child in begun)
        start = time.monotonic()
        for moment, process, _ in moments:
            time.sleep(max(0.0, start + moment - time.monotonic()))
            os.kill(process, signal.SIGTERM)
        told += [end(*child) for child in begun]
    print(json.dumps(told))


def begin(folder: Path, how: str) -> tuple[int, int]:
    """A writer that is at work: its process, and where its acknowledgements come from."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        work(folder, how, write)
    os.close(write)
    assert os.read(read, 1) == b"\n"
    return process, read


def work(folder: Path, how: str, acknowledge: int) -> None:
    """Logs until it is ended; leaves as any program does, which waits for its threads."""
    writer = ExplanationWriter(folder, background=True, strict=True)

    def leave(*_: object) -> None:
        if how == "close":
            writer.close()
        sys.exit(3)

    if how != "default":
        signal.signal(signal.SIGTERM, leave)
    os.write(acknowledge, b"\n")
    explanation = tiny(0)
    for step in range(10_000):
        writer.add_explanation("val/1", explanation, step)
        if how == "default" or step % 7 == 6:
            writer.flush()
        os.write(acknowledge, f"{step}\n".encode())


def end(process: int, read: int) -> dict[str, object]:
    """Waits for a writer; one that does not end is killed, and told of."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (status := os.waitpid(process, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            status = os.waitpid(process, 0)
            break
        time.sleep(0.0005)
    with os.fdopen(read) as lines:
        steps = [int(line) for line in lines if line.strip()]
    return {"code": os.waitstatus_to_exitcode(status[1]), "steps": steps}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
