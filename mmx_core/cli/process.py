"""The command as a process: its streams, and how it ends when it is interrupted."""

from __future__ import annotations

import _thread
import io
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from mmx_core.events.memory import is_out_of_memory

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

_THREADS = "OPENBLAS_NUM_THREADS"
# As much as it takes with one thread, and a little more.
_NUMPY_BYTES = 88 * 1024 * 1024
_AGAIN_SECONDS = 0.05
INTERRUPTED, BROKEN_PIPE, FAILED = 128 + signal.SIGINT, 128 + 13, 1


def prepare_streams() -> None:
    """Makes the standard streams such that printing to them does not stop the command."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # Closed by whoever started this: a log would be opened in the place of the standard error,
        # and get what libraries write there.
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
        sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
        sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Tokens are in any script; a terminal that cannot show one must not stop the command.
            stream.reconfigure(errors="backslashreplace")


def load_numpy() -> None:
    """Loads it with one thread for its OpenBLAS, which needs no more here.

    OpenBLAS takes memory for each as it is loaded, and where there is not enough it ends the
    process by itself, before anybody can say so. What is loaded later (torch) keeps its threads.

    Raises:
        OSError: There is not enough.
    """
    if "numpy" in sys.modules:
        return
    mmap.mmap(-1, _NUMPY_BYTES).close()
    given = os.environ.get(_THREADS)
    os.environ[_THREADS] = given or "1"
    try:
        import numpy  # noqa: F401
    finally:
        if given is None:
            del os.environ[_THREADS]


def ended(run: Callable[[], int], interrupted: Callable[[], bool] = lambda: False) -> int:
    """Runs the command, and says in one line what ended it: an interrupt, its output, or memory.

    Args:
        run: Returns the exit code.
        interrupted: Whether an interrupt has come, as :func:`take_interrupts` knows.
    """
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()  # here, where what is wrong with it can be told
    except KeyboardInterrupt:
        return _stopped("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return _stopped("the output was closed before its end", BROKEN_PIPE)
    except Exception as error:
        if interrupted():
            return _stopped("interrupted", INTERRUPTED)
        if not is_out_of_memory(error):
            if isinstance(error, OSError):
                return _stopped(_told(error), FAILED)
            raise
    # Here, where what the work had taken is free again.
    return _stopped("out of memory; end what else takes it, or let the command have more", FAILED)


def take_interrupts() -> Callable[[], bool]:
    """An interrupt that comes amid what cannot raise, such as the end of an object, comes again.

    Amid an import it waits for its end: a library in C++ that is being loaded would end the process
    in its own words.

    Returns:
        Whether one has come: a library that catches all, amid an import, fails over it otherwise.
    """
    told = sys.unraisablehook
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if not _is_importing(frame):
            raise KeyboardInterrupt
        _thread.start_new_thread(_interrupt_again, ())

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, note)

    def tell(arguments: UnraisableHookArgs) -> None:
        if issubclass(arguments.exc_type, KeyboardInterrupt):
            _thread.interrupt_main()
        else:
            told(arguments)

    sys.unraisablehook = tell
    return lambda: bool(came)


def _interrupt_again() -> None:
    time.sleep(_AGAIN_SECONDS)
    _thread.interrupt_main()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def let_interrupts_end() -> None:
    """The work is done: what ends now may be ended at once, without a word."""
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _told(error: OSError) -> str:
    from mmx_core.cli.errors import is_full, one_line

    where = f": {error.filename!r}" if error.filename else ""
    advice = "; make room and run it again" if is_full(error) else ""
    return f"{error.strerror or one_line(error)}{where}{advice}"


def _stopped(text: str, code: int) -> int:
    with suppress(OSError):  # nobody is left to tell
        print(f"mmx: {text}", file=sys.stderr, flush=True)
    _drop_output()
    return code


def _drop_output() -> None:
    """What could not be written would be tried again as Python ends, and told of in many lines."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
