"""The command as a process: interrupts, pipes, full disks and odd environments cost one line."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmx_core import read_explanations
from mmx_core.cli import main
from mmx_core.events.writer import ExplanationWriter
from tests.support.explanations import make_explanation

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "demo" / "checkpoints" / "grounded" / "step-003800")
FULL = "/dev/full"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and devices of Linux")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("picture") / "image.png"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A log whose list is longer than a pipe holds."""
    folder = tmp_path_factory.mktemp("much")
    with ExplanationWriter(folder / "one") as writer:
        for number in range(60):
            name = f"val/{number}" + "x" * 1500
            writer.add_explanation(name, make_explanation(scales=((1.0, (2, 2)),)), 0)
    return str(folder)


def started(*arguments: str, **settings: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONUNBUFFERED", None)  # argparse hides what it cannot write at once
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "mmx_core.cli", *arguments],
        text=True,
        **{"cwd": ROOT, "env": environment, **streams, **settings},  # type: ignore[call-overload]
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """How it ended, and what it said; a bar of progress ends before a line of its own."""
    errors = process.communicate(timeout=60)[1] or ""
    bar = re.compile(r"\d+/\d+ \[|^\s*$")
    lines = [line for line in re.split(r"[\r\n]", errors) if not bar.search(line)]
    return process.returncode, lines


def command(name: str, logdir: Path, picture: str, target: Path) -> list[str]:
    on_model = ["--model", MODEL, "--device", "cpu"]
    asked = ["--image", picture, "--prompt", "describe the image .", "--scales", "1"]
    place = ["--run", "grounded", "--sample", "val/2", "--format", "npz"]
    return {
        "list": ["list", str(logdir)],
        "export": ["export", str(logdir), *place, "--out", str(target / "x.npz")],
        "doctor": ["doctor"],
        "explain": ["explain", *on_model, *asked, "--logdir", str(target / "runs")],
        "evaluate": ["evaluate", *on_model, "--data", "demo:val", "--out", str(target / "out")],
    }[name]


# While Python itself starts nothing can be taken; then numpy is imported, torch, the model runs.
@pytest.mark.parametrize(
    ("name", "moments"),
    [
        ("list", (0.3,)),
        ("export", (0.3,)),
        ("doctor", (0.3, 1.5)),
        ("explain", (0.3, 1.5, 3.0)),
        ("evaluate", (0.3, 5.0)),
    ],
)
def test_an_interrupt_is_one_line(logdir, picture, tmp_path, name, moments) -> None:
    for moment in moments:
        process = started(
            *command(name, logdir, picture, tmp_path),
            # What runs behind a script may be started with interrupts ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        code, lines = ended(process)
        if code == 0:  # it had done its work
            assert not lines
        elif code == -signal.SIGINT:  # at its very end, where it may have been told
            assert lines in ([], ["mmx: interrupted"])
        else:
            assert (code, lines) == (130, ["mmx: interrupted"])


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"]])
def test_a_reader_that_leaves_is_one_line(much, arguments) -> None:
    process = started(*arguments, much)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert ended(process) == (141, ["mmx: the output was closed before its end"])


@pytest.mark.parametrize("name", ["list", "doctor", "--help"])
def test_an_output_that_is_full_is_one_line(logdir, name) -> None:
    arguments = [name, str(logdir)] if name == "list" else [name]
    with open(FULL, "w") as full:
        code, (line,) = ended(started(*arguments, stdout=full))
    assert code == 1 and line.startswith("mmx: No space left on device")
    with open(FULL, "w") as full:
        assert started(*arguments, stdout=full, stderr=full).wait(60) == 1


def test_closed_streams_stop_nothing_and_get_into_no_file(picture, tmp_path) -> None:
    arguments = command("explain", tmp_path, picture, tmp_path)
    script = 'exec "$@" <&- >&- 2>&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "mmx_core.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    (read,) = read_explanations(tmp_path / "runs")
    assert read.answer


def test_a_poor_environment_is_enough(tmp_path) -> None:
    """No home, no terminal, no letters but ASCII, and nowhere to write."""
    with ExplanationWriter(tmp_path / "one") as writer:
        writer.add_explanation("val/2✓", make_explanation(), 0)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    environment |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = started("list", str(tmp_path), cwd="/proc", env=environment)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and "val/2\\u2713" in output


@pytest.mark.parametrize("flag", ["--logdir", "--out"])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/proc/nowhere", "No such file or directory: '/proc'"),
        (f"{__file__}/runs", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_model_is_loaded(
    picture, tmp_path, capsys, monkeypatch, flag, place, told
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mmx_core.explainer.Explainer.from_pretrained", None)
    name = "explain" if flag == "--logdir" else "evaluate"
    arguments = command(name, tmp_path, picture, tmp_path)
    arguments[arguments.index(flag) + 1] = place
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith(f"mmx: {flag}: expected a directory that can be written") and told in line
    )
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_told_of_before_the_model_is_loaded(picture, tmp_path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"]).returncode:
        pytest.skip("this machine grants no file system of one's own")
    mount = f'mount -t tmpfs -o size=8k none {tmp_path} || exit 77; exec "$@"'
    arguments = command("explain", tmp_path, picture, tmp_path)
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", mount, "sh", sys.executable, "-m", "mmx_core.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 77:
        pytest.skip("this machine grants no file system of one's own")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("mmx: No space left on device")


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ('[{"role": "assistant", "content": "a cat"}]', "expected"),
        ('[{"role": "user", "content": [{"type": "image"}, {"type": "image"}]}]', "expected"),
    ],
)
def test_a_conversation_that_cannot_be_is_refused_before_the_model_is_loaded(
    picture, tmp_path, capsys, monkeypatch, messages, told
) -> None:
    monkeypatch.setattr("mmx_core.explainer.Explainer.from_pretrained", None)
    talk = tmp_path / "talk.json"
    talk.write_text(messages)
    arguments = command("explain", tmp_path, picture, tmp_path)
    at = arguments.index("--prompt")
    arguments[at : at + 2] = ["--messages", str(talk)]
    assert main(arguments) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
