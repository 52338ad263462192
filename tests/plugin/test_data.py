"""What the routes answer, over a really logged directory."""

from __future__ import annotations

import json
import struct

import pytest
from tensorboard.util import tensor_util

from mmx_core.events import add_explanation, records
from mmx_core.events.runs import start_of
from mmx_core.events.sinks import EventFile
from mmx_core.events.wire import decode_explanation, encode_explanation
from tb_mmx_plugin import checked_provider
from tb_mmx_plugin.frame import StepBlobs, frame_steps
from tb_mmx_plugin.refusals import NotLogged, RequestError, Unreadable
from tests.plugin.conftest import open_data, open_reloadable
from tests.support.explanations import assert_close, make_explanation, make_image

EXPERIMENT = ""


def unframe(framed: bytes) -> list[dict]:
    """The frame's entries, each with its blobs' bytes in place of their lengths."""
    (length,) = struct.unpack_from("<I", framed)
    entries, position = json.loads(framed[4 : 4 + length]), 4 + length
    for entry in entries:
        sizes = entry.get("blobs", [])
        for place, size in enumerate(sizes):
            sizes[place] = framed[position : position + size]
            position += size
    assert position == len(framed)
    return entries


def test_the_index_lists_runs_samples_and_steps(data, context):
    times = [1_700_000_000.0, 1_700_000_300.0, 1_700_000_900.0]
    index = data.index(context, EXPERIMENT)
    assert index["version"] == 1
    assert [run["run"] for run in index["runs"]] == ["broken", "grounded", "more/control"]
    steps = {"steps": [0, 300, 900], "wall_times": times}
    assert index["runs"][1] == {
        "run": "grounded",
        "starts": index["runs"][1]["starts"],
        "samples": [
            {"tag": "mmx/val/2", "set": "val", "sample": "2", **steps},
            {"tag": "mmx/val/10", "set": "val", "sample": "10", **steps},
        ],
        "images": sorted(make_image(seed=seed).hash for seed in (2, 10)),
    }
    assert index["runs"][2]["images"] == []


def test_only_runs_with_something_new_are_read_again(tmp_path, context, monkeypatch):
    add_explanation(tmp_path / "quiet", "val/1", make_explanation(), 0)
    add_explanation(tmp_path / "busy", "val/1", make_explanation(), 0)
    data, reload = open_reloadable(tmp_path)
    asked = []
    read = data._provider.read_blob_sequences

    def counted(*args, run_tag_filter, **kwargs):
        asked.append([start_of(folder).run for folder in run_tag_filter.runs])
        return read(*args, run_tag_filter=run_tag_filter, **kwargs)

    monkeypatch.setattr(data._provider, "read_blob_sequences", counted)
    first = data.index(context, EXPERIMENT)
    assert data.index(context, EXPERIMENT) == first
    assert [sorted(runs) for runs in asked] == [["busy", "quiet"]]
    add_explanation(tmp_path / "busy", "val/1", make_explanation(), 5)
    reload()
    steps = {r["run"]: r["samples"][0]["steps"] for r in data.index(context, EXPERIMENT)["runs"]}
    assert steps == {"busy": [0, 5], "quiet": [0]}
    assert [sorted(runs) for runs in asked[1:]] == [["busy"]]


def test_a_step_logged_again_by_a_clock_that_is_behind_is_listed_anew(tmp_path, context):
    def log(steps, wall_time):
        file = EventFile(tmp_path / "run")
        for step in steps:
            made = make_explanation()
            file.write(
                records.explanation_event("val/1", made, step=step, wall_time=wall_time + step)
            )
        file.close()

    log((1, 2, 3), 1000)
    data, reload = open_reloadable(tmp_path)

    def listed():
        (sample,) = data.index(context, EXPERIMENT)["runs"][0]["samples"]
        return sample["steps"], sample["wall_times"]

    assert listed() == ([1, 2, 3], [1001, 1002, 1003])
    log((2,), 498)
    reload()
    assert listed() == ([1, 2], [1001, 500])


def test_a_log_that_has_not_changed_is_listed_without_a_look_at_its_tensors(
    data, context, monkeypatch
):
    first = data.index(context, EXPERIMENT)

    def never(tensor):
        raise AssertionError("a large log has 40,000 of them")

    monkeypatch.setattr(checked_provider, "truthful", never)
    assert data.index(context, EXPERIMENT) == first


