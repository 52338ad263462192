"""10,000 seeded mutations of what is on the disk: never an exception, never a wrong map."""

from __future__ import annotations

import json
import random
import warnings
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.context import RequestContext

from mmx_core.events import records
from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.reader import DamagedRecordWarning, read_explanations
from mmx_core.events.record_file import frame_record, read_records
from mmx_core.events.sinks import EventFile
from mmx_core.events.wire import (
    check_explanation,
    decode_explanation,
    decode_image,
    encode_explanation,
    encode_image,
)
from mmx_core.explanation import Explanation
from tb_mmx_plugin.data import ExplanationData
from tb_mmx_plugin.refusals import NotLogged, Unreadable
from tests.faults.panel import TAG, panel_over, plugin_over, tiny
from tests.plugin.conftest import open_data
from tests.plugin.test_data import unframe
from tests.support.explanations import assert_close, without_pixels

FRAMED, FILES, EVENTS = 8000, 1000, 1000
STEPS = (0, 1)


def mutate(data: bytes, chosen: random.Random) -> bytes:
    """One or two changes: bits, bytes, a stretch lost, doubled, zeroed or moved."""
    changed = bytearray(data)
    for _ in range(chosen.choice((1, 1, 1, 2))):
        at = chosen.randrange(len(changed))
        length = min(chosen.choice((1, 2, 8, 40)), len(changed) - at)
        kind = chosen.randrange(7)
        if kind <= 1:
            changed[at] ^= 1 << chosen.randrange(8)
        elif kind == 2:
            changed[at] = chosen.choice((0, 1, 127, 128, 255))
        elif kind == 3 and len(changed) > 2 * length:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length]
        elif kind == 5:
            changed[at : at + length] = bytes(length)
        else:
            to = chosen.randrange(len(changed) - length + 1)
            changed[at : at + length] = changed[to : to + length]
    return bytes(changed)


def rewrite(path: Path, content: bytes) -> None:
    """Much faster than to truncate the file, which some file systems bring to the disk at once."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@cache
def logged(step: int) -> Explanation:
    return tiny(step, id=f"step {step}")


def right(shown: Explanation, step: int) -> bool:
    """Whether all that is shown at that step is what was logged there."""
    try:
        assert_close(without_pixels(shown), without_pixels(logged(step)))
    except AssertionError:
        return False
    return True


@pytest.fixture(scope="module")
def event_file(tmp_path_factory) -> tuple[str, bytes]:
    """An image and two steps, whose headers say where they belong."""
    folder = tmp_path_factory.mktemp("sound")
    file = EventFile(folder)
    file.write(records.image_event(logged(0).image, wall_time=1.0))
    for step in STEPS:
        event = records.explanation_event("val/1", logged(step), step=step, wall_time=1.0)
        event.summary.value[0].tensor.string_val[0] = encode_explanation(
            logged(step), tag=TAG, step=step
        )[0]
        file.write(event)
    file.close()
    (path,) = folder.iterdir()
    return path.name, path.read_bytes()


def look_at_everything(data: ExplanationData) -> Counter[str]:
    """What the routes answer for a log of the steps above; wrong maps are counted.

    Anything but an answer or a RequestError, which the routes turn into a sentence, is an error.
    """
    seen: Counter[str] = Counter()
    context = RequestContext()
    for entry in data.index(context, "")["runs"]:
        run = entry["run"]
        with suppress(NotLogged):
            found = data.records(context, "", run=run)["records"]
            seen["damaged record"] += sum("error" in record for record in found)
        for sample in entry["samples"]:
            tag, steps = sample["tag"], sample["steps"]
            seen["damaged"] += len(sample.get("lost", ()))
            if not steps:
                continue
            framed = data.blobs(context, "", run=run, tag=tag, steps=steps)
            for shown in unframe(framed):
                seen[verdict(tag, shown)] += 1
            for step in steps:
                with suppress(Unreadable, NotLogged):
                    header = data.header(context, "", run=run, tag=tag, step=step)
                    assert (header["id"], tag) == (f"step {step}", TAG)
        with suppress(Unreadable, NotLogged):
            assert data.image(context, "", run=run, name=logged(0).image.hash) == logged(0).image
    return seen


def verdict(tag: str, shown: dict[str, Any]) -> str:
    explanation = None if "error" in shown else attempt(decode_explanation, shown["blobs"])
    if explanation is None:
        return "damaged"
    return "right" if tag == TAG and right(explanation, shown["step"]) else "wrong"


def read_all(folder: Path) -> tuple[int, int]:
    """How many explanations the reader gives and how much damage it names; none may be wrong."""
    explanations = read_explanations(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedRecordWarning)
        read = list(explanations)
    for explanation in read:
        assert explanation.tag == TAG and right(explanation, explanation.step)
        assert explanation.image in (None, logged(0).image, logged(1).image)
    return len(read), len(explanations.damaged)


@pytest.mark.filterwarnings("ignore:.*DataLoss")
def test_a_mutated_event_file_gives_what_is_whole_and_the_reader_names_the_rest(
    tmp_path, event_file
):
    name, content = event_file
    chosen, path = random.Random(1), tmp_path / name
    wrong = lost = 0
    for _ in range(FILES):
        rewrite(path, mutate(content, chosen))
        read, damage = read_all(tmp_path)
        assert read == len(STEPS) or damage, "what is lost without a word"
        lost += read < len(STEPS)
        wrong += look_at_everything(open_data(tmp_path))["wrong"]
    assert wrong == 0
    assert lost > FILES / 4, "the mutations do hit"


def test_a_mutated_event_with_right_checksums_is_shown_right_or_refused(tmp_path, event_file):
    """As the fast loader reads it, which checks none of the file's checksums."""
    name, content = event_file
    (tmp_path / name).write_bytes(content)
    start, image, *steps = read_records(str(tmp_path / name), print)
    chosen, total = random.Random(2), Counter()
    for _ in range(EVENTS):
        place = chosen.randrange(len(steps))
        mutated = mutate(steps[place], chosen)
        if not parses(mutated):
            continue  # the loader in Python would end at it, and so would its reload thread
        others = [*steps[:place], mutated, *steps[place + 1 :]]
        rewrite(tmp_path / name, b"".join(map(frame_record, (start, image, *others))))
        read_all(tmp_path)
        try:
            data = open_data(tmp_path)
        except Exception:
            continue  # nor does it withstand nonsense in the places of other plugins
        total += look_at_everything(data)
    assert total["wrong"] == 0
    assert total["right"] > EVENTS / 4
    assert total["damaged"] > EVENTS / 4


