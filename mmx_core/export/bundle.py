"""The panel's built bundle, found without importing the plugin."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


class BundleMissing(RuntimeError):
    """There is no panel to put into a page; the message says how to get one."""


def read_bundle() -> str:
    """The whole panel as one JavaScript module.

    Raises:
        BundleMissing: The plugin is not installed, or its panel has not been built.
    """
    package = find_spec("tb_mmx_plugin")
    if package is None or not package.submodule_search_locations:
        raise BundleMissing(
            "panel: expected the package tb_mmx_plugin beside mmx_core, found none; install "
            "mmx-explain as a whole"
        )
    path = Path(package.submodule_search_locations[0]) / "static" / "standalone.js"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleMissing(
            f"panel: expected its bundle at {path}, found none; build it: "
            "python build_tools/panel.py"
        ) from None
