"""What ``mmx export`` can write: each format registers itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mmx_core.export.standalone import PageEntry


@dataclass(frozen=True)
class Options:
    """How a file is written.

    Attributes:
        title: What and where from, in words.
        tokens: Indices of the answer's tokens, where the format takes them; None for all.
    """

    title: str
    tokens: Sequence[int] | None = None


Write = Callable[[Sequence[PageEntry], Options], bytes]
"""Takes one step's explanation, or several where the format takes them, in order.

May raise IndexError and ValueError for tokens that it cannot show, ImportError for a library that
it lacks.
"""
_Write = TypeVar("_Write", bound=Write)


@dataclass(frozen=True)
class ExportFormat:
    """A format by its name, which is the file's ending, too.

    Attributes:
        write: Makes the file.
        takes_steps: Whether a file holds several steps.
        takes_tokens: Whether some of the answer's tokens can be chosen.
    """

    write: Write
    takes_steps: bool
    takes_tokens: bool


_FORMATS: dict[str, ExportFormat] = {}


def export_format(
    name: str, *, takes_steps: bool = False, takes_tokens: bool = False
) -> Callable[[_Write], _Write]:
    """Decorator: ``mmx export --format NAME`` writes with this function.

    Example:
        >>> @mmx_core.export.export_format("txt")
        ... def answer(entries, options):
        ...     return entries[0].explanation.answer.encode()
    """

    def keep(write: _Write) -> _Write:
        _FORMATS[name] = ExportFormat(write, takes_steps, takes_tokens)
        return write

    return keep


def formats() -> Mapping[str, ExportFormat]:
    """Every format by its name."""
    return dict(_FORMATS)


@export_format("png", takes_tokens=True)
def png(entries: Sequence[PageEntry], options: Options) -> bytes:
    """Each token's map over the image, on one sheet."""
    from mmx_core.export.contact_sheet import contact_sheet

    file = io.BytesIO()
    contact_sheet(entries[0].explanation, options.tokens).save(file, "PNG")
    return file.getvalue()


@export_format("gif", takes_steps=True, takes_tokens=True)
def gif(entries: Sequence[PageEntry], options: Options) -> bytes:
    """Moving: an answer token by token, or with several steps one token over the steps."""
    return _moving(entries, options, "GIF")


@export_format("webp", takes_steps=True, takes_tokens=True)
def webp(entries: Sequence[PageEntry], options: Options) -> bytes:
    """The same, smaller and in all colours."""
    return _moving(entries, options, "WEBP")


def _moving(entries: Sequence[PageEntry], options: Options, kind: str) -> bytes:
    from mmx_core.export.moving import moving_picture

    return moving_picture([entry.explanation for entry in entries], options.tokens, kind)


@export_format("html", takes_steps=True)
def html(entries: Sequence[PageEntry], options: Options) -> bytes:
    """The panel as one page that needs no server."""
    from mmx_core.export.standalone import standalone_page

    return standalone_page(entries, title=options.title).encode("utf-8")


@export_format("npz")
def npz(entries: Sequence[PageEntry], options: Options) -> bytes:
    """Named arrays, for numpy."""
    from mmx_core.export.arrays import npz_bytes

    return npz_bytes(entries[0].explanation)


@export_format("safetensors")
def safetensors(entries: Sequence[PageEntry], options: Options) -> bytes:
    """The same arrays, for safetensors."""
    from mmx_core.export.arrays import safetensors_bytes

    return safetensors_bytes(entries[0].explanation)
