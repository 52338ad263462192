"""The demo's small model, which the examples train, loaded once."""

from __future__ import annotations

import copy
from typing import Any

import pytest


@pytest.fixture(scope="session")
def loaded() -> tuple[Any, Any]:
    from examples.scenes import load

    return load()


@pytest.fixture
def parts(loaded: tuple[Any, Any]) -> tuple[Any, Any]:
    """A model of one's own, and its processor."""
    model, processor = loaded
    return copy.deepcopy(model), copy.deepcopy(processor)
