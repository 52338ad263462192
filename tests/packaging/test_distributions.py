"""What the wheel and the sdist hold, found by unzipping them."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import mmx_core
from build_tools import panel

STATIC = "tb_mmx_plugin/static"


@pytest.fixture(scope="module")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the panel built, as someone would clone it."""
    panel.ensure_built()
    tree = tmp_path_factory.mktemp("source") / "repository"
    unwanted = shutil.ignore_patterns(
        ".*cache", ".git", ".venv", "node_modules", "__pycache__", "*.egg-info", "build", "demo"
    )
    shutil.copytree(panel.ROOT, tree, ignore=unwanted)
    return tree


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose PATH leads nowhere."""
    return {**os.environ, "PATH": str(tmp_path_factory.mktemp("empty"))}


@pytest.fixture(scope="module")
def wheel(source_tree: Path, without_node: dict[str, str]) -> zipfile.ZipFile:
    return zipfile.ZipFile(build("--wheel", source_tree, without_node))


@pytest.fixture(scope="module")
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


def panel_files(tree: Path) -> set[str]:
    files = (tree / STATIC).rglob("*")
    return {path.relative_to(tree).as_posix() for path in files if path.name[0] != "."}


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_holds_the_panel_and_everything_its_manifest_names(
    wheel: zipfile.ZipFile, source_tree: Path
) -> None:
    names = set(wheel.namelist())
    assert panel_files(source_tree) <= names
    assert b"render" in wheel.read(f"{STATIC}/index.js")
    served = json.loads(wheel.read(f"{STATIC}/manifest.json"))["files"]
    assert {f"{STATIC}/{name}" for name in ["index.js", *served]} <= names


def test_the_wheel_holds_the_library_and_the_plugin_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    rooms = {name.partition("/")[0] for name in wheel.namelist()}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {
        "mmx_core",
        "tb_mmx_plugin",
    }
    for room in ["mmx_core", "tb_mmx_plugin"]:
        modules = {path.relative_to(panel.ROOT).as_posix() for path in room_modules(room)}
        assert modules <= set(wheel.namelist())


def room_modules(room: str) -> list[Path]:
    return list((panel.ROOT / room).rglob("*.py"))


def test_everything_the_wheel_registers_exists(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    registered = configparser.ConfigParser()
    registered.read_string(wheel.read(name).decode())
    assert registered["tensorboard_plugins"]["mmx"] == "tb_mmx_plugin.loader:MMXLoader"
    for group in registered.sections():
        for entry, value in registered[group].items():
            assert EntryPoint(entry, value, group).load()


def test_the_wheels_version_is_the_librarys(wheel: zipfile.ZipFile) -> None:
    assert metadata(wheel)["Version"] == mmx_core.__version__


def test_the_viewer_alone_needs_no_torch(wheel: zipfile.ZipFile) -> None:
    requirements = metadata(wheel).get_all("Requires-Dist") or []
    base = {requirement.partition(">")[0] for requirement in requirements if ";" not in requirement}
    assert base == {"numpy", "pillow", "protobuf", "tensorboard"}


def test_the_sdist_holds_the_panel_its_sources_and_the_build(
    sdist: Path, source_tree: Path
) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert panel_files(source_tree) <= names
    build_tools = {"build_tools/backend.py", "build_tools/panel.py", "pyproject.toml", "setup.py"}
    assert build_tools | {"frontend/package.json", "frontend/package-lock.json", "LICENSE"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_the_sdist_becomes_the_same_wheel_without_node(
    sdist: Path, wheel: zipfile.ZipFile, without_node: dict[str, str], tmp_path: Path
) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    from_sdist = zipfile.ZipFile(build("--wheel", tree, without_node))
    assert contents(from_sdist) == contents(wheel)


def contents(wheel: zipfile.ZipFile) -> dict[str, bytes]:
    """Every file of the packages; the metadata's own record of hashes is left out."""
    return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
