"""Logging: what lands in the event file, from every kind of writer, and what a failure does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto import summary_pb2

from mmx_core.events import (
    ExplanationWriter,
    LoggingWarning,
    add_explanation,
    add_metrics,
    guard,
    mark_resume,
    read_explanations,
)
from mmx_core.events.records import explanation_event
from mmx_core.events.sinks import EventFile
from tests.support.explanations import assert_close, make_explanation, make_image

ROOT = Path(__file__).parents[2]


def events(folder) -> list:
    """All events as TensorBoard's own loader hands them to its plugins."""
    paths = sorted(Path(folder).rglob("*tfevents*"))
    return [event for path in paths for event in EventFileLoader(str(path)).Load()]


def values(folder) -> list[tuple[int, str, str, int]]:
    return [
        (event.step, value.tag, value.metadata.plugin_data.plugin_name, value.metadata.data_class)
        for event in events(folder)
        for value in event.summary.value
    ]


EXPECTED = [
    (0, "mmx/images/{hash}", "mmx", summary_pb2.DATA_CLASS_BLOB_SEQUENCE),
    (300, "mmx/val/0007", "mmx", summary_pb2.DATA_CLASS_BLOB_SEQUENCE),
    (300, "mmx_index/val/0007", "mmx_index", summary_pb2.DATA_CLASS_TENSOR),
    (300, "mmx_sample_metrics/val/0007/obj_iou", "scalars", summary_pb2.DATA_CLASS_SCALAR),
    (300, "mmx_sample_metrics/val/0007/func_iou", "scalars", summary_pb2.DATA_CLASS_SCALAR),
]


def torch_writer(path):
    return pytest.importorskip("torch.utils.tensorboard").SummaryWriter(path)


def tensorboardx_writer(path):
    return pytest.importorskip("tensorboardX").SummaryWriter(str(path))


WRITERS = {
    "path": lambda path: path,
    "string": str,
    "own": ExplanationWriter,
    "background": lambda path: ExplanationWriter(path, background=True),
    "torch": torch_writer,
    "tensorboardX": tensorboardx_writer,
}


def wait_for_background(writer) -> None:
    if isinstance(writer, ExplanationWriter):
        writer.flush()


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_writer_logs_the_same_records(tmp_path, kind):
    explanation = make_explanation()
    writer = WRITERS[kind](tmp_path)
    add_explanation(writer, "val/0007", explanation, global_step=300)
    wait_for_background(writer)
    # Not closed: what was logged is on the disk already.
    expected = [(s, tag.format(hash=explanation.image.hash), p, d) for s, tag, p, d in EXPECTED]
    assert values(tmp_path) == expected
    (read,) = read_explanations(tmp_path)
    assert_close(read, explanation)
    assert (read.run, read.tag, read.step) == (".", "mmx/val/0007", 300)


@pytest.mark.parametrize("kind", WRITERS)
def test_an_image_is_logged_once_per_run(tmp_path, kind):
    writer = WRITERS[kind](tmp_path)
    other = make_image(seed=5)
    for step in (0, 100):
        for sample in ("1", "2"):
            add_explanation(writer, sample, make_explanation(), step)
        add_explanation(writer, "3", make_explanation(image=other), step)
    wait_for_background(writer)
    tags = Counter(tag for _, tag, _, _ in values(tmp_path) if "images" in tag)
    assert list(tags.values()) == [1, 1]
    assert all(explanation.image for explanation in read_explanations(tmp_path))


def test_the_plugin_content_is_constant(tmp_path):
    add_explanation(tmp_path, "val/0007", make_explanation(), 0)
    for event in events(tmp_path):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name.startswith("mmx"):
                assert value.metadata.plugin_data.content == b'{"version": 1}'


