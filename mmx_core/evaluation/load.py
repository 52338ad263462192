"""A set of samples by its name."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from mmx_core.evaluation.published import LAYOUTS, PublishedSet
from mmx_core.sample import Sample

_FUNCTION = "evaluation_samples"
_MANY = 100


def load_samples(
    name: str,
    *,
    root: str | os.PathLike[str] | None = None,
    count: int | None = None,
    references: bool = False,
) -> Sequence[Sample]:
    """Loads a set of samples.

    Args:
        name: A published set (``coco``, ``grandf``, ``openpsg``, ``clevr-xai``, ``wiki-visa``, or
            with a part of it: ``coco:train2017``; :mod:`mmx_core.evaluation.published`), or
            ``PACKAGE:NAME``: what the package's function ``evaluation_samples(NAME, count)`` gives.
            The package may lie in the current directory.
        root: Where a published set lies.
        count: How many of the first; None for all of a published set, 100 of a package's.
        references: Explain a published set's reference answers, not the model's own.

    Raises:
        ValueError: There is no such set, or it cannot be read; the message says what to do.
    """
    if name.partition(":")[0] in LAYOUTS:
        if root is None:
            raise ValueError(f"expected --root, the directory of {name!r}, got none; give one")
        return PublishedSet(name, root, count=count, references=references)
    package, colon, inner = name.partition(":")
    if not colon or not inner or not package.replace(".", "").isidentifier():
        raise ValueError(
            f"expected {', '.join(LAYOUTS)} or PACKAGE:NAME such as demo:val, got {name!r}"
        )
    look_here()
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"expected the package {package!r}, found none ({error}); install it, or run in its "
            "folder"
        ) from None
    make = getattr(module, _FUNCTION, None)
    if not callable(make):
        raise ValueError(
            f"expected a function {_FUNCTION}(name, count) in the package {package!r}, found none"
        )
    samples: Sequence[Sample] = make(inner, _MANY if count is None else count)
    return samples


def look_here() -> None:
    """Lets modules of the current directory be imported, as ``python -m`` does."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
