"""What a notebook shows of an explanation: the panel, and a table of its tokens."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmx_core.errors import install_hint
from mmx_core.export.bundle import BundleMissing
from mmx_core.export.standalone import standalone_html

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
    title = f"Explanation {explanation.id}"
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
