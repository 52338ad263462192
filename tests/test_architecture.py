"""The rooms and the arrows between them: who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "transformers", "torchvision", "pandas", "tbparse", "accelerate"}
VIEWER_ENTRIES = ["tb_mmx_plugin", "tb_mmx_plugin.loader", "mmx_core", "mmx_core.events"]


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_names(path: Path) -> Iterator[str]:
    """Every absolute dotted name that a file imports, at its top or inside a function."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - (node.level - 1)] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("mmx_core", ["tb_mmx_plugin", "demo", "tests", "build_tools"]),
        ("tb_mmx_plugin", ["demo", "tests", "build_tools", *HEAVY]),
        ("mmx_core/events", ["torch", "transformers", "mmx_core.models", "mmx_core.attribution"]),
        ("demo", ["tb_mmx_plugin", "tests"]),
    ],
)
def test_a_room_never_imports_against_the_arrows(room: str, forbidden: list[str]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(room)
        for name in imported_names(path)
        if within(name, *forbidden)
    ]
    assert modules(room)
    assert wrong == []


WHAT_A_USER_MEETS = {"explainer", "explanation", "parts", "sample", "images", "settings", "errors"}
MOST_LINES = 400


def test_the_library_s_root_holds_what_a_user_meets_and_nothing_else() -> None:
    loose = {path.stem for path in (ROOT / "mmx_core").glob("*.py")} - {"__init__", "__main__"}
    assert loose == WHAT_A_USER_MEETS


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    files = [path for room in ("mmx_core", "tb_mmx_plugin", "demo") for path in modules(room)]
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {str(path): size for path, size in sizes.items() if size > MOST_LINES} == {}


# What a notebook shows of an explanation is the panel, which is built of explanations.
KNOWN_CIRCLE = ("mmx_core.explanation", "mmx_core.export.notebook")


@pytest.mark.parametrize("room", ["mmx_core", "tb_mmx_plugin", "demo"])
def test_no_modules_import_each_other_in_a_circle(room: str) -> None:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules(room)}
    arrows = {
        name: {wanted for found in imported_names(path) if (wanted := module_of(found, names))}
        - {name}
        for name, path in names.items()
    }
    arrows.get(KNOWN_CIRCLE[0], set()).discard(KNOWN_CIRCLE[1])
    # Whoever imports nothing that is left can go; those that stay go round in circles.
    while free := [name for name in arrows if not arrows[name] & arrows.keys()]:
        for name in free:
            del arrows[name]
    assert arrows == {}


def module_of(imported: str, names: dict[str, Path]) -> str | None:
    """The module of ours that an import loads; what a package only hands on is not its own."""
    while imported:
        if imported in names:
            return imported
        imported = imported.rpartition(".")[0]
    return None


def test_the_plugin_knows_only_the_events_and_the_explanation_of_the_library() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("tb_mmx_plugin")
        for name in imported_names(path)
        if within(name, "mmx_core") and not within(name, "mmx_core.events", "mmx_core.explanation")
    ]
    assert wrong == []


@pytest.mark.parametrize("module", VIEWER_ENTRIES)
def test_what_the_viewer_imports_pulls_in_nothing_heavy(module: str) -> None:
    report = f"import sys, {module}; print(*sys.modules)"
    loaded = run_python(report).split()
    assert HEAVY.intersection(loaded) == set()


# What each entry may bring in: its own package, and what TensorBoard has loaded by then.
@pytest.mark.parametrize(
    ("module", "packages"),
    [
        ("mmx_core", {"mmx_core"}),
        ("mmx_core.events", {"mmx_core"}),
        ("tb_mmx_plugin", {"tb_mmx_plugin"}),
        ("tb_mmx_plugin.loader", {"tb_mmx_plugin", "tensorboard"}),
    ],
)
def test_importing_costs_a_few_modules_of_few_packages(module: str, packages: set[str]) -> None:
    bare = set(run_python("import sys; print(*sys.modules)").split())
    loaded = set(run_python(f"import sys, {module}; print(*sys.modules)").split()) - bare
    brought = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert brought == packages
    # Of the standard library, too: 27 at most are needed, where asyncio alone is 78.
    assert len(loaded) <= 40, sorted(loaded)


def test_the_loader_pulls_in_neither_tensorflow_nor_the_plugin_itself() -> None:
    loaded = run_python("import sys, tb_mmx_plugin.loader; print(*sys.modules)").split()
    assert not any(within(name, "tensorflow", "tb_mmx_plugin.plugin") for name in loaded)


def run_python(code: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return finished.stdout