def test_records_are_decoded(data, context):
    answer = data.records(context, EXPERIMENT, run="grounded")
    assert answer["run"] == "grounded"
    places = [(record["tag"], record["step"]) for record in answer["records"]]
    assert places == [(f"mmx/val/{sample}", s) for sample in (2, 10) for s in (0, 300, 900)]
    explanation = make_explanation(seed=2, id="2")
    record = answer["records"][1]
    assert record.pop("grounding") == pytest.approx(explanation.grounding.mean())
    assert record.pop("lowest_grounding") == pytest.approx(explanation.grounding.min())
    said = [not token.special for token in explanation.tokens]
    least = explanation.base.probability[said].min()
    assert record.pop("lowest_probability") == pytest.approx(least)
    assert record.pop("agreement") == pytest.approx(
        sum((scale.rank == 0).sum() for scale in explanation.scales) / 15
    )
    assert record == {
        "version": 1,
        "tag": "mmx/val/2",
        "step": 300,
        "wall_time": 1_700_000_300.0,
        "answer": explanation.answer,
        "prompt": "describe the image .",
        "tokens": 5,
        "image": explanation.image.hash,
        "images": 1,
        "metrics": {"obj_iou": 0.5, "func_iou": 0.875},
        "bytes": sum(map(len, encode_explanation(explanation, tag="mmx/val/2", step=300))),
    }


def test_records_of_some_tags(data, context):
    answer = data.records(context, EXPERIMENT, run="grounded", tags=["mmx/val/10"])
    assert {record["tag"] for record in answer["records"]} == {"mmx/val/10"}


def test_a_damaged_record_says_so(data, context):
    damaged, newer = data.records(context, EXPERIMENT, run="broken")["records"]
    assert damaged["error"].startswith("damaged: byte 8: the checksum")
    assert (damaged["tag"], damaged["step"], damaged["wall_time"]) == ("mmx/val/1", 0, 1.0)
    assert newer["error"].startswith("blob version 2")


def test_the_header(data, context):
    header = data.header(context, EXPERIMENT, run="grounded", tag="mmx/val/10", step=300)
    explanation = make_explanation(seed=10, id="10")
    assert header["id"] == "10"
    assert header["answer"] == explanation.answer
    assert [scale["factor"] for scale in header["scales"]] == [0.5, 1.0, 2.0]
    assert header["grids"] == [[12, 16]]


def test_blobs_of_several_steps_come_in_the_order_asked(data, context):
    framed = data.blobs(context, EXPERIMENT, run="grounded", tag="mmx/val/2", steps=[900, 7, 0])
    last, missing, first = unframe(framed)
    assert missing == {"step": 7, "error": "Step 7 is not among those that TensorBoard kept."}
    assert (last["step"], last["wall_time"]) == (900, 1_700_000_900.0)
    assert first["step"] == 0
    explanation = make_explanation(seed=2, id="2")
    assert last["blobs"] == encode_explanation(explanation, tag="mmx/val/2", step=900)
    assert decode_explanation(first["blobs"]).answer == explanation.answer


def test_an_answer_stays_within_its_bytes_and_never_ends_before_the_first_step(
    data, context, monkeypatch
):
    asked = {"run": "grounded", "tag": "mmx/val/2", "steps": [0, 7, 300, 900]}
    sizes = [
        sum(map(len, entry["blobs"]))
        for entry in unframe(data.blobs(context, EXPERIMENT, **asked))
        if "blobs" in entry
    ]
    for budget, expected in (
        (1, [0, 7]),
        (2 * max(sizes), [0, 7, 300]),
        (4 * max(sizes), [0, 7, 300, 900]),
    ):
        monkeypatch.setattr("tb_mmx_plugin.step_reader.MAX_RESPONSE_BYTES", budget)
        entries = unframe(data.blobs(context, EXPERIMENT, **asked))
        assert [entry["step"] for entry in entries] == expected


def test_damaged_blobs_are_handed_on_for_the_panel_to_check(data, context):
    framed = data.blobs(context, EXPERIMENT, run="broken", tag="mmx/val/1", steps=[0])
    assert len(unframe(framed)[0]["blobs"]) == 6


def test_an_image(data, context):
    image = make_image(seed=10)
    assert data.image(context, EXPERIMENT, run="grounded", name=image.hash) == image


GROUNDED = {"run": "grounded", "tag": "mmx/val/2"}


