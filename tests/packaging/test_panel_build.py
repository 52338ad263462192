"""When the panel is built, when it is left alone, and where Node.js comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools import panel

FAKE_NPM = """\
#!/bin/sh
echo "$@" >> ../npm-calls.txt
case "$1" in
  ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
  run) mkdir -p ../tb_mmx_plugin/static && cp src/index.ts ../tb_mmx_plugin/static/index.js ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the whole PATH, beside the system's own tools; Node.js is not in it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in ["sh", "mkdir", "touch", "cp"]:
        (directory / tool).symlink_to(Path("/bin") / tool)
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(panel, "_npm_from_pypi", lambda: None)
    return directory


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / ".git").mkdir(parents=True)
    write(root / "frontend" / "package.json", "{}")
    write(root / "frontend" / "package-lock.json", "{}")
    write(root / "frontend" / "src" / "index.ts", "export function render() {}")
    write(root / "docs" / "glossary.md", "# What the numbers say")
    return root


def write(path: Path, text: str, *, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if executable:
        path.chmod(0o755)


def install_node(machine: Path, version: str = "v20.19.0") -> None:
    write(machine / "node", f"#!/bin/sh\necho {version}\n", executable=True)
    write(machine / "npm", FAKE_NPM, executable=True)


def npm_calls(root: Path) -> list[str]:
    calls = root / "npm-calls.txt"
    if not calls.is_file():
        return []
    lines = calls.read_text(encoding="utf-8").splitlines()
    calls.unlink()
    return lines


def bundle(root: Path) -> Path:
    return root / "tb_mmx_plugin" / "static" / "index.js"


def test_a_fresh_checkout_is_built_with_the_npm_on_the_path(machine: Path, checkout: Path) -> None:
    install_node(machine)
    assert panel.build_requirements(checkout) == []
    panel.ensure_built(checkout)
    assert npm_calls(checkout) == ["ci --no-audit --no-fund", "run build"]
    assert bundle(checkout).read_text(encoding="utf-8") == "export function render() {}"


def test_a_second_build_does_nothing(machine: Path, checkout: Path) -> None:
    install_node(machine)
    panel.ensure_built(checkout)
    npm_calls(checkout)
    panel.ensure_built(checkout)
    assert npm_calls(checkout) == []


def test_changed_sources_in_a_checkout_are_built_again_without_reinstalling(
    machine: Path, checkout: Path
) -> None:
    install_node(machine)
    panel.ensure_built(checkout)
    npm_calls(checkout)
    write(checkout / "frontend" / "src" / "index.ts", "export function render() { /* new */ }")
    panel.ensure_built(checkout)
    assert npm_calls(checkout) == ["run build"]
    assert "new" in bundle(checkout).read_text(encoding="utf-8")
    write(checkout / "docs" / "glossary.md", "# What the numbers say\n\nAnother sentence.")
    panel.ensure_built(checkout)
    assert npm_calls(checkout) == ["run build"]


def test_changed_tests_of_the_panel_do_not_build_it_again(machine: Path, checkout: Path) -> None:
    install_node(machine)
    panel.ensure_built(checkout)
    npm_calls(checkout)
    write(checkout / "frontend" / "tests" / "colour.test.ts", "test('...')")
    panel.ensure_built(checkout)
    assert npm_calls(checkout) == []


def test_a_bundle_outside_a_checkout_is_used_as_it_is(machine: Path, checkout: Path) -> None:
    install_node(machine)
    (checkout / ".git").rmdir()
    write(bundle(checkout), "shipped")
    panel.ensure_built(checkout)
    assert npm_calls(checkout) == []
    assert bundle(checkout).read_text(encoding="utf-8") == "shipped"


def test_an_outdated_bundle_is_kept_where_there_is_no_node(
    machine: Path, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(bundle(checkout), "old")
    assert panel.build_requirements(checkout) == [panel.NODE_REQUIREMENT]
    panel.ensure_built(checkout)
    assert bundle(checkout).read_text(encoding="utf-8") == "old"
    assert "keeping the old bundle" in capsys.readouterr().out


@pytest.mark.parametrize("version", [None, "v18.20.4", "v20.18.3", "no version"])
def test_node_from_pypi_is_asked_for_only_without_a_recent_node(
    machine: Path, checkout: Path, version: str | None
) -> None:
    if version is not None:
        install_node(machine, version)
    assert panel.build_requirements(checkout) == [panel.NODE_REQUIREMENT]


def test_without_node_the_error_names_the_commands_to_run(machine: Path, checkout: Path) -> None:
    with pytest.raises(panel.PanelError) as caught:
        panel.ensure_built(checkout)
    assert "cd frontend && npm ci && npm run build" in str(caught.value)
    assert f'python -m pip install "{panel.NODE_REQUIREMENT}"' in str(caught.value)


def test_without_sources_the_error_says_where_to_install_from(
    machine: Path, tmp_path: Path
) -> None:
    install_node(machine)
    with pytest.raises(panel.PanelError, match="pip install mmx-explain"):
        panel.ensure_built(tmp_path)


def test_a_failing_build_is_an_error_not_an_empty_bundle(machine: Path, checkout: Path) -> None:
    install_node(machine)
    write(machine / "npm", "#!/bin/sh\nexit 3\n", executable=True)
    with pytest.raises(panel.PanelError, match=r"`npm ci .*` failed"):
        panel.ensure_built(checkout)
    assert not panel.has_bundle(checkout)
