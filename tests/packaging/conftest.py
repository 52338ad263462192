"""The distributions, built once, and what asks a package index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from build_tools import panel


@pytest.fixture(scope="session")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the panel built, as someone would clone it."""
    panel.ensure_built()
    tree = tmp_path_factory.mktemp("source") / "repository"
    unwanted = shutil.ignore_patterns(
        ".*cache", ".git", ".venv", "node_modules", "__pycache__", "*.egg-info", "build", "demo"
    )
    shutil.copytree(panel.ROOT, tree, ignore=unwanted)
    return tree


@pytest.fixture(scope="session")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose PATH leads nowhere."""
    return {**os.environ, "PATH": str(tmp_path_factory.mktemp("empty"))}


@pytest.fixture(scope="session")
def wheel_file(source_tree: Path, without_node: dict[str, str]) -> Path:
    return build("--wheel", source_tree, without_node)


@pytest.fixture(scope="session")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_file)


@pytest.fixture(scope="session")
def sdist(source_tree: Path, without_node: dict[str, str]) -> Path:
    return build("--sdist", source_tree, without_node)


def build(kind: str, tree: Path, environment: dict[str, str]) -> Path:
    output = tree.parent / kind.strip("-")
    command = [sys.executable, "-m", "build", kind, "--no-isolation", "--outdir", str(output)]
    finished = subprocess.run(
        [*command, str(tree)], env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (built,) = output.iterdir()
    return built


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips what has to install something where no package index can be reached."""
    finished = download(locked("iniconfig"), tmp_path_factory.mktemp("index"))
    if "No matching distribution" in finished.stderr:
        pytest.skip(f"no package index can be reached: {finished.stderr.strip()[-300:]}")
    assert finished.returncode == 0, finished.stderr


def locked(name: str) -> str:
    """The entry of a package in the lock, with its hashes."""
    lock = (panel.ROOT / "locks" / "test.lock").read_text(encoding="utf-8")
    (entry,) = re.findall(rf"^{re.escape(name)}==.*(?:\n .*)*", lock, re.MULTILINE)
    return entry


def download(requirement: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Has pip download what a line of a lock asks for, as strictly as an installation would."""
    asked = folder / "asked.txt"
    asked.write_text(requirement, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--retries", "1", "--dest", str(folder), "-r", str(asked)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
