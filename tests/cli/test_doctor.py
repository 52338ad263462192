"""`mmx doctor` tells what is there, and what to do about what is not."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from mmx_core.cli import doctor, main
from mmx_core.cli.doctor import Finding
from mmx_core.export.bundle import BundleMissing


def found(check) -> Finding:
    (finding,) = check()
    return finding


def missing(name: str):
    """As if a package were not installed."""
    version = metadata.version

    def ask(asked: str) -> str:
        if asked == name:
            raise metadata.PackageNotFoundError(asked)
        return version(asked)

    return ask


def test_a_whole_installation_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    if not any(p.name == "mmx" for p in metadata.entry_points(group="tensorboard_plugins")):
        pytest.skip("runs from a checkout that is not installed")
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for subject in ("python", "tensorboard", "torch", "plugin", "panel", "loader", "checksums"):
        assert f"  {subject}: " in told
    assert "FAIL" not in told


def test_what_the_viewer_needs_is_a_problem_and_what_explaining_needs_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "version", missing("torch"))
    states = {finding.subject: finding for finding in doctor.packages()}
    assert states["torch"].state == "note" and "'torch>=" in states["torch"].advice
    monkeypatch.setattr(metadata, "version", missing("pillow"))
    states = {finding.subject: finding for finding in doctor.packages()}
    assert states["pillow"].state == "problem" and "pip install" in states["pillow"].advice


def test_an_old_version_is_told_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "2.9.1")
    old = {finding.subject: finding for finding in doctor.packages()}["tensorboard"]
    assert (old.state, old.text) == ("problem", "2.9.1")
    assert old.advice == "pip install --upgrade 'tensorboard>=2.21'"


def test_a_plugin_that_tensorboard_does_not_find_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda group: [])
    assert found(doctor.entry_point).state == "problem"


def test_a_panel_that_is_not_built_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_bundle() -> str:
        raise BundleMissing("expected the panel, found none")

    monkeypatch.setattr("mmx_core.export.bundle.read_bundle", no_bundle)
    assert found(doctor.panel).advice == "python build_tools/panel.py"


def test_the_slow_loader_and_slow_checksums_are_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard_data_server", None)
    assert "slow" in found(doctor.loader).text
    monkeypatch.setattr(doctor, "_SLOW_CRC_MB_PER_S", float("inf"))
    assert "from a wheel" in found(doctor.checksum).advice


def test_a_check_that_fails_is_a_finding_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(group: str) -> list[None]:
        raise OSError("the disk is gone")

    monkeypatch.setattr(metadata, "entry_points", broken)
    with pytest.raises(SystemExit) as left:
        main(["doctor"])
    assert left.value.code == 1
    told = capsys.readouterr().out
    assert "FAIL  entry point: OSError: the disk is gone" in told
    assert "checksums" in told


def test_a_viewer_without_torch_can_be_examined() -> None:
    code = "import sys; sys.modules['torch'] = None; from mmx_core.cli import doctor; "
    code += "print([f.state for f in doctor.device()])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
