"""Reading back: everything that was logged, in order, and nothing that is damaged."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event

from mmx_core.cli import main
from mmx_core.events import (
    DamagedRecordWarning,
    ExplanationWriter,
    add_explanation,
    decode_tensors,
    mark_resume,
    read_explanations,
    records,
)
from mmx_core.events.log import Damage, LoggedStep, read_runs, runs_of
from mmx_core.events.privacy import is_uploaded
from mmx_core.events.record_file import frame_record, read_records
from mmx_core.events.sinks import EventFile
from tests.support.explanations import assert_close, make_explanation

ROOT = Path(__file__).parents[2]
COLUMNS = ["run", "tag", "step", "token_index", "token", "probability", "grounding"]
SCALES = ((1.0, (3, 4)),)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory) -> Path:
    """Two runs, two samples, steps 0 to 1500: more than any loader's default keeps."""
    folder = tmp_path_factory.mktemp("runs")
    for run, seed in (("grounded", 0), ("more/control", 50)):
        with ExplanationWriter(folder / run) as writer:
            for step in range(0, 1600, 100):
                for sample in ("2", "10"):
                    explanation = make_explanation(seed=seed + step, scales=SCALES)
                    writer.add_explanation(f"val/{sample}", explanation, step)
    return folder


def places(explanations) -> list[tuple[str, str, int]]:
    return [(e.run, e.tag, e.step) for e in explanations]


def test_everything_comes_back_sorted_naturally(logdir):
    assert places(read_explanations(logdir)) == [
        (run, f"mmx/val/{sample}", step)
        for run in ("grounded", "more/control")
        for sample in ("2", "10")
        for step in range(0, 1600, 100)
    ]


def test_what_comes_back_is_what_was_logged(logdir):
    (read,) = read_explanations(logdir, run="more/control", tag="val/2", step=300)
    assert_close(read, make_explanation(seed=350, scales=SCALES))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"run": "grounded"}, 32),
        ({"run": ["grounded", "nothing"]}, 32),
        ({"run": "ground"}, 0),
        ({"tag": "val/2"}, 32),
        ({"tag": "mmx/val/2"}, 32),
        ({"tag": {"val/2", "mmx/val/10"}}, 64),
        ({"step": 0}, 4),
        ({"step": range(100, 400)}, 12),
        ({"run": "grounded", "tag": "val/10", "step": 1500}, 1),
    ],
)
def test_filters(logdir, wanted, count):
    assert len(list(read_explanations(logdir, **wanted))) == count


def test_it_can_be_iterated_over_twice(logdir):
    explanations = read_explanations(logdir, step=0)
    assert places(explanations) == places(explanations)


def test_one_table_of_everything(logdir):
    pytest.importorskip("pandas")
    frame = read_explanations(logdir, step=[0, 100]).to_pandas()
    assert set(COLUMNS) <= set(frame.columns)
    assert len(frame) == 2 * 2 * 2 * 5
    assert frame.groupby(["run", "tag", "step"]).ngroups == 8
    expected = make_explanation(seed=100, scales=SCALES)
    rows = frame.query("run == 'grounded' and tag == 'mmx/val/2' and step == 100")
    np.testing.assert_array_equal(rows.probability, expected.base.probability)
    assert rows.image_gain.isna().all()  # logs of earlier versions have none
    assert rows.token.tolist() == [token.text for token in expected.tokens]


def test_an_empty_logdir_gives_an_empty_table(tmp_path):
    pytest.importorskip("pandas")
    frame = read_explanations(tmp_path).to_pandas()
    assert list(frame.columns) == COLUMNS
    assert frame.empty


def test_a_missing_logdir_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a directory"):
        read_explanations(tmp_path / "nothing")


def test_other_plugins_records_are_left_alone(tmp_path):
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(tmp_path))
    writer.add_text("mmx/val/note", "text", 0)
    writer.add_scalar("mmx/val/loss", 1.0, 0)
    add_explanation(writer, "val/1", make_explanation(), 0)
    writer.close()
    assert places(read_explanations(tmp_path)) == [(".", "mmx/val/1", 0)]


