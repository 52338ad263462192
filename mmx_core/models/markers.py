"""Tokens that stand around a picture or between its parts, by their names; what their ids are."""

from __future__ import annotations

import re
from typing import Any

_OF_PICTURES = r"image|img|vision|visual|tile|patch"
_PLACES = r"start|end|begin|break|newline|sep|row|col|indicator|global|fake|line|boundary|around"
_WORD = re.compile(
    rf"(?:{_OF_PICTURES}).*(?:{_PLACES})|(?:{_PLACES}).*(?:{_OF_PICTURES})|\b[be]oi\b|\brow\b",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(r"video|audio|text", re.IGNORECASE)


def picture_markers(config: Any, tokenizer: Any) -> dict[int, str]:
    """Ids of such tokens, with the name that tells of them.

    They are named in the model's configuration (``image_start_token_id``), among the tokenizer's
    named tokens (``boi_token``), or are special and spelled so (``<|row_end|>``).
    """
    found: dict[int, str] = {}
    for name, value in config.to_dict().items():
        if re.search(r"_token_(id|ids|index)$", name) and _tells(name):
            ids = value if isinstance(value, (list, tuple)) else [value]
            found |= {int(token): name for token in ids if isinstance(token, int)}
    named = {
        name: token
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str) and _tells(name)
    }
    for name, token in named.items():
        found.setdefault(int(tokenizer.convert_tokens_to_ids(token)), f"{name} {token}")
    for index, token in tokenizer.added_tokens_decoder.items():
        if token.special and _tells(token.content):
            found.setdefault(int(index), token.content)
    return found


def known_id(tokenizer: Any, token: str) -> int | None:
    """A token's id; None where the vocabulary lacks it."""
    found = tokenizer.convert_tokens_to_ids(token)
    unknown = found is None or found == getattr(tokenizer, "unk_token_id", None)
    return None if unknown else int(found)


def required_id(tokenizer: Any, token: str) -> int:
    """A token's id.

    Raises:
        ValueError: The vocabulary lacks it.
    """
    found = known_id(tokenizer, token)
    if found is None:
        raise ValueError(f"tokenizer: expected {token!r} in its vocabulary")
    return found


def _tells(name: str) -> bool:
    words = name.replace("_", " ")
    return bool(_WORD.search(words)) and not _OF_OTHERS.search(words)