@pytest.mark.parametrize(
    ("call", "arguments", "error", "message"),
    [
        ("records", {"run": "x"}, NotLogged, "Run 'x' has no explanations."),
        ("records", {"run": "grounded", "tags": ["mmx/val/3"]}, NotLogged, "no tag 'val/3'"),
        (
            "records",
            {"run": "grounded", "tags": ["mmx/images/3"]},
            RequestError,
            "a tag mmx/SET/SAMPLE",
        ),
        ("header", {**GROUNDED, "step": 1}, NotLogged, "Step 1 is not among those"),
        ("header", {"run": "x", "tag": "mmx/val/2", "step": 0}, NotLogged, "Run 'x' has no"),
        ("header", {"run": "broken", "tag": "mmx/val/1", "step": 0}, Unreadable, "damaged"),
        ("header", {"run": "broken", "tag": "mmx/val/1", "step": 1}, Unreadable, "newer plugin"),
        ("blobs", {**GROUNDED, "steps": []}, RequestError, "Expected 1 to 64 steps"),
        ("blobs", {**GROUNDED, "steps": list(range(65))}, RequestError, "at once, got 65"),
        ("blobs", {"run": "grounded", "tag": "x", "steps": [0]}, NotLogged, "under 'x'"),
        ("image", {"run": "grounded", "name": "ab"}, NotLogged, "has no image 'ab'"),
        ("image", {"run": "broken", "name": make_image().hash}, Unreadable, "damaged"),
    ],
)
def test_what_cannot_be_answered(data, context, call, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(data, call)(context, EXPERIMENT, **arguments)


def test_an_image_is_no_explanation(data, context):
    tag = f"mmx/images/{make_image(seed=2).hash}"
    with pytest.raises(NotLogged):
        data.blobs(context, EXPERIMENT, run="grounded", tag=tag, steps=[0])


def test_hostile_events_cost_their_own_entries_only(tmp_path, context):
    event = records.explanation_event("val/1", make_explanation(), step=3, wall_time=float("nan"))
    odd = event.summary.value.add()
    odd.CopyFrom(event.summary.value[0])
    odd.tag = "mmx/no-set"
    number = event.summary.value.add()
    number.CopyFrom(event.summary.value[1])
    number.tag = "mmx_index/val/2"
    number.tensor.CopyFrom(tensor_util.make_tensor_proto([1.0]))
    file = EventFile(tmp_path)
    file.write(event)
    file.close()
    data = open_data(tmp_path)
    (run,) = data.index(context, EXPERIMENT)["runs"]
    tag = "mmx/val/1"
    assert run["samples"] == [
        {"tag": tag, "set": "val", "sample": "1", "steps": [3], "wall_times": [None]}
    ]
    sound, wrong = data.records(context, EXPERIMENT, run=".")["records"]
    assert (sound["tag"], sound["tokens"]) == (tag, 5)
    assert wrong["error"] == "damaged: index record: expected 1 blob, got 0 values"
    (entry,) = unframe(data.blobs(context, EXPERIMENT, run=".", tag=tag, steps=[3]))
    assert entry["wall_time"] is None
    with pytest.raises(NotLogged):
        data.header(context, EXPERIMENT, run=".", tag="mmx/no-set", step=3)


def test_a_malformed_index_tensor_costs_its_own_tag_only(tmp_path, context):
    file = EventFile(tmp_path)
    for sample in ("val/1", "val/2"):
        event = records.explanation_event(sample, make_explanation(), step=3, wall_time=1.0)
        if sample == "val/1":
            event.summary.value[1].tensor.tensor_shape.dim.add().size = 7
            event.summary.value[1].tensor.string_val.extend([b"x"] * 3)
        file.write(event)
    file.close()
    damaged, sound = sorted(
        open_data(tmp_path).records(context, EXPERIMENT, run=".")["records"],
        key=lambda record: record["tag"],
    )
    assert (damaged["tag"], damaged["step"], damaged["wall_time"]) == ("mmx/val/1", 3, 1.0)
    assert damaged["error"] == "damaged: index record: expected 1 blob, got 4 values"
    assert (sound["tag"], sound["tokens"]) == ("mmx/val/2", 5)


def test_a_frame_is_its_length_its_json_and_the_blobs():
    framed = frame_steps([StepBlobs(3, 1.5, [b"ab", b"c"]), StepBlobs(4, error="gone")])
    text = b'[{"step": 3, "wall_time": 1.5, "blobs": [2, 1]}, {"step": 4, "error": "gone"}]'
    assert framed == struct.pack("<I", len(text)) + text + b"abc"


def test_framed_blobs_decode(data, context):
    framed = data.blobs(context, EXPERIMENT, run="more/control", tag="mmx/val/2", steps=[0])
    assert_close(
        decode_explanation(unframe(framed)[0]["blobs"]), make_explanation(seed=3, image=None)
    )
