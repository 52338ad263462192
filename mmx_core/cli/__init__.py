"""The ``mmx`` command: explain an answer, list what was logged, export it.

Importing this never loads torch; each subcommand loads what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mmx_core import __version__
from mmx_core.cli.process import (
    ended,
    let_interrupts_end,
    load_numpy,
    prepare_streams,
    take_interrupts,
)

_WRONG_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Those behind ``mmx``; the process's own by default.

    Returns:
        The exit code: 0, or with one sentence on the standard error 2 for wrong input, 1 where
        something fails (a full disk, no memory), 130 for an interrupt, 141 where nobody reads the
        output.
    """
    prepare_streams()
    if arguments is not None:
        return ended(lambda: _run(arguments))
    interrupted = take_interrupts()
    code = ended(lambda: _run(sys.argv[1:]), interrupted)
    let_interrupts_end()
    return code


def _run(arguments: Sequence[str]) -> int:
    load_numpy()
    # Here, where an interrupt is taken: it takes a while.
    from mmx_core.cli import completion, diff, doctor, evaluate, explain, export, inventory, show
    from mmx_core.cli.errors import CommandError
    from mmx_core.cli.parser import Parser

    parser = Parser(prog="mmx", description="Explanations of multimodal models' answers.")
    parser.add_argument("--version", action="version", version=f"mmx {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in (explain, evaluate, inventory, show, diff, export, doctor):
        command.add_parser(commands)
    completion.offer(parser)
    try:
        chosen = parser.parse_args(arguments)
        chosen.run(chosen)
    except CommandError as error:
        print(f"mmx: {error}", file=sys.stderr)
        return _WRONG_INPUT
    return 0
