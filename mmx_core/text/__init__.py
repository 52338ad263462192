"""Words: what is one, which tokens make it, and what kind of word it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmx_core.text.categories import CategoryMasks as CategoryMasks
    from mmx_core.text.categories import NamedMasks as NamedMasks
    from mmx_core.text.categories import WholeMask as WholeMask
    from mmx_core.text.words import split_words as split_words

_HOMES = {
    "CategoryMasks": "categories",
    "NamedMasks": "categories",
    "WholeMask": "categories",
    "split_words": "words",
}
__all__ = ["CategoryMasks", "NamedMasks", "WholeMask", "split_words"]


# Categories need samples, and samples need words.
def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mmx_core.text.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mmx_core.text' has no {name!r}; it has {__all__}")
