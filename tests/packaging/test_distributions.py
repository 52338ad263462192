"""What the wheel and the sdist hold, found by unzipping them."""

from __future__ import annotations

import configparser
import gzip
import json
import re
import tarfile
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import mmx_core
from build_tools import panel
from tests.packaging.conftest import build, metadata

STATIC = "tb_mmx_plugin/static"
# Types, and what stands in for a page where there is none.
NEVER_BUNDLED = {"@types/trusted-types", "@lit-labs/ssr-dom-shim"}


def panel_files(tree: Path) -> set[str]:
    files = (tree / STATIC).rglob("*")
    return {path.relative_to(tree).as_posix() for path in files if path.name[0] != "."}


def test_the_wheel_holds_the_panel_and_everything_its_manifest_names(
    wheel: zipfile.ZipFile, source_tree: Path
) -> None:
    names = set(wheel.namelist())
    assert panel_files(source_tree) <= names
    assert b"render" in wheel.read(f"{STATIC}/index.js")
    served = json.loads(wheel.read(f"{STATIC}/manifest.json"))["files"]
    assert {f"{STATIC}/{name}" for name in ["index.js", *served]} <= names


def test_the_wheel_holds_the_library_and_the_plugin_and_nothing_else(
    wheel: zipfile.ZipFile, source_tree: Path
) -> None:
    described = {"LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"}
    expected = {
        *(path.relative_to(source_tree).as_posix() for path in room_files(source_tree)),
        *panel_files(source_tree),
        *(f"mmx_explain-{mmx_core.__version__}.dist-info/{name}" for name in described),
    }
    names = [name.replace("/licenses/LICENSE", "/LICENSE") for name in wheel.namelist()]
    assert sorted(names) == sorted(expected)


def room_files(tree: Path) -> list[Path]:
    """Modules, the marks of typed packages, and the contracts in words."""
    return [
        path
        for room in ["mmx_core", "tb_mmx_plugin"]
        for path in (tree / room).rglob("*")
        if path.suffix in {".py", ".md"} or path.name == "py.typed"
    ]


def test_the_wheel_holds_what_others_read(wheel: zipfile.ZipFile) -> None:
    assert {
        "mmx_core/py.typed",
        "mmx_core/events/wire_format.md",
        "tb_mmx_plugin/py.typed",
        "tb_mmx_plugin/http_api.md",
        f"{STATIC}/LICENSES.txt",
        f"{STATIC}/index.js.gz",
        f"{STATIC}/worker.js.gz",
        f"{STATIC}/standalone.js.gz",
    } <= set(wheel.namelist())


def test_what_is_sent_compressed_is_what_is_sent_plain(wheel: zipfile.ZipFile) -> None:
    served = json.loads(wheel.read(f"{STATIC}/manifest.json"))["files"]
    for name in (name for name in served if name.endswith(".js")):
        packed = wheel.read(f"{STATIC}/{name}.gz")
        assert gzip.decompress(packed) == wheel.read(f"{STATIC}/{name}")


def test_the_wheel_ships_its_licence(wheel: zipfile.ZipFile) -> None:
    assert metadata(wheel)["License-Expression"] == "Apache-2.0"
    (name,) = (name for name in wheel.namelist() if name.endswith("/LICENSE"))
    assert wheel.read(name) == (panel.ROOT / "LICENSE").read_bytes()


def test_the_wheel_ships_the_licence_of_every_javascript_package_in_the_bundle(
    wheel: zipfile.ZipFile,
) -> None:
    """Against npm's lock, though the build takes them from what the bundler put together."""
    lock = json.loads((panel.ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    used = {
        path.rpartition("node_modules/")[2]: package["version"]
        for path, package in lock["packages"].items()
        if path and not package.keys() & {"dev", "devOptional"}
    }
    for name in NEVER_BUNDLED:
        del used[name]
    # What joins the parts in one module is the bundler's own.
    bundler = {"rolldown": lock["packages"]["node_modules/rolldown"]["version"]}
    shipped = wheel.read(f"{STATIC}/LICENSES.txt").decode()
    headings = re.findall(r"^(\S+) (\d+\.\d+\.\d+\S*) \(\S+\)$", shipped, re.MULTILINE)
    assert dict(headings) == used | bundler
    assert shipped.count("Redistribution and use in source and binary forms") == len(used)


def test_all_that_the_wheel_registers_is_the_command_under_two_names_and_the_plugin(
    wheel: zipfile.ZipFile,
) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    registered = configparser.ConfigParser()
    registered.read_string(wheel.read(name).decode())
    assert {group: dict(registered[group]) for group in registered.sections()} == {
        "console_scripts": {"mmx": "mmx_core.cli:main", "mmx-explain": "mmx_core.cli:main"},
        "tensorboard_plugins": {"mmx": "tb_mmx_plugin.loader:MMXLoader"},
    }
    for group in registered.sections():
        for entry, value in registered[group].items():
            assert EntryPoint(entry, value, group).load()


def test_the_wheels_version_is_the_librarys(wheel: zipfile.ZipFile) -> None:
    assert metadata(wheel)["Version"] == mmx_core.__version__


def test_the_panel_the_extension_and_what_installs_it_are_of_the_librarys_version() -> None:
    root, version = Path(mmx_core.__file__).parents[1], mmx_core.__version__
    for name in ("frontend/package.json", "frontend/package-lock.json", "vscode/package.json"):
        assert json.loads((root / name).read_text())["version"] == version, name
    for name in ("README.md", "vscode/README.md"):
        assert f"mmx-explain-{version}.vsix" in (root / name).read_text(), name


def test_the_viewer_alone_needs_no_torch(wheel: zipfile.ZipFile) -> None:
    requirements = metadata(wheel).get_all("Requires-Dist") or []
    base = {requirement.partition(">")[0] for requirement in requirements if ";" not in requirement}
    assert base == {"google-crc32c", "numpy", "pillow", "protobuf", "tensorboard"}


def test_the_sdist_holds_the_panel_its_sources_and_the_build(
    sdist: Path, source_tree: Path
) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert panel_files(source_tree) <= names
    build_tools = {"build_tools/backend.py", "build_tools/panel.py", "pyproject.toml", "setup.py"}
    assert build_tools | {"frontend/package.json", "frontend/package-lock.json", "LICENSE"} <= names
    assert {"Makefile", "constraints.txt", "locks/test.lock", "locks/node.lock"} <= names
    assert {"examples/trainer.py", "docs/models.md", "tests/conftest.py", ".ci/run"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_the_description_leads_nowhere_that_a_page_elsewhere_lacks(wheel: zipfile.ZipFile) -> None:
    text = str(metadata(wheel).get_payload())
    assert "# mmx" in text and "docs/screenshot" not in text
    assert re.findall(r"\]\((?!https?:)", text) == []


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
