"""Settings that every test shares: the device, determinism, and logging that raises."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from mmx_core.events import guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from playwright.sync_api import Browser

# Before anything imports the libraries that read them. Strict: errors while logging are raised,
# where production warns once. Offline: no test may reach for a hub.
os.environ.setdefault("MMX_STRICT", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files without a test that runs alone are not imported where only those are asked for."""
    if config.option.markexpr != "serial" or collection_path.suffix != ".py":
        return None
    return "mark.serial" not in collection_path.read_text(encoding="utf-8") or None


@pytest.fixture(scope="session")
def device() -> torch.device:
    """The device that the tests run on: `MMX_TEST_DEVICE`, or the CPU."""
    import torch

    chosen = torch.device(os.environ.get("MMX_TEST_DEVICE", "cpu"))
    if chosen.type == "cuda" and not torch.cuda.is_available():
        pytest.fail(f"MMX_TEST_DEVICE={chosen}, but torch sees no CUDA device")
    if chosen.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(4, os.cpu_count() or 1))
    return chosen


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all: a process can drive no second one."""
    from tests.browser.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def told_nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test was warned of once, another is to hear, too."""
    monkeypatch.setattr(guard, "_warned", set())
