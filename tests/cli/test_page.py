"""A page against the plugin that it stands in for, and against text that would break out of it."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext

from mmx_core.cli import main
from mmx_core.events.wire import decode_explanation
from mmx_core.explanation import Explanation
from mmx_core.export import standalone_html
from tb_mmx_plugin.data import ExplanationData
from tests.cli.conftest import BUNDLE, STEPS
from tests.support.explanations import make_explanation

HOSTILE = "</script><script>alert(1)</script><!--<script>\u2028&\ud800"


class Page(HTMLParser):
    """The page's elements in order, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def data(self) -> dict:
        return json.loads(self.texts[1])


def hostile() -> Explanation:
    made = make_explanation(id=HOSTILE)
    tokens = (replace(made.tokens[0], text=HOSTILE), *made.tokens[1:])
    context = (*made.context[: made.prompt_length], *tokens)
    return replace(made, answer=HOSTILE, prompt=HOSTILE, tokens=tokens, context=context)


def exported(logdir: Path, tmp_path: Path, *options: str) -> Page:
    out = tmp_path / "page.html"
    place = ["--run", "grounded", "--sample", "val/10"]
    command = ["export", str(logdir), *place, "--format", "html", "--out", str(out), *options]
    assert main(command) == 0
    return Page(out.read_text(encoding="utf-8"))


def restored(data: dict) -> list[Explanation]:
    return [
        decode_explanation(
            [b64decode(blob) for blob in entry["blobs"]],
            run=entry["run"],
            tag=entry["tag"],
            step=entry["step"],
        )
        for entry in data["explanations"]
    ]


@pytest.mark.parametrize("bundle", [BUNDLE, "let quiet = 1;"])
def test_a_hostile_answer_stays_inside_the_data(bundle: str) -> None:
    text = standalone_html([hostile()], title=HOSTILE.replace("\ud800", ""), bundle=bundle)
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert tags == ["html", "head", "meta", "title", "body", "script", "script"]
    assert text.count("</script") == 2 and "<!--" not in text
    assert restored(page.data)[0].tokens[0].text == HOSTILE.encode("utf-8", "replace").decode()


def test_the_bundle_means_the_same_after_it_was_made_safe() -> None:
    script = Page(standalone_html([make_explanation()], bundle=BUNDLE)).texts[-1]
    meant = script.replace(r"<\/", "</").replace(r"\x3c", "<")
    assert meant == BUNDLE
    assert re.search("</script", script, re.IGNORECASE) is None


def test_a_page_fetches_nothing() -> None:
    text = standalone_html([make_explanation()], bundle=BUNDLE)
    attributes = {name for _, named in Page(text).elements for name in named}
    assert attributes.isdisjoint({"src", "href", "srcset", "data", "action"})
    assert "http://" not in text and "https://" not in text


def test_explanations_that_were_never_logged_get_places_of_their_own() -> None:
    made = [make_explanation(seed=seed, id="sample") for seed in range(3)]
    data = Page(standalone_html(made, bundle=BUNDLE)).data
    (run,) = data["index"]["runs"]
    tags = ["mmx/default/sample", "mmx/default/sample (2)", "mmx/default/sample (3)"]
    assert [sample["tag"] for sample in run["samples"]] == tags
    assert [entry["wall_time"] for entry in data["explanations"]] == [None] * 3
    assert data["view"] == {"run": ".", "tag": tags[0], "step": "0"}


def test_the_index_and_the_records_are_what_the_plugin_answers(logdir, tmp_path, panel) -> None:
    data = exported(logdir, tmp_path, "--step", "all").data
    multiplexer = EventMultiplexer(tensor_size_guidance={"mmx": 0, "mmx_index": 0})
    multiplexer.AddRunsFromDirectory(str(logdir)).Reload()
    plugin = ExplanationData(MultiplexerDataProvider(multiplexer, str(logdir)))
    context = RequestContext()
    (run,) = [r for r in plugin.index(context, "")["runs"] if r["run"] == "grounded"]
    (sample,) = [s for s in run["samples"] if s["tag"] == "mmx/val/10"]
    (own,) = data["index"]["runs"]
    assert data["index"]["version"] == 1
    assert (own["run"], own["samples"]) == ("grounded", [sample])
    assert set(own["images"]) == set(data["images"]) < set(run["images"])
    answer = plugin.records(context, "", run="grounded", tags=["mmx/val/10"])
    assert data["records"] == {"grounded": answer["records"]}


def test_all_steps_of_a_sample_go_into_one_page_that_opens_at_the_last(
    logdir, tmp_path, panel
) -> None:
    data = exported(logdir, tmp_path, "--step", "all").data
    assert [entry["step"] for entry in data["explanations"]] == list(STEPS)
    assert [entry["wall_time"] for entry in data["explanations"]] == [50.0, 150.0, 300.0]
    assert data["view"] == {"run": "grounded", "tag": "mmx/val/10", "step": "250"}
    assert [e.step for e in restored(data)] == list(STEPS)
