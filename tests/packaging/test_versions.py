"""The viewer, installed from the wheel with the oldest, some middle and the newest versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from build_tools import panel
from mmx_core.cli import doctor
from tests.packaging.conftest import metadata
from tests.packaging.interpreters import find_python

CHECK = Path(__file__).with_name("viewer_check.py")
# Each mostly waits for the network, the disk or a server that starts.
AT_ONCE = 2


@dataclass(frozen=True)
class Combination:
    """A Python and the versions that it gets.

    Attributes:
        python: Its version.
        pinned: What differs from constraints.txt.
    """

    python: str
    pinned: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What an environment with a combination in it did."""

    versions: str
    check: subprocess.CompletedProcess[str]
    doctor: subprocess.CompletedProcess[str]
    listed: subprocess.CompletedProcess[str]


# The oldest are setup.py's own lower bounds, and what tensorboard 2.21 asks of grpcio and of the
# data server. constraints.txt has the newest, so that a release elsewhere breaks nothing here.
COMBINATIONS = {
    "oldest": Combination(
        "3.10",
        (
            "numpy==1.26.0",
            "pillow==10.3.0",
            "protobuf==6.31.1",
            "tensorboard==2.21.0",
            "grpcio==1.74.0",
            "tensorboard-data-server==0.7.0",
            "google-crc32c==1.7.0",
        ),
    ),
    "older": Combination(
        "3.11",
        ("numpy==1.26.4", "pillow==11.3.0", "protobuf==6.33.6", "tensorboard==2.21.0"),
    ),
    "middle": Combination(
        "3.12",
        ("numpy==2.1.3", "pillow==12.0.0", "protobuf==7.34.0", "tensorboard==2.21.0"),
    ),
    "newest": Combination("3.13", ()),
}


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest,
    wheel_file: Path,
    package_index: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Outcome]]:
    """Starts on every combination that is asked about, some at once; a call waits for one."""
    here = [item for item in request.session.items if item.path == request.path]
    asked = [name for name in COMBINATIONS if any(f"[{name}]" in item.name for item in here)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: dict[str, Future[Outcome]] = {}
        for name in asked:
            if python := find_python(COMBINATIONS[name].python):
                folder = tmp_path_factory.mktemp(name)
                running[name] = pool.submit(try_out, COMBINATIONS[name], python, wheel_file, folder)

        def outcome(name: str) -> Outcome:
            if name not in running:
                pytest.skip(f"there is no Python {COMBINATIONS[name].python} here")
            return running[name].result()

        yield outcome


def try_out(combination: Combination, python: str, wheel: Path, folder: Path) -> Outcome:
    # Neither this tree nor what the calling Python has may be found by that one.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }

    def run(*command: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [*map(str, command)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and finished.returncode != 0:
            raise RuntimeError(f"{command} failed:\n{finished.stdout}{finished.stderr}")
        return finished

    home = folder / "venv" / "bin"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--python", home / "python")
    quick = ("--quiet", "--no-compile", "--prefer-binary")
    run(python, "-m", "venv", "--without-pip", folder / "venv", check=True)
    (folder / "constraints.txt").write_text(constraints(combination), encoding="utf-8")
    run(*pip, "install", *quick, "-c", "constraints.txt", wheel, check=True)
    outcome = Outcome(
        versions=run(*pip, "freeze", "--all", check=True).stdout,
        check=run(home / "python", CHECK, folder / "runs"),
        doctor=run(home / "mmx", "doctor"),
        listed=run(home / "mmx", "list", folder / "runs", "--json"),
    )
    # 130 MB, which pytest would keep for three sessions.
    shutil.rmtree(folder / "venv")
    return outcome


def constraints(combination: Combination) -> str:
    replaced = {pin.partition("==")[0] for pin in combination.pinned}
    usual = (panel.ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in usual if line.partition("==")[0] not in replaced]
    return "\n".join([*kept, *combination.pinned])


def told(outcome: Outcome, finished: subprocess.CompletedProcess[str]) -> str:
    return f"{finished.stdout}{finished.stderr}\nwith:\n{outcome.versions}"


every_combination = pytest.mark.parametrize("name", COMBINATIONS)


@every_combination
def test_tensorboard_answers_what_was_written(name, outcomes):
    outcome = outcomes(name)
    assert outcome.check.returncode == 0, told(outcome, outcome.check)
    loaders = json.loads(outcome.check.stdout)["loaders"]
    assert "slow" in loaders
    # There is a data server for x86-64 Linux with glibc and for macOS.
    if sys.platform == "darwin" or (sys.platform, os.uname().machine) == ("linux", "x86_64"):
        assert "fast" in loaders


@every_combination
def test_doctor_finds_nothing_wrong(name, outcomes):
    outcome = outcomes(name)
    assert outcome.doctor.returncode == 0, told(outcome, outcome.doctor)
    assert "FAIL" not in outcome.doctor.stdout
    assert "not installed; the viewer needs none" in outcome.doctor.stdout


@every_combination
def test_list_counts_what_was_written(name, outcomes):
    outcome = outcomes(name)
    assert outcome.listed.returncode == 0, told(outcome, outcome.listed)
    (run,) = json.loads(outcome.listed.stdout)["runs"]
    (sample,) = run["samples"]
    assert (run["run"], sample["sample"], sample["steps"]) == ("grounded", "val/7", 2)


def test_the_oldest_combination_is_the_oldest_that_setup_py_allows(wheel):
    tried = dict(pin.split("==") for pin in COMBINATIONS["oldest"].pinned)
    for name, bound in lower_bounds(wheel).items():
        assert Version(tried[name]) == Version(bound), name
    assert f">={COMBINATIONS['oldest'].python}" == metadata(wheel)["Requires-Python"]


def test_doctor_asks_for_what_setup_py_asks_for(wheel, monkeypatch):
    bounds = lower_bounds(wheel)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0")
    advised = {finding.advice.rpartition(" ")[2] for finding in doctor.packages()}
    assert {f"'{name}>={bound}'" for name, bound in bounds.items()} <= advised


def lower_bounds(wheel: zipfile.ZipFile) -> dict[str, str]:
    """What the viewer needs, by name."""
    required = [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist") or []]
    bounds = {}
    for requirement in required:
        if requirement.marker is None:
            (specifier,) = requirement.specifier
            assert specifier.operator == ">="
            bounds[requirement.name] = specifier.version
    return bounds
