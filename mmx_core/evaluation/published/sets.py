"""A published set as a sequence of samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import overload

from PIL import Image

from mmx_core.evaluation.published import clevr_xai, coco, formatted, grandf, psg, wiki_visa
from mmx_core.evaluation.published.entries import Entry, LeftOut, Request
from mmx_core.sample import Sample

Reader = Callable[[Request], Iterator["Entry | LeftOut"]]


def _formatted_or(name: str, own: Reader) -> Reader:
    """The published evaluation's own form of a set where it lies there, else the set's."""

    def read(request: Request) -> Iterator[Entry | LeftOut]:
        if not request.part and formatted.is_there(name, request.root):
            return formatted.read(name, request)
        return own(request)

    return read


LAYOUTS: Mapping[str, Reader] = {
    "coco": _formatted_or("coco", coco.read),
    "grandf": _formatted_or("grandf", grandf.read),
    "openpsg": _formatted_or("openpsg", psg.read),
    "clevr-xai": clevr_xai.read,
    "wiki-visa": wiki_visa.read,
}
"""What reads each, by name."""


class PublishedSet(Sequence[Sample]):
    """One of :data:`LAYOUTS` on the disk. Pictures and masks are read when a sample is taken.

    Args:
        name: Of the layout, with a part of it behind a colon: ``coco:train2017``.
        root: Its directory.
        count: How many of the first that can be explained; None for all.
        references: Explain the reference answer, not the model's own.

    Attributes:
        left_out: What was listed before the last of them and cannot be explained: ids by reason.

    Raises:
        ValueError: The annotations are missing or of another form.
    """

    left_out: Mapping[str, Sequence[str]]

    def __init__(
        self,
        name: str,
        root: str | os.PathLike[str],
        *,
        count: int | None = None,
        references: bool = False,
    ) -> None:
        layout, _, part = name.partition(":")
        if layout not in LAYOUTS:
            raise ValueError(f"data: expected one of {', '.join(LAYOUTS)}, got {name!r}")
        if count is not None and count < 0:
            raise ValueError(f"count: expected 0 or more, got {count}")
        left_out: dict[str, list[str]] = {}
        try:
            # Absolute, for files may lie beside it, and of "." pathlib's parent is "." again.
            found = LAYOUTS[layout](Request(Path(os.path.abspath(root)), part, references))
            self._entries = dict(islice(_kept(found, left_out), count))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(
                f"expected annotations laid out as {name!r} in {os.fspath(root)!r}, got "
                f"{type(error).__name__}: {error}"
            ) from None
        self._order = list(self._entries)
        self.left_out = left_out

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Reads a sample.

        Raises:
            ValueError: Its files are not what the annotations say; it names the sample.
        """
        if isinstance(index, slice):
            return [self._read(name) for name in self._order[index]]
        return self._read(self._order[index])

    def id_of(self, index: int) -> str:
        """A sample's id, without reading its files."""
        return self._order[index]

    def _read(self, name: str) -> Sample:
        try:
            return replace(self._entries[name].read(), id=name)
        except (
            OSError, EOFError, SyntaxError, ValueError, LookupError, TypeError,
            Image.DecompressionBombError,
        ) as error:  # fmt: skip
            raise ValueError(f"sample {name!r}: {error}") from None


def _kept(
    found: Iterator[Entry | LeftOut], left_out: dict[str, list[str]]
) -> Iterator[tuple[str, Entry]]:
    """Entries by distinct ids; what is left out goes where it is counted."""
    seen: set[str] = set()
    for place, entry in enumerate(found):
        if isinstance(entry, LeftOut):
            left_out.setdefault(entry.reason, []).append(entry.id)
            continue
        name = f"{entry.id}-{place}" if entry.id in seen else entry.id
        seen.add(name)
        yield name, entry
