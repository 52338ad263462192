"""The panel in a notebook's cell, by anywidget: a notebook is sent its script once.

A cell's output holds a small picture beside it, for readers that know no widgets.
"""

from __future__ import annotations

import html
import io
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets

from mmx_core.export.contact_sheet import contact_sheet, default_tokens
from mmx_core.export.standalone import standalone_html

if TYPE_CHECKING:
    from mmx_core.explanation import Explanation

_SCRIPT = '<script type="module">'
_TILES, _WIDEST = 2, 480
"""Of the picture: its tokens, and its width in pixels."""


class _Script(ipywidgets.Widget):
    """The panel's script, which all cells share."""

    text = traitlets.Unicode().tag(sync=True)


class _Panel(anywidget.AnyWidget):
    """The page of one explanation, as far as its script; the same sandbox as a frame of its own."""

    _esm = """
    export default {
      async render({ model, el }) {
        const id = model.get("script").slice("IPY_MODEL_".length);
        const script = await model.widget_manager.get_model(id);
        const frame = document.createElement("iframe");
        frame.title = model.get("title");
        frame.setAttribute("sandbox", "allow-scripts allow-downloads");
        frame.style.cssText = "width: 100%; height: 760px; border: 0";
        frame.srcdoc = model.get("page") + script.get("text");
        el.append(frame);
      },
    };
    """
    title = traitlets.Unicode().tag(sync=True)
    page = traitlets.Unicode().tag(sync=True)
    script = traitlets.Instance(_Script).tag(sync=True, **ipywidgets.widget_serialization)


def panel_widget(explanation: Explanation, title: str) -> dict[str, Any]:
    """A cell's output: the panel, and a picture for readers that know no widgets.

    Raises:
        BundleMissing: No panel has been built.
    """
    page, script, rest = standalone_html([explanation], title=title).partition(_SCRIPT)
    panel = _Panel(title=title, page=page, script=_shared(script + rest))
    ((data, _),) = [panel._repr_mimebundle_()]
    return {**data, "text/plain": repr(explanation), "text/html": _picture(explanation, title)}


@cache
def _shared(text: str) -> _Script:
    return _Script(text=text)


def _picture(explanation: Explanation, title: str) -> str:
    most = max(1, _TILES // len(explanation.heatmaps))
    picture = contact_sheet(explanation, default_tokens(explanation)[:most]).convert("RGB")
    picture.thumbnail((_WIDEST, _WIDEST))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    source = b64encode(content.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(title)}" src="data:image/jpeg;base64,{source}">'