@pytest.mark.parametrize("background", [False, True])
def test_metrics_are_ordinary_scalars(tmp_path, background):
    low, high = (
        make_explanation(metrics={"obj_iou": 0.25}),
        make_explanation(metrics={"obj_iou": 0.75, "ap": float("nan")}),
    )
    with ExplanationWriter(tmp_path, background=background) as writer:
        writer.add_explanation("val/1", low, 5)
        writer.add_explanation("val/2", high, 5)
        writer.add_metrics("val", [low, high], 5)
    scalars = {
        value.tag: value.tensor.float_val[0]
        for event in events(tmp_path)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "scalars"
    }
    grounding = scalars.pop("mmx_metrics/val/grounding")
    assert grounding == pytest.approx((low.grounding.mean() + high.grounding.mean()) / 2)
    assert scalars == {
        "mmx_sample_metrics/val/1/obj_iou": 0.25,
        "mmx_sample_metrics/val/2/obj_iou": 0.75,
        "mmx_metrics/val/obj_iou": 0.5,
    }


def test_a_tag_without_a_set_goes_to_the_default_set(tmp_path):
    add_explanation(tmp_path, "0007", make_explanation(), 0)
    assert [e.tag for e in read_explanations(tmp_path)] == ["mmx/default/0007"]


def test_a_full_tag_is_taken_as_it_is(tmp_path):
    add_explanation(tmp_path, "mmx/val/a/b", make_explanation(), 0)
    assert [e.tag for e in read_explanations(tmp_path)] == ["mmx/val/a/b"]


@pytest.mark.parametrize("kind", ["path", "own", "background"])
@pytest.mark.parametrize(
    "tag", ["", "/", "val/", "/0007", "images/7", "mmx/", "mmx/7", "a" * 20_000]
)
def test_a_bad_tag_is_refused_at_once_and_nothing_is_written(tmp_path, tag, kind):
    writer = WRITERS[kind](tmp_path)
    with pytest.raises(ValueError, match="tag: "):
        add_explanation(writer, tag, make_explanation(), 0, strict=True)
    wait_for_background(writer)
    assert not list(tmp_path.iterdir())


def test_an_image_name_that_is_no_hash_is_refused(tmp_path):
    image = replace(make_image(), hash="../../etc")
    with pytest.raises(ValueError, match=r"image\.hash: expected 8 to 128 hexadecimal digits"):
        add_explanation(tmp_path, "val/1", make_explanation(image=image), 0, strict=True)


def test_an_unsupported_writer_raises_before_any_work(tmp_path):
    for call in (add_explanation, add_metrics):
        with pytest.raises(TypeError, match=r"expected a torch SummaryWriter.*got list"):
            call([], "val/1", make_explanation(), 0, strict=False)
    with pytest.raises(TypeError, match="expected an Explanation, got dict"):
        add_explanation(tmp_path, "val/1", {}, 0, strict=False)


def test_many_files_of_one_second_keep_their_order(tmp_path):
    for step in range(12):
        file = EventFile(tmp_path)
        file.write(explanation_event("val/1", make_explanation(), step=step, wall_time=1.0))
        file.close()
    assert len(list(tmp_path.iterdir())) == 12
    assert [e.step for e in read_explanations(tmp_path)] == list(range(12))
    steps = [event.step for event in events(tmp_path) if len(event.summary.value) > 1]
    assert steps == list(range(12))


def test_resuming_drops_what_is_trained_again(tmp_path):
    with ExplanationWriter(tmp_path) as writer:
        for step in (0, 100, 200, 300):
            writer.add_explanation("val/1", make_explanation(seed=step), step)
    mark_resume(tmp_path, 200)
    add_explanation(tmp_path, "val/1", make_explanation(seed=7), 200)
    read = list(read_explanations(tmp_path))
    assert [e.step for e in read] == [0, 100, 200]
    assert_close(read[2], make_explanation(seed=7))
    assert all(explanation.image for explanation in read)


@pytest.fixture
def quiet(monkeypatch):
    """As in production: errors become warnings, none of which was shown yet."""
    monkeypatch.setenv("MMX_STRICT", "0")
    monkeypatch.setattr(guard, "_warned", set())


@pytest.mark.parametrize("background", [False, True])
def test_a_closed_writer_warns_once_and_the_run_goes_on(tmp_path, quiet, background):
    writer = ExplanationWriter(tmp_path, background=background)
    writer.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(3):
            writer.add_explanation("val/1", make_explanation(), step)
    (warning,) = caught
    assert warning.category is LoggingWarning
    assert re.search(r"logging an explanation failed.*is closed", str(warning.message))
    assert warning.filename == __file__


