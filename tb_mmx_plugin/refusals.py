"""What cannot be answered, in one sentence for a person."""

from __future__ import annotations

_SHOWN_CHARACTERS = 120


class RequestError(Exception):
    """A request that cannot be answered; its message is one sentence for a person."""

    status = 400


class NotLogged(RequestError):
    """What was asked for is not there."""

    status = 404


class Unreadable(RequestError):
    """What was asked for is there, but cannot be read: damaged, lost, or of a newer version."""

    status = 409


def clipped(text: str) -> str:
    """A text for a message: cut where it is very long."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def shown(name: str) -> str:
    """A name in quotes, for a message: cut where it is very long."""
    return repr(clipped(name))