def parses(event: bytes) -> bool:
    try:
        Event.FromString(event)
    except Exception:
        return False
    return True


def test_mutated_framed_blobs_are_refused_by_decoder_and_checker(event_file, tmp_path):
    name, content = event_file
    (tmp_path / name).write_bytes(content)
    panel = panel_over(plugin_over(tmp_path))
    _, _, framed = panel.ask("blobs", run=".", tag=TAG, step=STEPS)
    start = 4 + int.from_bytes(framed[:4], "little")
    chosen, refused = random.Random(3), 0
    for _ in range(FRAMED):
        mutated = framed[:start] + mutate(framed[start:], chosen)
        sizes = iter(len(blob) for entry in unframe(framed) for blob in entry["blobs"])
        position = start
        for entry in unframe(framed):
            blobs = []
            for _ in entry["blobs"]:
                size = next(sizes)
                blobs.append(mutated[position : position + size])
                position += size
            if blobs == entry["blobs"]:
                continue
            decoded = attempt(decode_explanation, blobs)
            checked = attempt(check_explanation, blobs)
            refused += decoded is None
            assert (decoded is None) == (checked is None)
            assert decoded is None or right(decoded, entry["step"])
    assert refused > FRAMED / 2


def attempt(read, blobs):
    try:
        return read(blobs)
    except (DamagedBlob, UnsupportedVersion):
        return None


@pytest.mark.parametrize("moved", ["step", "tag"])
def test_a_record_that_a_flipped_bit_has_moved_is_not_shown_where_it_is_found(
    tmp_path, event_file, moved
):
    name, content = event_file
    (tmp_path / name).write_bytes(content)
    *before, last = read_records(str(tmp_path / name), print)
    event = Event.FromString(last)
    if moved == "step":
        event.step = 2
    else:
        event.summary.value[0].tag = "mmx/val/2"
    whole = [*before, event.SerializeToString()]
    (tmp_path / name).write_bytes(b"".join(map(frame_record, whole)))
    run, tag, step = ".", event.summary.value[0].tag, event.step
    panel = panel_over(plugin_over(tmp_path))
    reason = f"logged.{moved}: "
    assert reason in panel.shown(run, tag)[step]
    status, _, body = panel.ask("header", run=run, tag=tag, step=step)
    assert status == 409 and reason.encode() in body
    with pytest.warns(DamagedRecordWarning, match=reason):
        assert [e.step for e in read_explanations(tmp_path)] == [0]


@pytest.mark.parametrize("moved", ["step", "tag"])
def test_an_index_record_that_a_flipped_bit_has_moved_is_not_in_the_table(
    tmp_path, event_file, moved
):
    name, content = event_file
    (tmp_path / name).write_bytes(content)
    *before, last = read_records(str(tmp_path / name), print)
    event = Event.FromString(last)
    (value,) = (value for value in event.summary.value if value.tag.startswith("mmx_index/"))
    if moved == "step":
        event.step = 2
    else:
        value.tag = "mmx_index/val/2"
    whole = [*before, event.SerializeToString()]
    (tmp_path / name).write_bytes(b"".join(map(frame_record, whole)))
    status, _, body = panel_over(plugin_over(tmp_path)).ask("records", run=".")
    assert status == 200
    found = {(entry["tag"], entry["step"]): entry for entry in json.loads(body)["records"]}
    entry = found[value.tag.replace("mmx_index/", "mmx/"), event.step]
    assert f"logged.{moved}: " in entry["error"] and "answer" not in entry


def test_an_image_found_under_anothers_name_is_not_shown(tmp_path, event_file):
    """As where the records of two files are mixed up: a map would lie over the wrong picture."""
    name, content = event_file
    (tmp_path / name).write_bytes(content)
    start, image, *steps = read_records(str(tmp_path / name), print)
    event, other = Event.FromString(image), tiny(9).image.hash
    event.summary.value[0].tag = f"mmx/images/{other}"
    moved = [start, event.SerializeToString(), *steps]
    (tmp_path / name).write_bytes(b"".join(map(frame_record, moved)))
    status, _, body = panel_over(plugin_over(tmp_path)).ask("image", run=".", hash=other)
    assert status == 409 and f"expected that of {other}".encode() in body
    with pytest.raises(DamagedBlob, match="expected that of"):
        decode_image(encode_image(logged(0).image), other)
    assert decode_image(encode_image(logged(0).image), logged(0).image.hash) == logged(0).image


def test_a_record_found_where_it_says_that_it_was_logged_is_read():
    blobs = encode_explanation(logged(0), tag=TAG, step=0)
    assert check_explanation(blobs, tag=TAG, step=0)["logged"] == {"tag": TAG, "step": 0}
    assert right(decode_explanation(blobs, tag=TAG, step=0), 0)
