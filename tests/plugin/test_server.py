"""The routes of a real TensorBoard, under both loaders and behind a path prefix."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from mmx_core.events import ExplanationWriter, add_explanation
from mmx_core.events.wire import decode_explanation
from tests.plugin.conftest import write_logdir
from tests.plugin.test_data import unframe
from tests.support.explanations import assert_close, make_explanation, make_image, without_pixels
from tests.support.tensorboard_server import fetch, serve

MANY = 60


@pytest.fixture(
    scope="module", params=[(True, ""), (False, "/some/where")], ids=["fast", "slow-with-prefix"]
)
def base(request, tmp_path_factory):
    """One server per loader, over all that the tests below look at."""
    load_fast, prefix = request.param
    folder = write_logdir(tmp_path_factory.mktemp("server"))
    scales = ((1.0, (2, 2)),)
    with ExplanationWriter(folder / "many") as writer:
        for step in range(MANY):
            writer.add_explanation("val/1", make_explanation(1, 1, scales), step)
    with ExplanationWriter(folder / "resumed") as writer:
        for step in (100, 200, 300):
            writer.add_explanation("val/1", make_explanation(1, 1, scales, seed=step), step)
    with ExplanationWriter(folder / "resumed") as writer:
        writer.mark_resume(200)
        writer.add_explanation("val/1", make_explanation(1, 1, scales, seed=9), 200)
    for step in range(12):
        add_explanation(folder / "paths", "val/1", make_explanation(1, 1, scales), step)
    with serve(folder, load_fast=load_fast, path_prefix=prefix) as url:
        yield f"{url}/data"


def get(base: str, route: str, **parameters):
    query = urllib.parse.urlencode(parameters, doseq=True)
    return fetch(f"{base}/plugin/mmx/{route}?{query}")


def steps(base: str, run: str) -> list[int]:
    runs = json.loads(get(base, "index")[2])["runs"]
    (found,) = [entry for entry in runs if entry["run"] == run]
    return found["samples"][0]["steps"]


def test_the_tab_is_enabled_by_the_data(base):
    listing = json.loads(fetch(f"{base}/plugins_listing")[2])["mmx"]
    assert listing["enabled"] is True
    assert listing["tab_name"] == "Explanations"
    assert listing["loading_mechanism"]["module_path"].endswith("/data/plugin/mmx/index.js")


def test_the_index(base):
    status, headers, body = get(base, "index")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert "no-cache" in headers["cache-control"]
    runs = {run["run"]: run for run in json.loads(body)["runs"]}
    assert set(runs) == {"broken", "grounded", "many", "more/control", "paths", "resumed"}
    assert [sample["tag"] for sample in runs["grounded"]["samples"]] == ["mmx/val/2", "mmx/val/10"]
    assert runs["grounded"]["samples"][0]["steps"] == [0, 300, 900]
    assert len(runs["grounded"]["images"]) == 2


def test_blobs_arrive_as_they_were_logged(base):
    status, headers, body = get(base, "blobs", run="grounded", tag="mmx/val/2", step=[900, 0])
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    last, first = unframe(body)
    assert (last["step"], first["step"]) == (900, 0)
    assert last["wall_time"] == 1_700_000_900.0
    logged = make_explanation(seed=2, id="2")
    image = make_image(seed=2)
    assert_close(decode_explanation(last["blobs"], images=lambda name: image), logged)


def test_records_header_and_image(base):
    records = json.loads(get(base, "records", run="grounded", tag="mmx/val/10")[2])["records"]
    assert [record["step"] for record in records] == [0, 300, 900]
    assert records[0]["metrics"] == {"obj_iou": 0.5, "func_iou": 0.875}
    header = json.loads(get(base, "header", run="grounded", tag="mmx/val/10", step=0)[2])
    assert header["id"] == "10"
    image = make_image(seed=10)
    status, headers, body = get(base, "image", run="grounded", hash=image.hash)
    assert (status, headers["content-type"], body) == (200, "image/png", image.data)
    assert headers["cache-control"] == "private, max-age=31536000, immutable"
    assert headers["x-content-type-options"] == "nosniff"


def test_damage_is_text_never_data(base):
    status, headers, body = get(base, "header", run="broken", tag="mmx/val/1", step=0)
    assert (status, headers["content-type"]) == (409, "text/plain; charset=utf-8")
    assert body.decode().startswith("The record is damaged: byte 8")
    status, _, body = get(base, "image", run="broken", hash=make_image().hash)
    assert (status, body[:21]) == (409, b"The record is damaged")


def test_what_is_not_there_is_404_in_plain_words(base):
    for route, parameters in [
        ("header", {"run": "x", "tag": "mmx/val/2", "step": 0}),
        ("blobs", {"run": "grounded", "tag": "mmx/val/3", "step": 0}),
        ("records", {"run": "x"}),
        ("image", {"run": "grounded", "hash": "abcdef"}),
        ("static/%2e%2e/plugin.py", {}),
    ]:
        status, headers, _ = get(base, route, **parameters)
        assert (route, status) == (route, 404)
        assert headers["content-type"].startswith("text/plain")


def test_a_wrong_method_is_405(base):
    request = urllib.request.Request(f"{base}/plugin/mmx/index", data=b"", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(request, timeout=10)


def test_the_panels_entry_is_a_module(base):
    status, headers, body = get(base, "index.js")
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert b"render" in body


def test_every_step_is_kept_the_first_among_them(base):
    assert steps(base, "many") == list(range(MANY))
    records = json.loads(get(base, "records", run="many")[2])["records"]
    assert [record["step"] for record in records] == list(range(MANY))


@pytest.mark.parametrize("load_fast", [True, False], ids=["fast", "slow"])
def test_of_a_bounded_number_of_steps_the_last_is_kept_and_all_are_counted(tmp_path, load_fast):
    """What the panel says of it: "3 of 60 steps kept"."""
    with ExplanationWriter(tmp_path / "many") as writer:
        for step in range(MANY):
            writer.add_explanation("val/1", make_explanation(1, 1, ((1.0, (2, 2)),)), step)
    with serve(tmp_path, load_fast=load_fast, arguments=["--samples_per_plugin=mmx=3"]) as url:
        kept = steps(f"{url}/data", "many")
        assert len(kept) == 3 and kept[-1] == MANY - 1
        records = json.loads(get(f"{url}/data", "records", run="many")[2])["records"]
        assert [record["step"] for record in records] == list(range(MANY))


def test_a_resumed_run_shows_each_step_once(base):
    assert steps(base, "resumed") == [100, 200]
    (entry,) = unframe(get(base, "blobs", run="resumed", tag="mmx/val/1", step=200)[2])
    logged = without_pixels(make_explanation(1, 1, ((1.0, (2, 2)),), seed=9))
    assert_close(decode_explanation(entry["blobs"]), logged)


def test_files_of_one_second_lose_no_step(base):
    assert steps(base, "paths") == list(range(12))
