"""Chat templates that do not write what the tokenizer is to see."""

from __future__ import annotations


def replacing(source: str, written: str, wanted: str) -> str:
    """A chat template like another, with a text replaced in all that it renders.

    Args:
        source: Jinja source.
        written: What it writes.
        wanted: What stands in its place, as within quotes of Jinja.
    """
    # Jinja drops a newline that ends a template, which is done here as the template no longer ends
    # there, and blanks that begin a line, so the template begins one.
    body = source.removesuffix("\n")
    return (
        "{% set rendered %}\n"
        + body
        + "{% endset %}{{ rendered | replace('"
        + written
        + "', '"
        + wanted
        + "') }}"
    )
