"""`explanation.save` and `explanation.show`: the formats of `mmx export` without a log."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from PIL import Image

from tests.support.explanations import make_explanation


def test_an_explanation_is_saved_as_what_its_name_ends_with(tmp_path: Path, panel: str) -> None:
    explanation = make_explanation(id="7")
    for name in ("x.html", "x.PNG", "x.npz"):
        explanation.save(tmp_path / name)
        explanation.save(str(tmp_path / name))  # again, over it
    assert '"mmx/default/7"' in (tmp_path / "x.html").read_text()
    assert Image.open(tmp_path / "x.PNG").format == "PNG"
    with np.load(tmp_path / "x.npz") as arrays:
        np.testing.assert_array_equal(arrays["heatmaps"], explanation.heatmap)
        assert json.loads(str(arrays["metadata"]))["id"] == "7"
    with pytest.raises(ValueError, match=r"ends with \.png, \.gif, .*got 'x.jpg'"):
        explanation.save("x.jpg")


def test_an_explanation_is_shown_as_a_page_in_the_browser(
    tmp_path: Path, panel: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)))
    make_explanation(id="7").show()
    page = Path(unquote(urlparse(opened[0]).path))
    assert '"mmx/default/7"' in page.read_text()
    assert str(page) in capsys.readouterr().out  # there was no browser
