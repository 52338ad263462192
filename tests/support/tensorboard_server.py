"""A real TensorBoard process over a log directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
# Starts TensorBoard with the plugin whether or not the package is installed.
_BOOTSTRAP = """\
import sys
from tensorboard import default, program
from tb_mmx_plugin.loader import MMXLoader
plugins = [plugin for plugin in default.get_plugins() if "MMXLoader" not in str(plugin)]
board = program.TensorBoard(plugins + [MMXLoader])
board.configure(sys.argv)
sys.exit(board.main())
"""


@contextmanager
def serve(
    logdir: str | os.PathLike[str],
    *,
    load_fast: bool = True,
    path_prefix: str = "",
    arguments: Sequence[str] = (),
    wait_for_data: bool = True,
    start_seconds: float = START_SECONDS,
    installed: bool = False,
) -> Iterator[str]:
    """Runs TensorBoard and yields its base URL, without a slash at its end.

    Args:
        logdir: What to serve.
        load_fast: The Rust data server; False for the loader in Python.
        path_prefix: Such as ``"/some/where"``; the base URL has it.
        arguments: More of the command line.
        wait_for_data: Wait until explanations are listed, as long as the directory has any.
        start_seconds: How long to wait for its address, and again for the data.
        installed: As a user starts it: nothing of this tree, the plugin found by its entry point.
            The directory has to be absolute.
    """
    start = ["-m", "tensorboard.main"] if installed else ["-c", _BOOTSTRAP]
    command = [sys.executable, *start, f"--logdir={os.fspath(logdir)}", "--port=0"]
    command += ["--host=127.0.0.1", "--reload_interval=1", f"--path_prefix={path_prefix}"]
    command += [f"--load_fast={str(load_fast).lower()}", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    if installed:
        del environment["PYTHONPATH"]
    # Python looks for modules where it is started, too.
    folder = logdir if installed else ROOT
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder
        )
        try:
            base = _wait_for_url(process, output, start_seconds)
            if wait_for_data:
                _wait_for_data(process, output, base, start_seconds)
            yield base
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower-case names) and body of a GET request; errors are answers, too."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            status, headers, body = response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        status, headers, body = error.code, error.headers, error.read()
    return status, {name.lower(): value for name, value in headers.items()}, body


def _wait_for_url(process: subprocess.Popen[bytes], output: IO[str], seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        output.seek(0)
        found = re.search(r"at (http://\S+?)/? \(Press CTRL", output.read())
        if found:
            return found[1]
        _check(process, output)
        time.sleep(0.1)
    raise TimeoutError(f"TensorBoard printed no address within {seconds:g} s")


def _wait_for_data(
    process: subprocess.Popen[bytes], output: IO[str], base: str, seconds: float
) -> None:
    """Waits until two looks at the index agree, since runs are loaded one after the other."""
    deadline = time.monotonic() + seconds
    before = None
    while time.monotonic() < deadline:
        status, _, body = fetch(f"{base}/data/plugin/mmx/index")
        if status == 200:
            runs = json.loads(body)["runs"]
            if runs and runs == before:
                return
            before = runs
        _check(process, output)
        time.sleep(0.4)
    raise TimeoutError(f"TensorBoard listed no explanations within {seconds:g} s")


def _check(process: subprocess.Popen[bytes], output: IO[str]) -> None:
    if process.poll() is not None:
        output.seek(0)
        raise RuntimeError(f"TensorBoard ended with {process.returncode}:\n{output.read()}")
