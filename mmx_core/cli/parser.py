"""argparse, with errors as the rest of the command gives them."""

from __future__ import annotations

import argparse
from typing import NoReturn

from mmx_core.cli.errors import CommandError


class Parser(argparse.ArgumentParser):
    """Raises its errors, as one sentence without the usage's lines."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; `{self.prog} --help` lists the options")
