"""VS Code's own server for browsers: the whole workbench and a real extension host."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from tests.vscode.install import ROOT, installed, node


def packed() -> Path:
    """The extension as `make vscode` leaves it."""
    found = sorted((ROOT / "build").glob("mmx-explain-*.vsix"))
    if not found:
        raise FileNotFoundError("The extension is not packed: make vscode")
    return found[-1]


@contextmanager
def serve(state: Path, extension: Path, *, trusted: bool) -> Iterator[str]:
    """Runs the server with the packed extension installed; yields its address."""
    server = installed()
    main = [str(node()), str(server / "out" / "server-main.js")]
    places = [f"--{name}={state / name}" for name in ("server-data-dir", "user-data-dir")]
    places += [f"--extensions-dir={state / 'extensions'}", "--accept-server-license-terms"]
    environment = {
        **os.environ,
        "HOME": str(state),
        # Set and empty: no marketplace is asked.
        "EXTENSIONS_GALLERY": '{"serviceUrl":"","itemUrl":"","resourceUrlTemplate":""}',
    }
    subprocess.run(
        [*main, *places, "--install-extension", str(extension)],
        env=environment,
        check=True,
        capture_output=True,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*main, *places, "--host=127.0.0.1", f"--port={port}", "--without-connection-token"]
    command += ["--enable-smoke-test-driver", "--disable-telemetry", "--reconnection-grace-time=1"]
    if trusted:
        command.append("--disable-workspace-trust")
    with (state / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        base = f"http://127.0.0.1:{port}"
        try:
            _wait_for(base, process)
            yield base
        finally:
            # Of its session are extension hosts and what is debugged, which would outlive it.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=10)
            finally:
                _kill(process.pid)


def processes(*words: str) -> list[int]:
    """Ids of the processes with all of these in their command lines."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_text(encoding="utf-8", errors="replace")
        except OSError:
            # It has ended.
            continue
        if all(word in command for word in words):
            found.append(int(place.name))
    return found


def still_running(word: str, seconds: float = 10) -> list[int]:
    """Ends what has not ended by itself in time, and tells its ids."""
    deadline = time.monotonic() + seconds
    while (found := processes(word)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return found


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _wait_for(base: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{base}/version", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("VS Code's server does not answer")


class Host:
    """The extension host: runs JavaScript with ``vscode`` and ``folder`` in scope."""

    def __init__(self, workspace: Path) -> None:
        self._orders = workspace / ".orders"
        self._orders.mkdir()
        self._number = 0

    def run(self, code: str, *, seconds: float = 120) -> object:
        """What it returns, as JSON has it.

        Raises:
            RuntimeError: It threw.
        """
        order = self._orders / f"{self._number}.js"
        answer = order.with_suffix(".json")
        self._number += 1
        draft = order.with_suffix(".draft")
        draft.write_text(code, encoding="utf-8")
        draft.rename(order)
        deadline = time.monotonic() + seconds
        while not answer.exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the extension host did not answer: {code}")
            time.sleep(0.05)
        told = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in told:
            raise RuntimeError(told["error"])
        return told.get("value")


def address(base: str, workspace: Path) -> str:
    """Of the workbench, with the test-only extension that carries the debugger."""
    remote = base.replace("http://", "vscode-remote://")
    tests = f"{remote}{ROOT}/tests/vscode/debugger"
    payload = [["extensionDevelopmentPath", tests], ["extensionTestsPath", f"{tests}/index.js"]]
    return f"{base}/?folder={quote(str(workspace))}&payload={quote(json.dumps(payload))}"
