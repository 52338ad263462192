"""The PEP 517 build backend: setuptools, with the panel built first.

Node.js is asked for as a build requirement only when the panel has to be built and the machine
has no Node.js of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import panel
from setuptools import build_meta

Settings = Mapping[str, Any] | None

prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What a wheel needs besides pyproject.toml's own requirements."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *panel.build_requirements()]


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    """What an sdist needs besides pyproject.toml's own requirements."""
    return [*build_meta.get_requires_for_build_sdist(config_settings), *panel.build_requirements()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """What an editable install needs besides pyproject.toml's own requirements."""
    requirements = build_meta.get_requires_for_build_editable(config_settings)
    return [*requirements, *panel.build_requirements()]


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the panel where needed, then the wheel."""
    panel.ensure_built()
    # setuptools never empties this directory: an earlier build's chunks would ship with ours.
    shutil.rmtree(panel.ROOT / "build" / "lib", ignore_errors=True)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """Builds the panel where needed, then the sdist, which so installs without Node.js."""
    panel.ensure_built()
    return build_meta.build_sdist(sdist_directory, config_settings)


def build_editable(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: str | None = None,
) -> str:
    """Builds the panel where needed, then the editable wheel."""
    panel.ensure_built()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
