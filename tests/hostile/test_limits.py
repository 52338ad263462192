"""What an answer may cost, however much the event file has to give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Response

from mmx_core.events import records
from mmx_core.events.blob import decode_json, encode_json
from mmx_core.events.sinks import EventFile
from tb_mmx_plugin import in_flight
from tb_mmx_plugin import step_reader as routes
from tb_mmx_plugin.plugin import MMXPlugin
from tests.faults.memory import peak_bytes
from tests.faults.panel import TAG, Panel, panel_over, plugin_over, tiny
from tests.hostile import forge
from tests.plugin.test_data import unframe

RUN = "."


def opened(folder: Path) -> tuple[MMXPlugin, Panel]:
    plugin = plugin_over(folder)
    return plugin, panel_over(plugin)


@pytest.fixture
def read_bytes(monkeypatch):
    """Counts what is read from the provider: ``read_bytes(plugin)`` starts and tells."""

    def count(plugin: MMXPlugin) -> list[int]:
        sizes: list[int] = []
        provider = plugin._data._provider
        read = provider.read_blob

        def counted(*args, **kwargs) -> bytes:
            blob = read(*args, **kwargs)
            sizes.append(len(blob))
            return blob

        monkeypatch.setattr(provider, "read_blob", counted)
        return sizes

    return count


def test_steps_that_grow_behind_a_small_first_one_neither_exceed_an_answer_nor_are_all_read(
    tmp_path, monkeypatch, read_bytes
):
    blobs, large = records.encode_explanation(tiny()), 40_000
    file = EventFile(tmp_path)
    for step in range(60):
        event = records.explanation_event("val/1", tiny(), step=step, wall_time=1.0)
        if step:
            forge.with_blobs([*blobs, bytes(large)])(event)
        file.write(event)
    file.close()
    monkeypatch.setattr(routes, "MAX_RESPONSE_BYTES", 200_000)
    plugin, panel = opened(tmp_path)
    sizes = read_bytes(plugin)
    steps = panel.index()[RUN][TAG]
    _, _, framed = panel.ask("blobs", run=RUN, tag=TAG, step=steps)
    answered = sum(len(blob) for entry in unframe(framed) for blob in entry["blobs"])
    assert answered <= 200_000
    assert [entry["step"] for entry in unframe(framed)] == steps[: len(unframe(framed))]
    assert len(unframe(framed)) >= 3
    # The readers side by side may each have begun one more.
    assert sum(sizes) < 200_000 + 17 * large


def test_a_step_larger_than_any_answer_says_so(tmp_path, monkeypatch):
    forge.log(tmp_path, steps=(1, 2))
    monkeypatch.setattr(routes, "MAX_STEP_BYTES", 100)
    _, panel = opened(tmp_path)
    _, _, framed = panel.ask("blobs", run=RUN, tag=TAG, step=[1, 2])
    message = "The explanation of step 1 is too large to be shown."
    assert unframe(framed)[0] == {"step": 1, "error": message}
    status, _, body = panel.ask("header", run=RUN, tag=TAG, step=1)
    assert (status, body.decode()) == (409, message)


def test_a_record_of_tens_of_thousands_of_blobs_is_refused_without_reading_them(
    tmp_path, read_bytes
):
    forge.log(tmp_path, forge.with_blobs([b""] * 20_000), steps=(1,))
    plugin, panel = opened(tmp_path)
    sizes = read_bytes(plugin)
    _, _, framed = panel.ask("blobs", run=RUN, tag=TAG, step=1)
    assert "too large" in unframe(framed)[0]["error"]
    assert panel.ask("header", run=RUN, tag=TAG, step=1)[0] == 409
    assert sizes == []


def test_an_image_record_of_many_blobs_costs_two(tmp_path, read_bytes):
    event = records.image_event(tiny().image, wall_time=1.0)
    blobs = list(event.summary.value[0].tensor.string_val)
    forge.with_blobs([*blobs, *[b"more"] * 1000])(event)
    file = EventFile(tmp_path)
    file.write(event)
    file.close()
    plugin, panel = opened(tmp_path)
    sizes = read_bytes(plugin)
    assert panel.ask("image", run=RUN, hash=tiny().image.hash)[2] == tiny().image.data
    assert len(sizes) == 2


def test_records_that_unpack_to_more_than_an_answer_are_left_out_and_can_be_asked_for(
    tmp_path, monkeypatch
):
    for sample in range(40):
        change = forge.with_blobs([forge.record_of(500_000)], value=1)
        forge.log(tmp_path / "run", change, tag=f"val/{sample}")
    monkeypatch.setattr("tb_mmx_plugin.index_records.MAX_RECORD_BYTES", 4 * forge.MEBIBYTE)
    _, panel = opened(tmp_path)
    answers = panel.records("run")
    assert len(answers) == 40
    told = [entry for entry in answers if "error" not in entry]
    assert len(told) == 9, "the last that begins within the limit is the last"
    assert {entry["error"] for entry in answers if "error" in entry} == {
        "left out: the run's records are too large; ask for single tags"
    }
    (alone,) = json.loads(panel.ask("records", run="run", tag="mmx/val/39")[2])["records"]
    assert len(alone["answer"]) == 500_000


@pytest.mark.parametrize("name", ["tag", "metric"])
def test_a_record_that_is_nothing_but_a_long_name_is_told_in_a_line(tmp_path, name):
    long = "\U000e0001" * 250_000
    told = {"logged": {"tag": long}} if name == "tag" else {"metrics": {long: "a"}}
    forge.log(tmp_path, forge.with_blobs([encode_json({"version": 1, **told})], value=1))
    _, panel = opened(tmp_path)
    (record,) = panel.records(RUN)
    assert record["error"].startswith("damaged: ") and len(record["error"]) < 400


def test_a_header_that_names_another_place_at_length_is_told_in_a_line(tmp_path):
    header = encode_json({"version": 1, "logged": {"tag": "\U000e0001" * 250_000}})
    forge.log(tmp_path, forge.with_blobs([header]))
    _, panel = opened(tmp_path)
    for answer in panel.shown(RUN).values():
        assert "logged.tag" in answer and len(answer) < 400
    assert panel.ask("header", run=RUN, tag=TAG, step=forge.STEP)[0] == 409


def test_a_damaged_length_of_one_record_leaves_no_other_out(tmp_path):
    for sample in range(3):
        forge.log(tmp_path / "run", lengthened if sample == 0 else unchanged, tag=f"val/{sample}")
    _, panel = opened(tmp_path)
    damaged, *others = panel.records("run")
    assert damaged["error"].startswith("damaged: byte 8")
    assert [entry["tokens"] for entry in others] == [1, 1]


def unchanged(event) -> None:
    pass


def lengthened(event) -> None:
    """The record claims to unpack to 4 GB."""
    strings = event.summary.value[1].tensor.string_val
    strings[0] = strings[0][:12] + b"\xff" * 4 + strings[0][16:]


def test_a_record_of_many_megabytes_is_damage(tmp_path):
    forge.log(tmp_path, forge.with_blobs([forge.record_of(3 * forge.MEBIBYTE)], value=1))
    _, panel = opened(tmp_path)
    (record,) = panel.records(RUN)
    assert record["error"].startswith("damaged: byte 12: expected at most 1048576 bytes")


def test_the_routes_hand_on_an_explanation_of_bombs_and_unpack_none(tmp_path):
    forge.log(tmp_path, forge.with_blobs(forge.bomb_blobs(3)))
    _, panel = opened(tmp_path)
    size = sum(map(len, forge.bomb_blobs(3)))

    def work() -> None:
        assert panel.ask("header", run=RUN, tag=TAG, step=forge.STEP)[0] == 200
        assert panel.ask("blobs", run=RUN, tag=TAG, step=forge.STEP)[0] == 200

    assert peak_bytes(work) < 8 * size + 10 * forge.MEBIBYTE


def test_a_header_of_any_size_moved_or_not_costs_no_more_than_its_own_reading(tmp_path):
    large = {"tag": TAG, "step": 4, "x": "y" * 2 * forge.MEBIBYTE}
    forge.log(tmp_path, forge.with_header(logged=large))
    _, panel = opened(tmp_path)
    # Too large to be looked into on the way; the panel does, and so does the header's own route.
    assert "blobs" in unframe(panel.ask("blobs", run=RUN, tag=TAG, step=forge.STEP)[2])[0]
    status, _, body = panel.ask("header", run=RUN, tag=TAG, step=forge.STEP)
    assert status == 409 and b"logged.step: 4, but found at 3" in body


def response(size: int) -> Response:
    return Response(bytes(size), headers={"Content-Length": str(size)})


def test_large_answers_wait_for_nobody_and_are_refused_while_others_take_all_the_room(monkeypatch):
    monkeypatch.setattr(in_flight, "MAX_SENT_BYTES", 5_000_000)
    gate = in_flight.InFlight()
    first, second = (gate.admit(response(2_000_000)) for _ in range(2))
    with pytest.raises(in_flight.Busy, match="busy with other requests"):
        gate.admit(response(2_000_000))
    assert gate.admit(response(1000)).status_code == 200, "small ones are always sent"
    first.close()
    gate.admit(response(2_000_000)).close()
    second.close()
    assert gate._sent_bytes == 0
    gate.admit(response(9_000_000)), "one alone may be larger than all the room"


def test_a_large_answer_that_was_sent_leaves_its_room(tmp_path):
    image = tiny().image
    large = type(image)(bytes(2_000_000), "png", 1, 1, image.hash)
    file = EventFile(tmp_path)
    file.write(records.image_event(large, wall_time=1.0))
    file.close()
    plugin, panel = opened(tmp_path)
    assert len(panel.ask("image", run=RUN, hash=image.hash)[2]) == 2_000_000
    assert plugin.in_flight._sent_bytes == 0


def test_no_more_answers_are_built_at_once_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(in_flight, "WAIT_SECONDS", 0.05)
    gate = in_flight.InFlight()
    turns = [gate.building() for _ in range(in_flight.MAX_BUILT_AT_ONCE)]
    for turn in turns:
        turn.__enter__()
    with pytest.raises(in_flight.Busy), gate.building():
        pass
    for turn in turns:
        turn.__exit__(None, None, None)
    with gate.building():
        pass


def test_a_failure_that_nobody_foresaw_is_a_sentence_with_tensorboards_headers(
    tmp_path, monkeypatch, caplog
):
    forge.log(tmp_path)
    plugin, _ = opened(tmp_path)

    def fail(*args, **kwargs):
        raise ZeroDivisionError("a secret of the server")

    monkeypatch.setattr(plugin._data, "records", fail)
    app = plugin.get_plugin_apps()["/records"]
    answer = Client(app).open(EnvironBuilder("/data/plugin/mmx/records", query_string="run=x"))
    assert (answer.status_code, answer.mimetype) == (500, "text/plain")
    assert answer.text == "The answer failed: ZeroDivisionError. TensorBoard's log says more."
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "a secret of the server" in caplog.text


def test_a_record_that_tensorboard_has_dropped_meanwhile_is_404(tmp_path, monkeypatch):
    forge.log(tmp_path)
    plugin, panel = opened(tmp_path)
    kept = plugin._data._provider.read_blob_sequences

    def then_dropped(*args, **kwargs):
        found = kept(*args, **kwargs)
        plugin._data._provider._multiplexer._multiplexer._accumulators.clear()
        return found

    monkeypatch.setattr(plugin._data._provider, "read_blob_sequences", then_dropped)
    status, _, body = panel.ask("header", run=RUN, tag=TAG, step=forge.STEP)
    assert (status, body) == (404, b"Run '.' has no explanations under 'val/1'.")


def test_index_records_that_tensorboard_cannot_read_at_once_are_read_tag_by_tag(
    tmp_path, monkeypatch
):
    forge.log(tmp_path, tag="val/1")
    forge.log(tmp_path, tag="val/2")
    plugin, panel = opened(tmp_path)
    read = plugin._data._provider.read_tensors

    def limited(*args, run_tag_filter, **kwargs):
        if run_tag_filter.tags is None or "mmx_index/val/2" in run_tag_filter.tags:
            raise OverflowError("larger than a message may be")
        return read(*args, run_tag_filter=run_tag_filter, **kwargs)

    monkeypatch.setattr(plugin._data._provider, "read_tensors", limited)
    sound, other = panel.records(RUN)
    assert (sound["tag"], sound["tokens"]) == ("mmx/val/1", 1)
    assert other["error"].startswith("damaged: index record: OverflowError")


def test_a_record_holds_no_keys_that_the_contract_does_not_have(tmp_path):
    from mmx_core.events.blob import encode_json
    from mmx_core.events.index_record import encode_record

    record = {**decode_json(encode_record(tiny(), 1)), "error": "forged", "tag": "forged"}
    forge.log(tmp_path, forge.with_blobs([encode_json(record)], value=1))
    _, panel = opened(tmp_path)
    (told,) = panel.records(RUN)
    assert "error" not in told and told["tag"] == TAG
