"""Text from logs for terminals and captions, where a control character would do harm."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """The text on one line: what is not printable is written as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def token_name(text: str) -> str:
    """A token without its surrounding spaces, quoted where nothing would be left."""
    return printable(text.strip(" ")) or f"'{text}'"


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