@pytest.mark.parametrize("background", [False, True])
def test_a_closed_writer_raises_where_it_is_strict(tmp_path, background):
    writer = ExplanationWriter(tmp_path, strict=True, background=background)
    writer.close()
    writer.flush()
    writer.close()
    with pytest.raises(OSError, match="is closed"):
        writer.add_explanation("val/1", make_explanation(), 0)


def test_a_bad_tag_warns_where_it_is_not_strict(tmp_path, quiet):
    with pytest.warns(LoggingWarning, match="tag: expected SET/SAMPLE"):
        add_explanation(tmp_path, "val/", make_explanation(), 0)


def test_a_logdir_that_is_a_file_warns(tmp_path, quiet):
    (tmp_path / "file").write_text("")
    with pytest.warns(LoggingWarning):
        add_explanation(tmp_path / "file", "val/1", make_explanation(), 0)


LIMITED = """\
import resource, sys, warnings
from mmx_core.events import ExplanationWriter, add_explanation
from tests.support.explanations import make_explanation

def writer():
    if sys.argv[2] == "own":
        return ExplanationWriter(sys.argv[1])
    if sys.argv[2] == "background":
        return ExplanationWriter(sys.argv[1], background=True)
    if sys.argv[2] == "torch":
        from torch.utils.tensorboard import SummaryWriter
        return SummaryWriter(sys.argv[1])
    if sys.argv[2] == "tensorboardX":
        from tensorboardX import SummaryWriter
        return SummaryWriter(sys.argv[1])
    return sys.argv[1]

writer = writer()
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
warnings.simplefilter("always")
for step in range(30):
    add_explanation(writer, "val/1", make_explanation(), step)
if sys.argv[2] == "background":
    writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for step in range(30, 33):
    add_explanation(writer, "val/1", make_explanation(), step)
print("training went on", flush=True)
"""


def run_script(script: str, *arguments, prefix=(), strict: str = "0"):
    return subprocess.run(
        [*prefix, sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MMX_STRICT": strict},
    )


@pytest.mark.parametrize("kind", ["own", "background", "torch", "tensorboardX"])
def test_a_file_size_limit_warns_once_and_the_run_goes_on(tmp_path, kind):
    result = run_script(LIMITED, tmp_path, kind)
    assert result.returncode == 0, result.stderr
    assert "training went on" in result.stdout
    assert len(re.findall("logging an explanation failed", result.stderr)) == 1, result.stderr
    with warnings.catch_warnings():
        # Only our own file is left alone after half a record; others write on behind it.
        own = kind in ("own", "background")
        warnings.simplefilter("error" if own else "ignore")
        steps = [explanation.step for explanation in read_explanations(tmp_path)]
    assert steps[:2] == [0, 1]
    if own:
        assert steps[-3:] == [30, 31, 32], "logging goes on in a new file once there is room"


@pytest.mark.parametrize("kind", ["own", "background"])
def test_a_file_size_limit_raises_where_it_is_strict(tmp_path, kind):
    result = run_script(LIMITED, tmp_path, kind, strict="1")
    assert result.returncode == 1
    assert "File too large" in result.stderr


FILL = """\
import os, sys, warnings
if os.system(f"mount -t tmpfs -o size=64k none {sys.argv[1]}"):
    sys.exit(77)
from mmx_core.events import ExplanationWriter, read_explanations
from tests.support.explanations import make_explanation
with ExplanationWriter(sys.argv[1]) as writer:
    for step in range(40):
        writer.add_explanation("val/1", make_explanation(), step)
print("kept", len(list(read_explanations(sys.argv[1]))))
"""


def test_a_full_disk_warns_once_and_keeps_what_was_logged(tmp_path):
    """A real one: a tmpfs of 64 kB in a mount namespace of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this machine grants no mount namespace")
    result = run_script(FILL, tmp_path, prefix=[unshare, "-rm"])
    if result.returncode == 77:
        pytest.skip(f"this machine grants no tmpfs: {result.stderr}")
    assert result.returncode == 0, result.stderr
    assert len(re.findall("No space left on device", result.stderr)) == 1, result.stderr
    assert int(result.stdout.split()[-1]) >= 5
