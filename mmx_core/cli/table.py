"""Aligned plain text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mmx_core.export.printable import columns


def format_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, text: Collection[int] = (0,)
) -> str:
    """Lines of cells, two spaces apart.

    Args:
        header: A name per column.
        rows: Printable cells.
        text: Which columns are text and so begin at the left; the others are numbers.
    """
    lines = [header, *rows]
    widths = [max(columns(line[place]) for line in lines) for place in range(len(header))]
    return "\n".join(
        "  ".join(
            _padded(cell, width, left=place in text)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def format_bytes(count: float) -> str:
    """A size for people, in powers of 1000."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _padded(cell: str, width: int, *, left: bool) -> str:
    space = " " * (width - columns(cell))
    return cell + space if left else space + cell
