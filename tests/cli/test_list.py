"""`mmx list`: what is counted, against the files and the blobs themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmx_core import add_explanation
from mmx_core.cli import inventory, main
from mmx_core.cli.table import format_bytes, format_table
from mmx_core.events.wire import encode_explanation, encode_image
from mmx_core.events.writer import ExplanationWriter
from tb_mmx_plugin.loader import STEPS_KEPT
from tests.cli.conftest import SCALES, STEPS
from tests.support.explanations import make_explanation


def size_of(explanation, tag: str, step: int) -> int:
    return sum(map(len, encode_explanation(explanation, tag=f"mmx/val/{tag}", step=step)))


def listed(logdir: Path, capsys) -> dict[str, dict]:
    assert main(["list", str(logdir), "--json"]) == 0
    return {run["run"]: run for run in json.loads(capsys.readouterr().out)["runs"]}


def test_bytes_are_those_of_the_files_and_of_the_blobs(logdir, capsys) -> None:
    run = listed(logdir, capsys)["grounded"]
    files = (logdir / "grounded").iterdir()
    made = {
        sample: [make_explanation(seed=s + sample, scales=SCALES, id=str(sample)) for s in STEPS]
        for sample in (2, 10)
    }
    sizes = {
        sample: sum(size_of(e, str(sample), step) for e, step in zip(steps, STEPS, strict=True))
        for sample, steps in made.items()
    }
    # By hash: two explanations of one image log it once.
    images = {e.image.hash: e.image for steps in made.values() for e in steps if e.image}
    image_bytes = sum(len(blob) for image in images.values() for blob in encode_image(image))
    assert run["bytes_on_disk"] == sum(file.stat().st_size for file in files)
    assert [sample["bytes"] for sample in run["samples"]] == [sizes[2], sizes[10]]
    assert run["mean_bytes"] == round(sum(sizes.values()) / 6)
    assert run["memory_bytes"] == sum(sizes.values()) + image_bytes


def test_memory_counts_the_steps_that_tensorboard_keeps(tmp_path, capsys) -> None:
    assert inventory.STEPS_KEPT == STEPS_KEPT
    made = make_explanation(tokens=1, scales=((1.0, (2, 2)),), image=None)
    with ExplanationWriter(tmp_path) as writer:
        for step in range(2 * STEPS_KEPT):
            writer.add_explanation("val/0", made, step)
    run = listed(tmp_path, capsys)["."]
    assert run["samples"][0]["steps"] == 2 * STEPS_KEPT
    # A step of more digits is a byte longer in the header, before it is compressed.
    assert run["memory_bytes"] == pytest.approx(STEPS_KEPT * size_of(made, "0", 50), rel=0.01)


def test_what_a_resumed_run_dropped_is_not_counted(tmp_path, capsys) -> None:
    made = make_explanation(scales=SCALES)
    with ExplanationWriter(tmp_path) as writer:
        for step in (1, 2, 3):
            writer.add_explanation("val/0", made, step)
        writer.add_explanation("val/late", made, 3)
        writer.mark_resume(2)
        writer.add_explanation("val/0", made, 2)
    (sample,) = listed(tmp_path, capsys)["."]["samples"]
    assert (sample["sample"], sample["steps"], sample["last_step"]) == ("val/0", 2, 2)


def test_the_table_is_aligned_and_names_everything(logdir, capsys) -> None:
    assert main(["list", str(logdir)]) == 0
    header, control, grounded, _, total = capsys.readouterr().out.splitlines()
    assert grounded.split()[:2] == ["grounded", "2"]
    assert "val/2 … val/10" in grounded and "0–250 (3)" in grounded
    assert "7 (1)" in control
    assert len({len(header), len(control), len(grounded)}) == 1
    assert "TensorBoard holds" in total


def test_a_directory_without_explanations_is_told_apart_from_a_wrong_one(tmp_path, capsys) -> None:
    assert main(["list", str(tmp_path)]) == 2
    assert "logged explanations" in capsys.readouterr().err
    assert main(["list", str(tmp_path / "absent")]) == 2
    assert "expected a directory" in capsys.readouterr().err


def test_a_damaged_file_is_reported_and_the_rest_is_listed(tmp_path, capsys) -> None:
    add_explanation(tmp_path / "a", "val/0", make_explanation(scales=SCALES), 0)
    add_explanation(tmp_path / "a", "val/1", make_explanation(scales=SCALES), 1)
    first = min((tmp_path / "a").iterdir())
    data = bytearray(first.read_bytes())
    data[-100] ^= 1
    first.write_bytes(data)
    assert main(["list", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "skipped run 'a'" in told.err and "checksum" in told.err
    assert "val/1" in told.out


def test_wide_letters_take_two_columns() -> None:
    lines = format_table(("token", "p"), [("図", "1"), ("e\u0301", "2")]).splitlines()
    assert lines[1:] == ["図     1", "e\u0301      2"]


def test_sizes_are_written_for_people() -> None:
    sizes = [format_bytes(count) for count in (12, 1500, 2_340_000, 5e12)]
    assert sizes == ["12 B", "1.5 kB", "2.3 MB", "5000.0 GB"]
