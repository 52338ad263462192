"""Modules of users that register what they add: methods, metrics, formats, families, loggers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib import import_module, metadata

from mmx_core.cli.errors import CommandError, one_line
from mmx_core.evaluation.load import look_here

GROUP = "mmx_core.plugins"
"""The group of entry points, for packages that are installed."""
VARIABLE = "MMX_PLUGINS"
"""Names of modules, with commas between, for a file beside one's own."""


def load_plugins() -> None:
    """Imports what is named in ``MMX_PLUGINS`` and in installed packages' entry points.

    Raises:
        CommandError: One cannot be imported.
    """
    wanted = {name.strip(): VARIABLE for name in os.environ.get(VARIABLE, "").split(",")}
    wanted |= {entry.value: entry.name for entry in metadata.entry_points(group=GROUP)}
    wanted.pop("", None)
    if wanted:
        look_here()
    for name, source in wanted.items():
        try:
            import_module(name)
        except Exception as error:  # a stranger's module may raise anything
            raise CommandError(
                f"{source}: expected a module that can be imported, got {name!r} "
                f"({one_line(error)}); mend it or leave it out"
            ) from None


def with_epilog(parser: argparse.ArgumentParser, tell: Callable[[], str]) -> None:
    """Ends a command's help with what is only known once libraries are loaded."""
    plain = parser.format_help

    def format_help() -> str:
        parser.epilog = tell()
        return plain()

    parser.format_help = format_help  # type: ignore[method-assign]