def forge(folder: Path, step: int, change) -> None:
    """Logs an explanation whose blobs were changed; the file's own checksums are right."""
    event = records.explanation_event("val/1", make_explanation(), step=step, wall_time=1.0)
    strings = event.summary.value[0].tensor.string_val
    blobs = change(list(strings))
    del strings[:]
    strings.extend(blobs)
    file = EventFile(folder)
    file.write(event)
    file.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda blobs: [*blobs[:2], blobs[2][:-3] + b"???", *blobs[3:]], "checksum does not match"),
        (lambda blobs: blobs[:-1], "missing among 5 blobs"),
        (lambda blobs: [], "holds no blobs"),
        (lambda blobs: [blobs[0][:4] + b"\x02" + blobs[0][5:], *blobs[1:]], "blob version 2"),
    ],
)
def test_a_damaged_record_is_skipped_named_and_collected(tmp_path, change, reason):
    add_explanation(tmp_path, "val/1", make_explanation(), 100)
    forge(tmp_path, 200, change)
    add_explanation(tmp_path, "val/1", make_explanation(), 300)
    explanations = read_explanations(tmp_path)
    with pytest.warns(
        DamagedRecordWarning, match=rf"run '\.', mmx/val/1, step 200: .*{reason}"
    ) as caught:
        steps = [explanation.step for explanation in explanations]
    assert steps == [100, 300]
    assert len(caught) == 1
    (found,) = explanations.damaged
    assert (found.run, found.tag, found.step) == (".", "mmx/val/1", 200)


def test_a_damaged_image_costs_the_image_only(tmp_path):
    explanation = make_explanation()
    event = records.image_event(explanation.image, wall_time=1.0)
    event.summary.value[0].tensor.string_val[1] = b"MMXB nonsense"
    file = EventFile(tmp_path)
    file.write(event)
    file.write(records.explanation_event("val/1", explanation, step=0, wall_time=1.0))
    file.close()
    with pytest.warns(DamagedRecordWarning, match=f"image {explanation.image.hash}"):
        (read,) = read_explanations(tmp_path)
    assert read.image is None


@pytest.mark.filterwarnings("error")
def test_a_file_that_is_cut_short_anywhere_gives_what_is_whole(tmp_path):
    with ExplanationWriter(tmp_path) as writer:
        for step in (0, 1):
            writer.add_explanation("val/1", make_explanation(1, 1, ((1.0, (1, 1)),)), step)
    (path,) = tmp_path.rglob("events.*")
    content = path.read_bytes()
    counts = []
    for end in [*range(0, len(content), 7), len(content)]:
        path.write_bytes(content[:end])
        counts.append(len(list(read_explanations(tmp_path))))
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2}


