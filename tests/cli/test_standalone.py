"""Pages without a server, and the notebook's view, from hostile data, too."""

from __future__ import annotations

import base64
import html
import json
import re
from dataclasses import replace

import pytest

from mmx_core.cli import main
from mmx_core.events import add_explanation
from mmx_core.events.wire import decode_explanation, encode_explanation
from mmx_core.export import BundleMissing, standalone_html
from mmx_core.export import bundle as bundle_module
from tests.support.explanations import assert_close, make_explanation

HOSTILE = "</script><script>alert(1)</script><!--<script>"
BUNDLE = 'export const tag = "</script>", comment = "<!--";'


def data_of(page: str) -> dict:
    """The page's JSON, found as a browser finds it: up to the first end tag."""
    return json.loads(re.search(r'id="mmx-data">(.*?)</script', page, re.S | re.I)[1])


def blobs_of(entry: dict) -> list[bytes]:
    return [base64.b64decode(blob) for blob in entry["blobs"]]


def test_a_page_holds_what_was_explained():
    explanation = make_explanation()
    data = data_of(standalone_html([explanation], bundle=BUNDLE))
    (entry,) = data["explanations"]
    found = decode_explanation(blobs_of(entry), images=lambda name: explanation.image)
    assert_close(found, explanation)
    assert blobs_of(entry) == encode_explanation(explanation)
    (run,) = data["index"]["runs"]
    (sample,) = run["samples"]
    assert (sample["tag"], sample["steps"]) == (entry["tag"], [0])
    assert data["records"]["."][0]["answer"] == explanation.answer
    address = data["images"][explanation.image.hash]
    assert base64.b64decode(address.split(",")[1]) == explanation.image.data


def test_nothing_in_the_data_ends_a_script_or_begins_a_comment():
    explanation = replace(make_explanation(), answer=HOSTILE, id=HOSTILE, prompt=HOSTILE)
    page = standalone_html([explanation], title=HOSTILE, bundle=BUNDLE)
    assert len(re.findall("</script", page, re.I)) == 2
    assert "<!--" not in page and "<script>" not in page
    assert data_of(page)["records"]["."][0]["answer"] == HOSTILE


def test_explanations_of_one_name_keep_places_of_their_own():
    page = standalone_html([make_explanation(), make_explanation(seed=1)], bundle=BUNDLE)
    tags = [entry["tag"] for entry in data_of(page)["explanations"]]
    assert len(set(tags)) == 2


def test_no_page_without_explanations():
    with pytest.raises(ValueError, match="at least one"):
        standalone_html([], bundle=BUNDLE)


def test_the_command_writes_a_page_of_one_step_or_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr("mmx_core.export.standalone.read_bundle", lambda: BUNDLE)
    for step in (1, 2):
        add_explanation(tmp_path / "runs", "val/0", make_explanation(seed=step), step)
    for wanted, expected in (("last", [2]), ("1", [1]), ("all", [1, 2])):
        out = tmp_path / "page.html"
        given = ("export", tmp_path / "runs", "--run", ".", "--sample", "val/0", "--step", wanted)
        how = ("--format", "html", "--out", out, "--overwrite")
        assert main([str(part) for part in (*given, *how)]) == 0
        data = data_of(out.read_text(encoding="utf-8"))
        assert [entry["step"] for entry in data["explanations"]] == expected
        assert data["view"]["step"] == str(expected[-1])


def test_without_a_bundle_the_error_says_how_to_build_one_and_a_notebook_shows_text(
    tmp_path, monkeypatch, capsys
):
    def missing() -> str:
        raise BundleMissing("panel: build it: python build_tools/panel.py")

    monkeypatch.setattr("mmx_core.export.standalone.read_bundle", missing)
    add_explanation(tmp_path / "runs", "val/0", make_explanation(), 0)
    given = ["export", str(tmp_path / "runs"), "--run", ".", "--sample", "val/0"]
    assert main([*given, "--format", "html"]) == 2
    assert "build_tools/panel.py" in capsys.readouterr().err
    shown = replace(make_explanation(), answer="<b>")._repr_html_()
    assert shown.startswith("<pre>") and "<b>" not in shown


def test_the_bundle_is_found_without_importing_the_plugin(monkeypatch, tmp_path):
    spec = bundle_module.find_spec("tb_mmx_plugin")
    monkeypatch.setattr(spec, "submodule_search_locations", [str(tmp_path)])
    monkeypatch.setattr(bundle_module, "find_spec", lambda name: spec)
    with pytest.raises(BundleMissing, match="build it"):
        bundle_module.read_bundle()
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "standalone.js").write_text("export {}", encoding="utf-8")
    assert bundle_module.read_bundle() == "export {}"


def test_a_notebook_shows_the_page_in_a_frame_that_may_reach_nothing(monkeypatch):
    monkeypatch.setattr("mmx_core.export.standalone.read_bundle", lambda: BUNDLE)
    shown = replace(make_explanation(), id='"><script>alert(1)</script>')._repr_html_()
    frame = re.fullmatch(
        r'<iframe title="([^"]*)" sandbox="([^"]*)" [^>]*srcdoc="([^"]*)"></iframe>', shown
    )
    assert frame is not None
    assert "allow-same-origin" not in frame[2]
    assert data_of(html.unescape(frame[3]))["version"] == 1


def test_the_plain_form_is_one_readable_line():
    told = repr(replace(make_explanation(), answer="a\nlong " + "word " * 40))
    assert "\n" not in told and len(told) < 200 and "5 tokens" in told
