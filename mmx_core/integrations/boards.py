"""What tools that show runs are sent of an explanation: a page, a picture and figures."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

from PIL import Image

from mmx_core.events.tags import means_prefix, metric_tag, sample_tags, shown_name
from mmx_core.explanation import Explanation

_MOST_TILES = 24
_UNSAFE = re.compile(r"[^\w.-]+")


def shown_by(logger: Any, package: str) -> Any:
    """The package's own object in what a user gave as a logger, or None.

    Args:
        logger: The object itself, the package as a module, Lightning's logger (``experiment``) or
            accelerate's tracker (``tracker``).
        package: Its name; it is not imported.
    """
    if logger is sys.modules.get(package):
        return logger
    for name in ("", "experiment", "tracker"):
        one = getattr(logger, name, None) if name else logger
        if one is not None and type(one).__module__.partition(".")[0] == package:
            return one
    return None


def page_of(tag: str, explanation: Explanation, step: int) -> str:
    """The panel with the explanation as one page, which needs no network.

    Raises:
        BundleMissing: No panel has been built.
    """
    from mmx_core.export.standalone import standalone_html

    placed = replace(explanation, tag=sample_tags(tag).explanation, step=step)
    return standalone_html([placed], title=f"{name_of(tag)} · step {step}")


def picture_of(explanation: Explanation) -> Image.Image:
    """The first tokens' maps over the image, small."""
    from mmx_core.export.contact_sheet import contact_sheet, default_tokens

    most = max(1, _MOST_TILES // len(explanation.heatmaps))
    return contact_sheet(explanation, default_tokens(explanation)[:most])


def figures_of(tag: str, explanation: Explanation) -> dict[str, float]:
    """The metrics under the names that they have in event files."""
    prefix = sample_tags(tag).metrics
    return {metric_tag(prefix, name): value for name, value in explanation.metrics.items()}


def means_under(set_name: str, figures: Mapping[str, float]) -> dict[str, float]:
    """A set's means under the names that they have in event files."""
    prefix = means_prefix(set_name)
    return {metric_tag(prefix, name): value for name, value in figures.items()}


def name_of(tag: str) -> str:
    """``SET/SAMPLE`` as a person wrote it."""
    return shown_name(sample_tags(tag).explanation)


def file_of(tag: str, step: int) -> str:
    """A path without an ending, for tools that keep files; no two samples have the same."""
    name = name_of(tag)
    parts = [_UNSAFE.sub("-", part).strip(".-") for part in name.split("/", 1)]
    if parts != name.split("/", 1):
        parts[-1] += f"-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return "/".join(["explanations", *parts, str(step)])
