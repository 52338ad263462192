"""What a log says of the machine that wrote it: paths, and with them user names, left out."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmx_core.events.header import Header
from mmx_core.events.header_writer import plain
from mmx_core.events.place import expanded
from mmx_core.explanation import Explanation

_PATH = re.compile(r"file:|~|\.{1,2}[\\/]|[A-Za-z]:[\\/]|[\\/]")
_ABSOLUTE = re.compile(r"file:|~|[A-Za-z]:[\\/]|[\\/]")
_SEPARATORS = re.compile(r"[\\/]+")
# Amid other text a path begins where no word, hub id or web address goes on; blanks are in its
# parts where a separator follows.
_PART = r"""(?:[^\s\\/:*?"<>|'`,;()\[\]{}]|(?<=\w)'(?=\w))+"""
_PARTS = rf"{_PART}(?:(?:\ [^\s\\/:=~]+){{0,3}}[\\/]+{_PART})"
_WITHIN = re.compile(
    rf"""
    (?P<quote>['"`])(?P<quoted>(?:file:|~|[A-Za-z]:[\\/]|[\\/])[^'"`\n]*)(?P=quote)
    | (?<![\w/\\.~-])
      (?:
        file:[\\/]*(?:[A-Za-z]:[\\/]+)?{_PARTS}*
      | [A-Za-z]:[\\/]+{_PARTS}*
      | (?:\\\\|(?<!:)//|/){_PARTS}+
      | ~{_PARTS}+ | ~[\\/]+{_PARTS}*
      )[\\/]*
    """,
    re.VERBOSE,
)
_FURTHER = re.compile(r"[\s:;,](?:file:|~|[A-Za-z]:)?[\\/]")
_HOME = re.compile(r"(?:file:)?(?:.*[\\/])?(?:home|users)[\\/]+[^\\/]+", re.IGNORECASE)
_HUB = re.compile(
    r"^\s*(?:push)?url\s*=.*(?:^|[^\w.-])(?:huggingface\.co|hf\.co)(?=[:/\s]|$)",
    re.IGNORECASE | re.MULTILINE,
)


def is_private(
    private: bool | None = None,
    logdir: str | os.PathLike[str] | None = None,
    *,
    uploaded: bool = False,
) -> bool:
    """Whether paths stay out of what is logged or exported.

    Args:
        private: As the caller has it; None reads the environment variable ``MMX_PRIVATE``, and
            where that is not set asks whether the directory is uploaded.
        logdir: Where it is written, if that is known.
        uploaded: Whether it is known to be uploaded.
    """
    if private is not None:
        return private
    wish = os.environ.get("MMX_PRIVATE", "")
    if wish:
        return wish != "0"
    return uploaded or (logdir is not None and is_uploaded(logdir))


def is_uploaded(folder: str | os.PathLike[str]) -> bool:
    """Whether a directory lies in a clone of a repository on the Hugging Face hub.

    Its own, a submodule's or a working tree's, or one that such a repository lies in. What a
    ``Trainer`` uploads its caller knows: it has ``push_to_hub``.
    """
    place = expanded(folder)
    if "://" in place:
        return False
    here = Path(place).absolute()
    return any(
        _HUB.search(_text(config)) is not None
        for parent in (here, *here.parents)
        for config in _configs(parent / ".git")
    )


def _configs(git: Path) -> Iterator[Path]:
    """The settings of a repository; of a submodule or a working tree ``.git`` is a file."""
    folder = git
    named = re.match(r"gitdir:\s*(.+?)\s*$", _text(git))
    if named is not None:
        folder = git.parent / named[1]
        # A working tree's settings are those of the repository that it was made from.
        common = _text(folder / "commondir").strip()
        if common:
            yield folder / common / "config"
        yield folder / "config.worktree"
    yield folder / "config"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def private_explanation(explanation: Explanation) -> Explanation:
    """The explanation with the names of files in place of their paths.

    Kept are hub ids, line numbers, settings, and all that the model was shown and said.
    """
    return replace(
        explanation,
        id=_without_place(explanation.id),
        objects=tuple(
            replace(entry, name=_without_place(entry.name)) for entry in explanation.objects
        ),
        provenance=_without_places(plain(explanation.provenance)),
    )


def private_tag(tag: str) -> str:
    """A sample's name; of one that is an absolute path the file's, told apart by a checksum."""
    set_name, slash, sample = tag.partition("/")
    if not slash or not (_ABSOLUTE.match(sample) or _WITHIN.search(sample)):
        return tag
    told = hashlib.sha256(sample.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{set_name}/{_without_place(sample)}-{told}"


def private_header(header: Header) -> Header:
    """As :func:`private_explanation`, of a header as it was logged (wire_format.md)."""
    kept = ("id", "model", "objects", "provenance")
    known = {name: header[name] for name in kept if name in header}
    return {**header, **_without_places(known)}


def _without_places(value: Any) -> Any:
    if isinstance(value, str):
        return _without_place(value)
    if isinstance(value, Mapping):
        return {_without_place(name): _without_places(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_places(item) for item in value]
    return value


def _without_place(text: str) -> str:
    """A path's last part; other text with the last parts of the paths in it."""
    if _PATH.match(text) and not _FURTHER.search(text):
        return _last_part(text)
    text = _WITHIN.sub(_cut, text)
    home = os.path.expanduser("~")
    return text.replace(home, "~") if len(home) > 1 else text


def _cut(found: re.Match[str]) -> str:
    quote = found["quote"]
    if quote is None:
        return _last_part(found[0])
    return f"{quote}{_last_part(found['quoted'])}{quote}"


def _last_part(path: str) -> str:
    """Of a home directory, whose last part is its user's name, ``~``."""
    path = path.rstrip("\\/")
    last = _SEPARATORS.split(path)[-1]
    return "~" if last.startswith("~") or _HOME.fullmatch(path) else last
