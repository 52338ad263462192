"""Work that changes what is not ours, undone whatever happens, and whenever it is interrupted.

A signal's handler may raise (Ctrl-C does), and CPython calls it between almost any two calls: in a
context manager's ``__exit__``, in a generator's ``finally``, between a change and the ``try`` that
was to undo it. It never calls one within a function written in C. So everything is written down
before anything is changed, and undone in one call that runs C alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from functools import partial
from operator import methodcaller
from typing import Any, ParamSpec, TypeVar

Undo = Callable[[], object]
P = ParamSpec("P")
T = TypeVar("T")

_call = methodcaller("__call__")


def restoring(
    undo: Iterable[Undo], work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Runs ``work``, which may change things, and undoes that.

    Args:
        undo: What brings everything back, in order. Functions written in C, bound to their
            arguments by :func:`functools.partial`: one in Python may be interrupted itself, and
            those behind it are not called then.
        work: Does all the changing; nothing is changed before.
        args: Of ``work``.
        kwargs: Of ``work``.
    """
    undo_all: partial[object] = partial(deque, map(_call, list(undo)), 0)
    try:
        return work(*args, **kwargs)
    finally:
        undo_all()


def contents(mapping: MutableMapping[Any, Any]) -> list[Undo]:
    """What gives a dictionary its entries back, and no others."""
    return [mapping.clear, partial(mapping.update, dict(mapping))]
