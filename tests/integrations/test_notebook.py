"""An explanation as a notebook's cell shows it; executed where the parts of Jupyter are."""

from __future__ import annotations

import importlib.util

import pytest

from tests.support.explanations import make_explanation

NEEDED = ("anywidget", "ipykernel", "nbclient")
CELL = """\
from tests.support.explanations import make_explanation
make_explanation()
"""


def test_outside_a_notebook_no_widget_is_made() -> None:
    assert make_explanation()._repr_mimebundle_() is None


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)),
    reason=f"{', '.join(NEEDED)} are not all installed here; the test runs where they are",
)
def test_cells_share_one_script_and_keep_a_picture_for_readers_that_know_no_widgets() -> None:
    import nbclient
    import nbformat

    cells = [nbformat.v4.new_code_cell(CELL) for _ in range(2)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    shown = [cell["outputs"][-1]["data"] for cell in notebook.cells]
    state = notebook.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    for data in shown:
        assert data["text/html"].startswith('<img alt="Explanation')
        assert sum(map(len, map(str, data.values()))) < 60_000
        panel = state[data["application/vnd.jupyter.widget-view+json"]["model_id"]]["state"]
        assert "mmx-data" in panel["page"] and len(panel["page"]) < 100_000
    scripts = [one["state"]["text"] for one in state.values() if "text" in one["state"]]
    assert len(scripts) == 1 and len(scripts[0]) > 100_000
