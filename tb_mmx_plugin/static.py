"""The panel's built files: served by exact match against the build's manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
ENTRY = "index.js"

# Stands in for the panel's entry where nothing has been built.
_NOT_BUILT = """\
export async function render() {
  document.body.textContent =
    "The panel of this installation has not been built. In the repository run: " +
    "npm --prefix frontend ci && npm --prefix frontend run build, then restart TensorBoard.";
}
"""


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent.

    Attributes:
        content: Its bytes, compressed where the build has done that: better than TensorBoard does.
        media_type: Of the file itself.
        encoding: ``gzip``, or None.
    """

    content: bytes
    media_type: str
    encoding: str | None = None


def read_static(name: str, folder: Path | None = None) -> StaticFile | None:
    """Reads one of the built files.

    Args:
        name: As it stands in ``manifest.json``, ``{"files": {"index.js": "text/javascript"}}``.
        folder: Where the build put them; the package's own by default.

    Returns:
        The file, or None where the manifest does not list the name. Without any build the entry
        is a module that says how to make one.
    """
    folder = folder or FOLDER
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    except FileNotFoundError:
        return StaticFile(_NOT_BUILT.encode(), "text/javascript") if name == ENTRY else None
    media_type = files.get(name)
    if media_type is None:
        return None
    for suffix, encoding in ((".gz", "gzip"), ("", None)):
        try:
            return StaticFile((folder / f"{name}{suffix}").read_bytes(), media_type, encoding)
        except FileNotFoundError:
            continue
    return None
