"""One logdir of runs that something has happened to, and a panel over it under each loader."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmx_core.events import ExplanationWriter, add_explanation
from mmx_core.events.records import means_event
from mmx_core.events.sinks import EventFile
from mmx_core.explanation import EncodedImage
from tests.faults import full_disk
from tests.faults.panel import Panel, served, tiny
from tests.support.tensorboard_server import ROOT

LONG_TAG = "val/" + "x" * 10_000
UNICODE_RUN = "läuft 100 % <b>/ダメ?&#+"
HUGE_SIDE = 10_000


@dataclass(frozen=True)
class Told:
    """What a process that was interfered with has told."""

    code: int
    output: Any
    errors: str


@dataclass(frozen=True)
class Faults:
    """The log, and what the processes that wrote it said."""

    logdir: Path
    killed: Told
    full: Told


def tell(*command: Any, strict: str = "0") -> Told:
    """Runs a process to its end; what it prints is JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MMX_STRICT": strict}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    output = json.loads(done.stdout) if done.returncode == 0 else done.stdout
    return Told(done.returncode, output, done.stderr)


@pytest.fixture(scope="session")
def faults(tmp_path_factory) -> Faults:
    logdir, disk = tmp_path_factory.mktemp("faults"), tmp_path_factory.mktemp("disk")
    killed = tell(sys.executable, "-m", "tests.faults.killed_writers", logdir, 20, strict="1")
    unshare = shutil.which("unshare") or "unshare"
    full = Told(full_disk.NO_DISK, None, "")
    if shutil.which(unshare) and not subprocess.run([unshare, "-rm", "true"]).returncode:
        command = (unshare, "-rm", sys.executable, "-m", "tests.faults.full_disk")
        full = tell(*command, logdir / "full", disk)
    write_odd_runs(logdir)
    return Faults(logdir, killed, full)


def write_odd_runs(logdir: Path) -> None:
    """Runs whose clock, steps, names or sizes are unusual."""
    with at_hour(12), ExplanationWriter(logdir / "clock") as writer:
        for step in (0, 100, 200):
            writer.add_explanation("val/1", tiny(step, id="first"), step, wall_time=2e9 + step)
    with at_hour(11), ExplanationWriter(logdir / "clock") as writer:
        writer.mark_resume(200)
        for step in (200, 300):
            writer.add_explanation("val/1", tiny(step, id="second"), step, wall_time=1e9 + step)
    with ExplanationWriter(logdir / "repeated") as writer:
        for id_, step in (("a", 0), ("a", 1), ("b", 1), ("c", 1)):
            writer.add_explanation("val/1", tiny(id=id_), step, wall_time=5.0)
    with ExplanationWriter(logdir / "backwards") as writer:
        for step in (0, 300, 100):
            writer.add_explanation("val/1", tiny(id=str(step)), step, wall_time=5.0)
    with ExplanationWriter(logdir / "two") as one, ExplanationWriter(logdir / "two") as other:
        for step in range(4):
            one.add_explanation("val/1", tiny(step, id="one"), step)
            other.add_explanation("val/2", tiny(step, id="other"), step)
            (one, other)[step % 2].add_explanation("val/both", tiny(id=str(step)), step)
    add_explanation(logdir / "long", LONG_TAG, tiny(), 3)
    add_explanation(logdir / UNICODE_RUN, "ü/😀 <script>", tiny(), 3)
    add_explanation(logdir / "huge", "val/1", tiny(image=huge_image(logdir.parent)), 0)
    (logdir / "empty").mkdir()
    (logdir / "nothing").mkdir()
    (logdir / "nothing" / "events.out.tfevents.1.x").write_bytes(b"")
    file = EventFile(logdir / "scalars")
    file.write(means_event("loss", {"train": 1.0}, step=0, wall_time=1.0))
    file.close()


class at_hour:
    """Sets the clock that event files are named by to an hour of some day."""

    def __init__(self, hour: int) -> None:
        self._patch = pytest.MonkeyPatch()
        self._time = (1_700_000_000 + 3600 * hour) * 1_000_000_000

    def __enter__(self) -> None:
        self._patch.setattr(time, "time_ns", lambda: self._time)

    def __exit__(self, *error: object) -> None:
        self._patch.undo()


def huge_image(folder: Path) -> EncodedImage:
    """100 megapixels, black and white, a part of them noise: 2 MB that are made quickly."""
    picture = Image.new("1", (HUGE_SIDE, HUGE_SIDE))
    picture.paste(Image.effect_noise((4000, 4000), 90).convert("1"), (0, 0))
    picture.save(folder / "huge.png", compress_level=1)
    data = (folder / "huge.png").read_bytes()
    return EncodedImage(data, "png", HUGE_SIDE, HUGE_SIDE, "abcdef0123456789")


@pytest.fixture(scope="session", params=[True, False], ids=["fast", "slow"])
def panel(request, faults) -> Iterator[Panel]:
    """A panel over the log, under TensorBoard's fast loader and the one in Python."""
    with served(faults.logdir, load_fast=request.param) as panel:
        yield panel
