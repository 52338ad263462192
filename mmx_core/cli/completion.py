"""Completion of the command in a shell, by argcomplete where it is installed."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress


def offer(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends, where it is the shell that asks.

    In bash or zsh, with argcomplete installed: ``eval "$(register-python-argcomplete mmx)"``.
    """
    if "_ARGCOMPLETE" in os.environ:
        with suppress(ImportError):
            import argcomplete

            argcomplete.autocomplete(parser)