def test_a_damaged_byte_of_the_file_costs_one_record(tmp_path):
    with ExplanationWriter(tmp_path) as writer:
        for step in range(4):
            writer.add_explanation("val/1", make_explanation(), step)
    (path,) = tmp_path.rglob("events.*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    explanations = read_explanations(tmp_path)
    with pytest.warns(DamagedRecordWarning, match="a record's checksum does not match"):
        steps = [explanation.step for explanation in explanations]
    assert len(steps) == 3
    assert steps[-1] == 3
    assert explanations.damaged[0].step is None


def test_a_file_that_claims_to_be_huge_is_not_believed(tmp_path):
    path = tmp_path / "events.out.tfevents.1.x"
    length = (2**60).to_bytes(8, "little")
    checksum = frame_record(length)[-4:]
    path.write_bytes(frame_record(b"") + length + checksum + bytes(64))
    reports: list[str] = []
    assert list(read_records(str(path), reports.append)) == [b""]
    assert reports == []


def test_a_damaged_length_ends_a_file(tmp_path):
    path = tmp_path / "events.out.tfevents.1.x"
    path.write_bytes(frame_record(b"whole") + bytes(12) + bytes(64))
    reports: list[str] = []
    assert list(read_records(str(path), reports.append)) == [b"whole"]
    assert reports == ["byte 21: a record's length is damaged; the rest is unreadable"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (gzip.compress, "compressed with gzip; unpack it: gunzip"),
        (bz2.compress, "compressed with bzip2; unpack it: bunzip2"),
        (lzma.compress, "compressed with xz; unpack it: unxz"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
    ids=["gzip", "bzip2", "xz", "lfs"],
)
def test_a_file_that_holds_no_records_as_they_are_says_what_it_is(tmp_path, changed, told):
    add_explanation(tmp_path, "val/1", make_explanation(), 0)
    (path,) = tmp_path.rglob("*tfevents*")
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(changed(path.read_bytes()))
    path.unlink()
    with pytest.warns(DamagedRecordWarning, match=told) as said:
        assert list(read_explanations(tmp_path)) == []
    assert "damaged" not in str(said[0].message)


def test_what_is_read_lazily_says_so_where_it_is_taken_for_a_list(logdir, tmp_path):
    found = read_explanations(logdir, run="grounded")
    with pytest.raises(TypeError, match=r"does not know how many come.*list\("):
        len(found)
    for index in (0, -1, slice(2)):
        with pytest.raises(TypeError, match=r"has no \[.*list\("):
            found[index]
    assert len(list(found)) == len([*found]) == 32
    assert found and not read_explanations(tmp_path)


def test_a_path_may_begin_with_the_home_directory(tmp_path, monkeypatch):
    """As in `tensorboard --logdir ~/tb`, which would show nothing of a directory named ~."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    add_explanation("~/tb", "val/0", make_explanation(), 0, strict=True)
    add_explanation(Path("~/tb"), "val/0", make_explanation(), 1, strict=True)
    mark_resume("~/tb", 2, strict=True)
    with ExplanationWriter("~/tb", strict=True, background=True) as writer:
        writer.add_explanation("val/0", make_explanation(), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert [one.step for one in read_explanations("~/tb")] == [0, 1, 2]
    assert [one.step for one in read_explanations(tmp_path / "home" / "tb")] == [0, 1, 2]
    assert main(["list", "~/tb"]) == 0
    for folder in ("~", "~/tb"):
        assert not is_uploaded(folder)
    (tmp_path / "home" / ".git").mkdir()
    (tmp_path / "home" / ".git" / "config").write_text("url = https://huggingface.co/me/mine\n")
    assert is_uploaded("~/tb"), "or paths would go with it"


def test_noise_between_checksums_is_no_event(tmp_path):
    (tmp_path / "events.out.tfevents.1.x").write_bytes(frame_record(b"\xff noise"))
    with pytest.warns(DamagedRecordWarning, match="not an event"):
        assert not list(read_explanations(tmp_path))


def test_the_record_format_is_tensorboards():
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    data = Event(step=7).SerializeToString()
    record = frame_record(data)
    assert record[:8] == len(data).to_bytes(8, "little")
    assert record[8:12] == masked_crc32c(record[:8]).to_bytes(4, "little")
    assert record[12:-4] == data
    assert record[-4:] == masked_crc32c(data).to_bytes(4, "little")


@pytest.mark.parametrize("columns", [set(), {"dir_name"}, {"dir_name", "wall_time"}])
def test_what_tbparse_returns_can_be_decoded(logdir, columns):
    tbparse = pytest.importorskip("tbparse")
    reader = tbparse.SummaryReader(str(logdir), extra_columns=columns)
    decoded = decode_tensors(reader.tensors)
    if "dir_name" in columns:
        assert places(decoded) == places(read_explanations(logdir))
        assert_close(decoded[0], next(iter(read_explanations(logdir))))
    else:
        assert len(decoded) == 64
        assert {explanation.run for explanation in decoded} == {""}
    assert all(explanation.image for explanation in decoded)


def test_tbparse_shows_metrics_as_scalars(logdir):
    tbparse = pytest.importorskip("tbparse")
    scalars = tbparse.SummaryReader(str(logdir), extra_columns={"dir_name"}).scalars
    assert set(scalars.tag) == {
        f"mmx_sample_metrics/val/{sample}/{name}"
        for sample in (2, 10)
        for name in ("obj_iou", "func_iou")
    }


def test_a_pivoted_frame_is_refused(logdir):
    tbparse = pytest.importorskip("tbparse")
    frame = tbparse.SummaryReader(str(logdir / "grounded"), pivot=True).tensors
    with pytest.raises(ValueError, match="without pivot"):
        decode_tensors(frame)


def test_an_empty_frame_has_no_explanations(tmp_path):
    tbparse = pytest.importorskip("tbparse")
    assert decode_tensors(tbparse.SummaryReader(str(tmp_path)).tensors) == []


def test_decoding_needs_neither_torch_nor_tensorboard():
    script = (
        "import sys, mmx_core.events.wire, mmx_core.events.reader; "
        "print([name for name in ('torch', 'tensorboard', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, text=True, cwd=ROOT).strip() == "[]"


def test_reading_warns_about_nothing_else(logdir):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_explanations(logdir))) == 64


def test_records_that_are_not_wanted_count_for_what_belongs_together_and_are_not_kept(tmp_path):
    for step in (0, 1, 2):
        add_explanation(tmp_path, "val/1", make_explanation(), step)
    damages: list[Damage] = []
    ((run, folders),) = runs_of(str(tmp_path)).items()
    (logged,) = read_runs(folders, damages.append, wanted=lambda tag, step: step == 1)
    assert (run, damages) == (".", [])
    ((tag, steps),) = logged.samples.items()
    assert (tag, list(steps)) == ("mmx/val/1", [1])
    assert logged.decode(tag, 1, damages.append).image == make_explanation().image
    (nothing,) = read_runs(folders, damages.append, wanted=lambda tag, step: False)
    assert nothing.samples == {} and set(nothing.images) == set(logged.images) != set()


def test_a_records_size_is_that_of_all_its_blobs():
    assert LoggedStep(0.0, [b"ab", b"", b"c"]).size == 3
