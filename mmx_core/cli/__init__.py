"""The ``mmx`` command: explain an answer, list what was logged, export it.

Importing this never loads torch; each subcommand loads what it needs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from mmx_core.cli import doctor, evaluate, explain, export, inventory
from mmx_core.cli.errors import CommandError
from mmx_core.cli.parser import Parser

_WRONG_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Those behind ``mmx``; the process's own by default.

    Returns:
        The exit code: 0, or 2 with one sentence on the standard error for wrong input.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Tokens are in any script; a terminal that cannot show one must not stop the command.
            stream.reconfigure(errors="backslashreplace")
    parser = Parser(prog="mmx", description="Explanations of multimodal models' answers.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in (explain, evaluate, inventory, export, doctor):
        command.add_parser(commands)
    try:
        chosen = parser.parse_args(arguments)
        chosen.run(chosen)
    except CommandError as error:
        print(f"mmx: {error}", file=sys.stderr)
        return _WRONG_INPUT
    return 0
