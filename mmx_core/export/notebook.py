"""What an explanation shows of itself: the panel, a table of its tokens, a file of any format."""

from __future__ import annotations

import html
import os
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmx_core.errors import install_hint
from mmx_core.export.bundle import BundleMissing
from mmx_core.export.registry import Options, formats
from mmx_core.export.standalone import placed_entries, standalone_html

if TYPE_CHECKING:
    import pandas

    from mmx_core.explanation import Explanation


def as_frame(explanation: Explanation) -> pandas.DataFrame:
    """See :meth:`mmx_core.Explanation.to_pandas`."""
    try:
        import pandas
    except ImportError:
        raise ImportError(
            f"to_pandas: expected pandas, found none; install it: {install_hint('analysis')}"
        ) from None

    base = explanation.base
    seen = np.nan_to_num(explanation.relevance, nan=-1.0)
    strongest = seen.argmax(axis=1)
    rows = np.arange(len(explanation.tokens))
    gain = explanation.image_gain
    columns: dict[str, Sequence[Any] | np.ndarray] = {
        "run": [explanation.run] * len(rows),
        "tag": [explanation.tag] * len(rows),
        "step": [explanation.step] * len(rows),
        "token_index": rows,
        "token": [token.text for token in explanation.tokens],
        "probability": base.probability,
        "rank": base.rank,
        "grounding": explanation.grounding,
        "image_gain": np.full(len(rows), np.nan) if gain is None else gain,
        "most_relevant": [explanation.context[j].text for j in strongest],
        "relevance": explanation.relevance[rows, strongest],
    }
    for scale in explanation.scales:
        columns[f"probability@{scale.factor:g}"] = scale.probability
    return pandas.DataFrame(columns)


def as_html(explanation: Explanation) -> str:
    """The panel in a frame of its own; plain text where it is not built."""
    title = _title(explanation)
    try:
        page = standalone_html([explanation], title=title)
    except BundleMissing:
        return f"<pre>{html.escape(repr(explanation))}</pre>"
    # Sandboxed: the page needs nothing of the notebook's, and fetches nothing.
    return (
        f'<iframe title="{html.escape(title)}" sandbox="allow-scripts allow-downloads" '
        'style="width: 100%; height: 760px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )


def as_widget(explanation: Explanation) -> dict[str, Any] | None:
    """The panel as a widget, which is a cell's small output; None where there can be none."""
    if not _in_notebook() or find_spec("anywidget") is None:
        return None
    from mmx_core.export.widget import panel_widget

    try:
        return panel_widget(explanation, _title(explanation))
    except BundleMissing:
        return None


def save(explanation: Explanation, path: str | os.PathLike[str]) -> None:
    """See :meth:`mmx_core.Explanation.save`."""
    kind = os.path.splitext(os.fspath(path))[1].removeprefix(".").lower()
    known = formats()
    if kind not in known:
        raise ValueError(
            f"path: expected a name that ends with .{', .'.join(known)}, got {os.fspath(path)!r}"
        )
    content = known[kind].write(placed_entries([explanation]), Options(_title(explanation)))
    Path(path).write_bytes(content)


def show(explanation: Explanation) -> None:
    """See :meth:`mmx_core.Explanation.show`."""
    if _in_notebook():
        sys.modules["IPython"].display.display(explanation)
        return
    # It stays: the browser reads it after we have gone on, or ended.
    descriptor, name = tempfile.mkstemp(prefix="mmx-", suffix=".html")
    os.close(descriptor)
    save(explanation, name)
    if not webbrowser.open(Path(name).as_uri()):
        print(f"No browser was found; open {name} in one")


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _title(explanation: Explanation) -> str:
    return f"Explanation {explanation.id}"
