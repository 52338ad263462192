"""Explaining, with the oldest transformers that setup.py allows and the newest there is.

MMX_TEST_TORCH=torch==2.6.0 takes that torch with both, MMX_TEST_TORCH=torch the newest. Where a
CUDA build is all that there is, these are gigabytes: plain `make test` keeps what is installed.
"""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from importlib import metadata as installed
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement

from build_tools import panel
from tests.packaging.conftest import metadata

CHECK = Path(__file__).with_name("explain_check.py")
# With what the oldest asks for that the pinned one no longer does. 5.5.0 to 5.5.3, each of them
# tried, give other figures for Qwen2.5-VL, and 5.4 finds no image processor without torchvision.
OLDEST = (
    "transformers==5.5.4",
    "huggingface-hub==1.33.0",
    "tokenizers==0.22.2",
    "httpx==0.28.1",
    "httpcore==1.0.9",
    "certifi",
)
NEWEST = ("transformers",)
TORCH = os.environ.get("MMX_TEST_TORCH")


def told(requirements: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """What explain_check.py prints with these in the place of what is installed."""
    python = with_others(requirements, folder) if requirements else sys.executable
    environment = {**os.environ, "PYTHONPATH": str(panel.ROOT), "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(
        [python, str(CHECK), str(folder)],
        cwd=panel.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return json.loads(finished.stdout.splitlines()[-1])


def with_others(requirements: tuple[str, ...], folder: Path) -> str:
    """A Python that finds these, and what they ask for, before what is installed here.

    What is installed is kept where it will do, and torch is where no other is asked for.
    """
    python = folder / "venv" / "bin" / "python"
    venv.create(folder / "venv")
    (packages,) = (folder / "venv" / "lib").glob("*/site-packages")
    here = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
    (packages / "here.pth").write_text(f"import site; {here}\n", encoding="utf-8")
    (folder / "kept.txt").write_text(f"torch=={installed.version('torch')}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    command += ["install", "--quiet", "--no-compile", "--upgrade"]
    command += [TORCH] if TORCH else ["-c", str(folder / "kept.txt")]
    finished = subprocess.run([*command, *requirements], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return str(python)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return told((), tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize("requirements", [OLDEST, NEWEST], ids=["oldest", "newest"])
def test_a_version_explains_as_the_pinned_one_does(
    requirements: tuple[str, ...], usual: dict[str, Any], package_index: None, tmp_path: Path
) -> None:
    other = told(requirements, tmp_path)
    if "==" in requirements[0]:
        assert other["version"] == requirements[0].partition("==")[2]
    for tag, figures in usual["figures"].items():
        assert other["figures"][tag]["words"] == figures["words"], tag
        numbers = other["figures"][tag]["numbers"]
        assert np.allclose(numbers, figures["numbers"], atol=1e-4, equal_nan=True), tag
    # As many: no text is read again that was kept.
    assert other["positions"] == usual["positions"]
    assert usual["version"] == installed.version("transformers")


def test_the_oldest_is_what_setup_py_allows(wheel: zipfile.ZipFile) -> None:
    lines = metadata(wheel).get_all("Requires-Dist") or []
    (bound,) = {str(one.specifier) for one in map(Requirement, lines) if one.name == "transformers"}
    assert OLDEST[0] == f"transformers{bound.replace('>=', '==')}"
