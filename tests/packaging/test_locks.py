"""The locks: what they name, and that pip holds them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from build_tools import panel
from tests.packaging.conftest import download, locked, metadata

LOCKS = panel.ROOT / "locks"
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
# Which of its builds is right, the machine decides.
NOT_LOCKED = {"torch"}
# The extras that the Makefile installs for the tests.
INSTALLED = ("core", "analysis", "dev")


def requirements(path: Path) -> list[Requirement]:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (re.sub(r"--hash=\S+|#.*", "", line).strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def versions(path: Path, python: str) -> dict[str, str]:
    """What a file pins for a Python, by name."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    entries = [r for r in requirements(path) if not r.marker or r.marker.evaluate(environment)]
    pinned = {canonicalize_name(r.name): str(r.specifier) for r in entries}
    assert len(pinned) == len(entries), "a package is pinned twice"
    return pinned


@pytest.mark.parametrize("python", PYTHONS)
def test_the_locks_name_the_constraints_and_nothing_else(python):
    constraints = versions(panel.ROOT / "constraints.txt", python)
    test, node = (versions(LOCKS / name, python) for name in ("test.lock", "node.lock"))
    assert not test.keys() & node.keys()
    assert {**test, **node} == {
        name: pin for name, pin in constraints.items() if name not in NOT_LOCKED
    }


@pytest.mark.parametrize("lock", ["test.lock", "node.lock", "tools.lock", "docs.lock"])
def test_every_entry_of_a_lock_has_its_hashes(lock):
    text = (LOCKS / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if not line.startswith("#")]
    assert entries
    for entry in entries:
        assert re.fullmatch(r"\S+==\S+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("tools", ["tools", "docs"])
def test_the_tools_that_are_asked_for_are_locked(tools):
    asked = versions(LOCKS / f"{tools}.in", "3.12")
    assert asked.items() <= versions(LOCKS / f"{tools}.lock", "3.12").items()


def test_all_that_the_tests_stand_on_is_locked(wheel):
    """Followed through what is installed, from what setup.py asks for; not what torch asks for."""
    pinned = versions(LOCKS / "test.lock", "{}.{}".format(*sys.version_info))
    asked = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist") or []]
    left = [
        requirement
        for requirement in asked
        if not requirement.marker
        or any(requirement.marker.evaluate({"extra": extra}) for extra in INSTALLED)
    ]
    seen: set[tuple[str, ...]] = set()
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in NOT_LOCKED or (name, *requirement.extras) in seen:
            continue
        seen.add((name, *requirement.extras))
        assert name in pinned, f"{name} is neither in constraints.txt nor in locks/test.lock"
        left += needed_by(name, requirement.extras)
    assert {("numpy",), ("pytest",), ("transformers",), ("werkzeug",)} <= seen


def needed_by(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed package needs here; nothing where it is not installed."""
    try:
        required = map(Requirement, importlib.metadata.requires(name) or [])
    except importlib.metadata.PackageNotFoundError:
        return []
    return [
        requirement
        for requirement in required
        if not requirement.marker
        or any(requirement.marker.evaluate({"extra": extra}) for extra in ["", *extras])
    ]


def test_pip_refuses_a_file_with_another_hash(package_index, tmp_path):
    # That it takes the file with the right one, the fixture has seen.
    wrong = re.sub(
        r"sha256:(.)", lambda match: f"sha256:{int(match[1], 16) ^ 1:x}", locked("iniconfig")
    )
    finished = download(wrong, tmp_path)
    assert finished.returncode != 0
    assert "DO NOT MATCH THE HASHES" in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["asked.txt"]


@pytest.mark.parametrize(("settings", "hashed"), [([], True), (["LOCK="], False)])
def test_make_installs_from_the_lock_unless_told_otherwise(settings, hashed, tmp_path):
    command = ["make", "--dry-run", "test-core", f"VENV={tmp_path}/venv", *settings]
    # Not the settings of a `make test` that this runs in.
    own = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "LOCK"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    said = subprocess.run(
        command, cwd=panel.ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ("--require-hashes --no-deps -r locks/test.lock" in said.stdout) is hashed
    assert '-c constraints.txt -e ".[core,analysis,dev]"' in said.stdout
