"""A page that shows explanations without a server or a network (standalone.md)."""

from __future__ import annotations

import html
import json
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from mmx_core.events.blob import decode_json, encode_json
from mmx_core.events.bounds import fitted
from mmx_core.events.index_record import decode_record, encode_record
from mmx_core.events.privacy import is_private, private_header
from mmx_core.events.tags import DEFAULT_SET, PREFIX, natural_key
from mmx_core.events.wire import encode_explanation
from mmx_core.explanation import EncodedImage, Explanation
from mmx_core.export.bundle import read_bundle

DATA_ID = "mmx-data"
_UNNAMED_RUN = "."


@dataclass(frozen=True)
class PageEntry:
    """One explanation of a page.

    Attributes:
        explanation: With its ``run``, ``tag`` (``mmx/SET/SAMPLE``) and ``step``.
        blobs: As logged (wire_format.md).
        wall_time: Seconds since the epoch; None where it was never logged.
    """

    explanation: Explanation
    blobs: Sequence[bytes]
    wall_time: float | None = None

    @property
    def place(self) -> tuple[str, str, int]:
        """Run, tag and step."""
        step = self.explanation.step
        return self.explanation.run, self.explanation.tag, 0 if step is None else step

    def record(self) -> dict[str, Any]:
        """What the plugin's ``records`` route answers for it."""
        size = sum(map(len, self.blobs))
        _, tag, step = self.place
        return {
            **decode_record(encode_record(self.explanation, size)),
            "tag": tag,
            "step": step,
            "wall_time": _finite(self.wall_time),
        }


def standalone_html(
    explanations: Iterable[Explanation],
    *,
    title: str = "Explanations",
    bundle: str | None = None,
    private: bool | None = None,
) -> str:
    """A page that opens offline in any browser, with the panel and the explanations inside.

    Args:
        explanations: At least one. Those that were never logged get a tag from their id, and a
            number behind it where that is taken.
        title: The page's.
        bundle: The panel's JavaScript module; the installed plugin's by default.
        private: Leave out the paths of files; None reads ``MMX_PRIVATE``.

    Returns:
        The page; it starts with the first explanation's sample at its last step.

    Raises:
        BundleMissing: No panel has been built.
        ValueError: There are no explanations.

    Example:
        >>> Path("answer.html").write_text(standalone_html([explanation]), encoding="utf-8")
    """
    return standalone_page(
        placed_entries(explanations), title=title, bundle=bundle, private=private
    )


def placed_entries(explanations: Iterable[Explanation]) -> list[PageEntry]:
    """Explanations as they would be logged, each under a run, a tag and a step of its own."""
    return [PageEntry(e, encode_explanation(e)) for e in map(fitted, _placed(explanations))]


def standalone_page(
    entries: Sequence[PageEntry],
    *,
    title: str,
    bundle: str | None = None,
    private: bool | None = None,
) -> str:
    """As :func:`standalone_html`, from blobs; no two entries share run, tag and step."""
    if is_private(private):
        entries = [replace(entry, blobs=_private(entry.blobs)) for entry in entries]
    script = read_bundle() if bundle is None else bundle
    # Escaped so, nothing in a string of the data can end the script element.
    data = json.dumps(page_data(entries), allow_nan=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title></head><body>"
        f'<script type="application/json" id="{DATA_ID}">{data}</script>'
        f'<script type="module">{_inline(script)}</script></body></html>'
    )


def page_data(entries: Sequence[PageEntry]) -> dict[str, Any]:
    """The page's JSON (standalone.md)."""
    if not entries:
        raise ValueError("explanations: expected at least one to show, got none")
    runs: dict[str, dict[str, list[PageEntry]]] = {}
    ordered = sorted(entries, key=lambda e: (natural_key(e.place[0]), natural_key(e.place[1])))
    for entry in ordered:
        run, tag, _ = entry.place
        runs.setdefault(run, {}).setdefault(tag, []).append(entry)
    for tags in runs.values():
        for steps in tags.values():
            steps.sort(key=lambda entry: entry.place[2])
    first_run, first_tag, _ = entries[0].place
    shown = [image for entry in entries for image in _pixels(entry.explanation)]
    images = {image.hash: image for image in shown}
    return {
        "version": 1,
        "index": {"version": 1, "runs": [_run(run, tags) for run, tags in runs.items()]},
        "records": {
            run: [entry.record() for steps in tags.values() for entry in steps]
            for run, tags in runs.items()
        },
        "images": {
            name: f"data:image/{image.format};base64,{_base64(image.data)}"
            for name, image in sorted(images.items())
        },
        "explanations": [
            {
                "run": run,
                "tag": tag,
                "step": entry.place[2],
                "wall_time": _finite(entry.wall_time),
                "blobs": [_base64(blob) for blob in entry.blobs],
            }
            for run, tags in runs.items()
            for tag, steps in tags.items()
            for entry in steps
        ],
        "view": {
            "run": first_run,
            "tag": first_tag,
            "step": str(runs[first_run][first_tag][-1].place[2]),
        },
    }


def _run(run: str, tags: dict[str, list[PageEntry]]) -> dict[str, Any]:
    entries = [entry for steps in tags.values() for entry in steps]
    shown = [image for entry in entries for image in _pixels(entry.explanation)]
    return {
        "run": run,
        "samples": [
            {
                "tag": tag,
                "set": tag.removeprefix(PREFIX).partition("/")[0],
                "sample": tag.removeprefix(PREFIX).partition("/")[2],
                "steps": [entry.place[2] for entry in steps],
                "wall_times": [_finite(entry.wall_time) for entry in steps],
            }
            for tag, steps in tags.items()
        ],
        "images": sorted({image.hash for image in shown}),
    }


def _private(blobs: Sequence[bytes]) -> list[bytes]:
    return [encode_json(private_header(decode_json(blobs[0]))), *blobs[1:]]


def _pixels(explanation: Explanation) -> list[EncodedImage]:
    return [entry.image for entry in explanation.images if entry.image is not None]


def _placed(explanations: Iterable[Explanation]) -> list[Explanation]:
    """Each with a run, a tag and a step of its own."""
    taken: set[tuple[str, str, int]] = set()
    placed = []
    for explanation in explanations:
        run = explanation.run or _UNNAMED_RUN
        name = explanation.tag or f"{PREFIX}{DEFAULT_SET}/{explanation.id or 'sample'}"
        step = 0 if explanation.step is None else explanation.step
        names = (name if number == 1 else f"{name} ({number})" for number in count(1))
        tag = next(tag for tag in names if (run, tag, step) not in taken)
        taken.add((run, tag, step))
        placed.append(replace(explanation, run=run, tag=tag, step=step))
    return placed


def _inline(script: str) -> str:
    """A module that may stand between script tags: in its strings nothing ends or nests them."""
    script = re.sub("</(script)", r"<\\/\1", script, flags=re.IGNORECASE)
    return script.replace("<!--", "\\x3c!--")


def _finite(wall_time: float | None) -> float | None:
    return wall_time if wall_time is not None and math.isfinite(wall_time) else None


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
